"""Plain words in a conversation: wishes where they can be granted, else questions."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.domain import Incoming, Place, Standing
from bot.events import Ended, Event
from tests.bot.chat_bench import BO, Bench, Gate, asked, chat_bench, text_of

STOPPED = Ended("cancelled")


@asynccontextmanager
async def running(
    client: "Redis", question: Incoming
) -> AsyncIterator[tuple[Bench, "asyncio.Task[list[Event]]", Gate]]:
    """A question whose answer has begun, and goes on when the gate is opened."""
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        bench.clock[0] = (await bench.stored(question)).created_at
        yield bench, answering, gate
        gate.open()
        await answering


async def test_stop_stops_what_is_answered_and_is_no_question(client: "Redis") -> None:
    question, word = asked("one"), asked("Stop.")
    async with running(client, question) as (bench, answering, _):
        assert await bench.chat.take(word) == "obeyed"
        assert (await asyncio.wait_for(answering, 1))[-1] == STOPPED
        assert await bench.status(question) == "stopped"
        assert await bench.turns.of_message(word.ref.key) is None
        assert len(bench.server.requests) == 1


async def test_a_word_that_is_delivered_again_does_nothing_more(client: "Redis") -> None:
    question, word = asked("one"), asked("stop")
    async with running(client, question) as (bench, answering, gate):
        assert await bench.chat.take(word) == "obeyed"
        await answering
        assert await bench.chat.take(word) == "seen"
        gate.opened.clear()
        other = asked("two")
        again = asyncio.create_task(bench.ask(other))
        await bench.saves(other, "first ")
        assert await bench.chat.take(word) == "seen"
        assert not (await bench.stored(other)).stopped
        gate.open()
        assert text_of(await again) == "first to two"


@pytest.mark.parametrize("text", ["stop", "again", "go on"])
async def test_with_nothing_to_hold_a_word_is_a_question(client: "Redis", text: str) -> None:
    async with chat_bench(client) as bench:
        word = asked(text)
        assert text_of(await bench.ask(word)) == f"I heard: {text}"
        assert await bench.chat.take(word) == "seen"


async def test_a_question_of_one_such_word_does_not_stop_itself(client: "Redis") -> None:
    """Delivered again while it is being answered."""
    word = asked("stop")
    async with running(client, word) as (bench, _, _):
        assert await bench.chat.take(word) == "seen"
        assert not (await bench.stored(word)).stopped


async def test_go_on_after_a_whole_answer_is_a_question(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one"))
        assert text_of(await bench.ask(asked("go on"))) == "I heard: go on"


async def test_continue_goes_on_with_a_cut_answer(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        bench.server.finish = "length"
        question = asked("one")
        await bench.ask(question)
        assert await bench.chat.take(asked("continue")) == "obeyed"
        assert (await bench.stored(question)).is_open
        assert len(await bench.turns.history((await bench.stored(question)).conversation, 9)) == 1


async def test_again_tries_the_last_question_again(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one"))
        second, word = await bench.answer(asked("two")), asked("try again")
        assert await bench.chat.take(word) == "obeyed"
        assert await bench.chat.take(word) == "seen"
        found = await bench.turns.history(second.conversation, 9)
        assert [turn.text for turn in found] == ["one", "two", "two"]
        assert found[-1].retry_of == second.id


@pytest.mark.parametrize(("moderates", "stops"), [(False, False), (True, True)])
async def test_anothers_answer_is_stopped_by_a_moderator_only(
    client: "Redis", *, moderates: bool, stops: bool
) -> None:
    question = asked("one", place="thread", channel="C1", thread="t", mentions_bot=True)
    word = asked("stop", author=BO, place="thread", channel="C1", thread="t", mentions_bot=True)
    word = replace(word, standing=Standing(is_moderator=moderates))
    async with running(client, question) as (bench, _, _):
        assert await bench.chat.take(word) == ("obeyed" if stops else "new")
        assert (await bench.stored(question)).stopped is stops


async def test_a_word_to_others_is_not_for_us(client: "Redis") -> None:
    question = asked("one", place="thread", channel="C1", thread="t", mentions_bot=True)
    word = asked("stop", place="thread", channel="C1", thread="t", mentions_others=True)
    async with running(client, question) as (bench, _, _):
        assert await bench.chat.take(word) is None
        assert not (await bench.stored(question)).stopped


async def test_a_follow_up_in_a_thread_needs_no_mention_to_stop(client: "Redis") -> None:
    question = asked("one", place="thread", channel="C1", thread="t", mentions_bot=True)
    word = replace(asked("stop", place="thread", channel="C1", thread="t"), sent_at=2.0)
    async with running(client, question) as (bench, _, _):
        assert await bench.chat.take(word) == "obeyed"


@pytest.mark.parametrize(("mentions", "taken"), [(True, "obeyed"), (False, None)])
async def test_in_the_open_channel_a_mention_means_ones_own_late_answer(
    client: "Redis", *, mentions: bool, taken: str | None
) -> None:
    """A message there begins a conversation of its own, in which nothing can be running."""
    question = asked("one", platform="discord", place="channel", channel="C1", mentions_bot=True)
    word = asked("stop", platform="discord", place="channel", channel="C1", mentions_bot=mentions)
    async with running(client, question) as (bench, _, _):
        elsewhere = replace(word, ref=replace(word.ref, channel="C2", message="elsewhere"))
        assert await bench.chat.take(elsewhere) == ("new" if mentions else None)
        strange = replace(word, author=BO, ref=replace(word.ref, message="strange"))
        assert await bench.chat.take(strange) == ("new" if mentions else None)
        assert await bench.chat.take(word) == taken
        assert (await bench.stored(question)).stopped is mentions


async def test_a_reply_to_the_answer_means_its_conversation(client: "Redis") -> None:
    question = asked("one", platform="discord", place="channel", channel="C1", mentions_bot=True)
    async with running(client, question) as (bench, _, _):
        turn = await bench.stored(question)
        await bench.turns.add_part(turn.id, 0, replace(question.ref, message="p1"))
        word = asked("stop", platform="discord", place="channel", channel="C1", reply_to="p1")
        assert await bench.chat.take(word) == "obeyed"


@pytest.mark.parametrize("place", ["dm", "thread"])
async def test_a_word_behind_its_question_finds_it(client: "Redis", place: Place) -> None:
    """Both come at once: they are taken in one after the other."""
    where = {"place": place, "channel": "C1", "thread": "t", "mentions_bot": True}
    question, word = asked("one", **where), asked("stop", **where)  # type: ignore[arg-type]
    async with chat_bench(client) as bench:
        taken = await asyncio.gather(bench.chat.take(question), bench.chat.take(word))
        assert list(taken) == ["new", "obeyed"]
        assert await bench.taken_up(question) == [STOPPED]
        assert bench.server.requests == []
