"""A model or a store in trouble, and what becomes of the question."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.domain import Incoming
from bot.errors import StoreUnavailable
from bot.events import Ended, Text, Waiting
from bot.intake import is_surely_ours
from bot.settings import ChatSettings
from tests.bot.chat_bench import Gate, asked, chat_bench
from tests.bot.store.outage import outage
from tests.scripted_model import Piece, ScriptedModel, scripted_model
from tests.waiting import until


def port_of(server: ScriptedModel) -> int:
    return int(server.url.split(":")[2].removesuffix("/v1"))


# The model in trouble


async def test_a_model_that_is_starting_is_waited_for(client: "Redis") -> None:
    async with (
        chat_bench(client, wait_s=60, serve=False) as bench,
        aclosing(bench.events(asked("Why?"))) as events,
    ):
        assert await anext(events) == Waiting("model")
        async with scripted_model(bench.server, port=port_of(bench.server)):
            rest = [event async for event in events]
    assert rest == [Text("I heard: "), Text("Why?"), Ended("stop")]


async def test_that_the_model_is_waited_for_is_told_once(client: "Redis") -> None:
    async with (
        chat_bench(client, wait_s=60, serve=False) as bench,
        aclosing(bench.events(asked("Why?"))) as events,
    ):
        assert await anext(events) == Waiting("model")
        last = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.7)
        assert not last.done()
        bench.clock[0] += 60
        assert await last == Ended("error", "model_unavailable")


async def test_a_model_that_stays_away_is_a_problem_in_the_end(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client, wait_s=0, serve=False) as bench:
        assert await bench.ask(question) == [Ended("error", "model_unavailable")]
        turn = await bench.stored(question)
        assert (turn.status, turn.finish, turn.answer) == ("failed", "error", "")


async def test_an_answer_that_breaks_off_is_failed_with_what_there_is(client: "Redis") -> None:
    question = asked()
    server = ScriptedModel(answer=lambda _: ["It is ", "so", ConnectionResetError()])
    async with chat_bench(client, server, wait_s=60) as bench:
        assert await bench.ask(question) == [
            Text("It is "),
            Text("so"),
            Ended("error", "model_unavailable"),
        ]
        turn = await bench.stored(question)
        assert (turn.status, turn.answer) == ("failed", "It is so")
        assert len(server.requests) == 1, "an answer that has begun is not begun again"


async def test_an_answer_that_breaks_off_before_its_first_word_is_begun_again(
    client: "Redis",
) -> None:
    def once(_: list[dict[str, str]]) -> Sequence[Piece]:
        return [ConnectionResetError()] if len(server.requests) == 1 else ["so"]

    server = ScriptedModel(answer=once)
    async with chat_bench(client, server, wait_s=60) as bench:
        events = await bench.ask(asked())
    assert events == [Waiting("model"), Text("so"), Ended("stop")]


async def test_a_model_that_goes_silent_is_a_problem(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server, timeout_s=0.1) as bench:
        events = await bench.ask(asked())
    assert events == [Text("first "), Ended("error", "model_unavailable")]


async def test_a_model_that_refuses_the_request_is_a_problem(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(refuse=(400, "nonsense")), wait_s=60) as bench:
        assert await bench.ask(asked()) == [Ended("error", "model_refuses")]


# The store in trouble, before a question is taken in


async def test_without_the_store_a_question_is_not_taken_in_and_may_come_again(
    client: "Redis", tmp_path: Path
) -> None:
    question = asked()
    async with chat_bench(client) as bench:
        async with outage(client, tmp_path):
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await bench.chat.take(question)
        assert (await bench.answer(question)).answer == "I heard: Why?"


@pytest.mark.parametrize(
    ("incoming", "surely"),
    [
        (asked(place="dm"), True),
        (asked(place="channel", channel="C1", mentions_bot=True), True),
        (asked(place="thread", channel="C1", thread="t1", mentions_bot=True), True),
        (asked(place="thread", channel="C1", thread="t1"), False),
        (asked(place="channel", channel="C1", reply_to="m1"), False),
        (asked(place="channel", channel="C1"), False),
        (asked(" \n", place="dm"), False),
    ],
    ids=["dm", "mention", "mention in a thread", "thread", "reply", "channel", "blank"],
)
def test_who_addresses_the_bot_can_be_told_without_the_store(
    incoming: Incoming, *, surely: bool
) -> None:
    assert is_surely_ours(incoming) == surely


async def test_a_store_that_takes_no_writes_takes_no_question_in(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await client.config_set("maxmemory", "1")
        with pytest.raises(StoreUnavailable):
            await bench.chat.take(asked())
        await client.config_set("maxmemory", "0")


async def test_a_question_that_could_not_be_stored_takes_no_place(client: "Redis") -> None:
    async with chat_bench(client, settings=ChatSettings(max_waiting=1)) as bench:
        await client.set("candor:people", "in the way of the hash of names")
        with pytest.raises(StoreUnavailable):
            await bench.chat.take(asked())
        await client.delete("candor:people")
        await bench.answer(asked())


# The store in trouble, once a question is taken in


async def test_a_store_that_goes_away_before_the_answer_begins_is_waited_for(
    client: "Redis", tmp_path: Path
) -> None:
    async with chat_bench(client) as bench:
        answer = bench.chat.answer(await bench.taken(asked("Why?")))
        async with aclosing(bench.shown(answer)) as events:
            async with outage(client, tmp_path):
                assert await anext(events) == Waiting("store")
                next_event = asyncio.ensure_future(anext(events))
                await asyncio.sleep(0.6)
                assert not next_event.done(), "told once"
            assert await next_event == Text("I heard: ")
            rest = [event async for event in events]
    assert rest == [Text("Why?"), Ended("stop")]


async def test_a_store_that_goes_away_before_the_prompt_is_waited_for(
    client: "Redis", tmp_path: Path
) -> None:
    """The model's server says what it has, and that takes until the store is away."""
    question, away, back = asked("two"), asyncio.Event(), asyncio.Event()

    class Slow(ScriptedModel):
        async def models(self, request: object) -> object:  # type: ignore[override]
            await away.wait()
            return await super().models(request)  # type: ignore[arg-type]

    async with chat_bench(client, Slow()) as bench:
        turn = await bench.taken(question)
        answer = bench.chat.answer(turn)

        async def all_events() -> list[object]:
            async with aclosing(bench.shown(answer)) as events:
                found: list[object] = []
                async for event in events:
                    found.append(event)
                    if event == Waiting("store"):
                        back.set()
                return found

        async def is_running() -> bool:
            return await bench.status(question) == "running"

        answering = asyncio.create_task(all_events())
        await until(is_running)
        async with outage(client, tmp_path):
            away.set()
            await asyncio.wait_for(back.wait(), 5)
        assert await answering == [Waiting("store"), Text("I heard: "), Text("two"), Ended("stop")]
        assert (await bench.stored(question)).status == "done"


async def test_a_store_that_goes_away_in_mid_answer_does_not_take_the_answer_away(
    client: "Redis", tmp_path: Path
) -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        answer = bench.chat.answer(await bench.taken(question))
        async with aclosing(bench.shown(answer)) as events:
            assert await anext(events) == Text("first ")
            async with outage(client, tmp_path):
                gate.open()
                assert await anext(events) == Text("to one")
                assert await anext(events) == Ended("stop")
                closing = asyncio.ensure_future(anext(events, None))
                await asyncio.sleep(0.1)
                assert not closing.done(), "the end of a turn is insisted on"
            assert await closing is None
        turn = await bench.stored(question)
        assert (turn.status, turn.answer, turn.finish) == ("done", "first to one", "stop")
        assert await bench.inbox.waiting("slack") == 0


async def test_what_grows_while_the_store_is_away_is_saved_when_it_is_back(
    client: "Redis", tmp_path: Path
) -> None:
    question, go_on, told = asked("one"), asyncio.Event(), asyncio.Event()

    async def telling() -> None:
        told.set()
        await asyncio.Event().wait()

    server = ScriptedModel(answer=lambda _: ["first ", go_on.wait, "more ", telling])
    async with chat_bench(client, server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        async with outage(client, tmp_path):
            go_on.set()
            await told.wait()
        await bench.saves(question, "first more ")
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


async def test_edits_and_deletions_wait_for_the_store(client: "Redis", tmp_path: Path) -> None:
    edited, deleted = asked("Whu?"), asked("Never mind", channel="D2")
    async with chat_bench(client) as bench:
        await bench.taken(edited)
        await bench.taken(deleted)
        async with outage(client, tmp_path):
            changes = [
                asyncio.create_task(bench.chat.edited(edited.ref, "Why?")),
                asyncio.create_task(bench.chat.deleted(deleted.ref)),
            ]
            await asyncio.sleep(0.1)
            assert not any(change.done() for change in changes)
        await asyncio.wait_for(asyncio.gather(*changes), 5)
        assert (await bench.stored(edited)).text == "Why?"
        assert await bench.status(deleted) == "withdrawn"
