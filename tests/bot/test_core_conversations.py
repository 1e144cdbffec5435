"""Which messages are questions, and the conversation that each belongs to."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.domain import Incoming, MessageRef
from tests.bot.chat_bench import ANA, BO, asked, chat_bench


def part_of(incoming: Incoming, name: str) -> MessageRef:
    """A message of ours beside a question."""
    return replace(incoming.ref, message=name)


# Which conversation


async def test_a_direct_message_remembers_what_was_said(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one"))
        await bench.answer(asked("two"))
        assert bench.prompts() == [["one"], ["one", "I heard: one", "two"]]


async def test_each_direct_message_has_its_own_memory(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one", channel="D1"))
        await bench.answer(asked("two", channel="D2", author=BO))
        assert bench.prompts()[1] == ["two"]


async def test_a_direct_message_has_one_memory_with_all_its_threads(client: "Redis") -> None:
    """On Slack an answer stands in a thread under its question, and people go on in either."""
    async with chat_bench(client) as bench:
        await bench.answer(asked("one"))
        await bench.answer(asked("two", thread="m1"))
        await bench.answer(asked("three"))
    assert bench.prompts()[1:] == [
        ["one", "I heard: one", "two"],
        ["one", "I heard: one", "two", "I heard: two", "three"],
    ]


async def test_each_thread_has_its_own_memory_shared_by_all_in_it(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        for text, thread, author in (("one", "t1", ANA), ("two", "t2", ANA), ("three", "t1", BO)):
            await bench.answer(
                asked(text, place="thread", channel="C1", thread=thread, author=author,
                      mentions_bot=True)
            )  # fmt: skip
    assert bench.prompts() == [["one"], ["two"], ["one", "I heard: one", "three"]]


async def test_a_follow_up_in_a_known_thread_needs_no_mention(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(
            asked("one", place="thread", channel="C1", thread="t1", mentions_bot=True)
        )
        await bench.answer(asked("two", place="thread", channel="C1", thread="t1", author=BO))
        assert bench.prompts()[1] == ["one", "I heard: one", "two"]


async def test_each_mention_in_a_channel_begins_a_conversation(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("one", place="channel", channel="C1", mentions_bot=True))
        await bench.answer(asked("two", place="channel", channel="C1", mentions_bot=True))
        assert bench.prompts() == [["one"], ["two"]]


async def test_a_reply_to_an_answer_goes_on_with_its_conversation(client: "Redis") -> None:
    first = asked("one", place="channel", channel="C1", mentions_bot=True)
    async with chat_bench(client) as bench:
        turn = await bench.answer(first)
        await bench.turns.add_part(turn.id, 0, part_of(first, "answer-1"))
        second = asked("two", place="channel", channel="C1", reply_to="answer-1", author=BO)
        turn = await bench.answer(second)
        await bench.turns.add_part(turn.id, 0, part_of(second, "answer-2"))
        await bench.answer(asked("three", place="channel", channel="C1", reply_to="answer-2"))
    assert bench.prompts()[2] == ["one", "I heard: one", "two", "I heard: two", "three"]


async def test_a_reply_to_a_question_goes_on_when_the_bot_is_mentioned(client: "Redis") -> None:
    first = asked("one", place="channel", channel="C1", mentions_bot=True)
    async with chat_bench(client) as bench:
        await bench.answer(first)
        chained = asked("two", place="channel", channel="C1", reply_to=first.ref.message)
        assert await bench.ask(chained) == []
        await bench.answer(
            asked("three", place="channel", channel="C1", reply_to=first.ref.message,
                  mentions_bot=True)
        )  # fmt: skip
    assert bench.prompts() == [["one"], ["one", "I heard: one", "three"]]


async def test_a_mention_in_a_reply_to_somebody_begins_a_conversation(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(
            asked("one", place="channel", channel="C1", reply_to="stranger", mentions_bot=True)
        )
        assert bench.prompts() == [["one"]]


# What is not for us


@pytest.mark.parametrize(
    "incoming",
    [
        asked(place="channel", channel="C1"),
        asked(place="channel", channel="C1", mentions_others=True),
        asked(place="channel", channel="C1", reply_to="stranger"),
        asked(place="thread", channel="C1", thread="unknown"),
        asked("", place="dm"),
        asked(" \n ", place="dm"),
        asked("", place="channel", channel="C1", mentions_bot=True),
    ],
    ids=["channel", "others", "reply", "thread", "empty", "blank", "mention alone"],
)
async def test_a_message_that_is_not_for_us_is_left_alone(
    client: "Redis", incoming: Incoming
) -> None:
    async with chat_bench(client) as bench:
        assert await bench.ask(incoming) == []
        assert bench.server.requests == []
        assert await bench.turns.of_message(incoming.ref.key) is None


async def test_who_addresses_somebody_else_in_a_known_thread_is_left_alone(
    client: "Redis",
) -> None:
    async with chat_bench(client) as bench:
        first = asked(place="thread", channel="C1", thread="t1", mentions_bot=True)
        await bench.answer(first)
        other = asked(place="thread", channel="C1", thread="t1", mentions_others=True)
        assert await bench.ask(other) == []
        both = replace(other, mentions_bot=True)
        await bench.answer(both)


async def test_a_message_is_answered_once_however_often_it_comes(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client) as bench:
        await bench.answer(question)
        assert await bench.ask(question) == []
        assert len(bench.server.requests) == 1


async def test_a_message_that_comes_many_times_at_once_is_answered_once(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client) as bench, chat_bench(client, beside=bench) as other:
        answers = await asyncio.gather(
            *(one.ask(question) for one in (bench, other) for _ in range(10))
        )
    assert len([events for events in answers if events]) == 1
    assert len(bench.server.requests) == 1
