"""One turn, from an incoming message to the stored answer."""

import asyncio
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from bot.domain import Conversation, FinishReason
from bot.events import Ended, Text
from tests.bot.chat_bench import ANA, BO, RELEASE, SYSTEM, Gate, asked, chat_bench
from tests.scripted_model import ScriptedModel


async def test_a_question_is_answered_and_ended(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        events = await bench.ask(asked("Why?"))
    assert events == [Text("I heard: "), Text("Why?"), Ended("stop")]


async def test_the_whole_turn_is_stored(client: "Redis") -> None:
    question = asked("Why?")
    async with chat_bench(client) as bench:
        turn = await bench.answer(question)
        assert turn.question == question.ref
        assert turn.asker == ANA
        assert turn.text == "Why?"
        assert turn.answer == "I heard: Why?"
        assert turn.status == "done"
        assert turn.finish == "stop"
        assert turn.release == RELEASE.id
        assert turn.conversation == Conversation("slack", "T1", "D1", "dm")
        assert turn.created_at == turn.first_text_at == turn.finished_at == 1000.0
        assert await bench.turns.of_message(question.ref.key) == turn
        assert await bench.people.get_many([ANA.key]) == [ANA]
        assert await bench.inbox.waiting("slack") == 0


async def test_a_question_that_was_taken_in_waits(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client) as bench:
        assert await bench.chat.take(question) == "new"
        assert await bench.chat.take(question) == "seen"
        assert await bench.status(question) == "waiting"
        assert await bench.inbox.waiting("slack") == 1
        assert bench.server.requests == []


async def test_a_running_turn_is_stored_as_such(client: "Redis") -> None:
    gate, question = Gate(), asked()
    async with (
        chat_bench(client, gate.server) as bench,
        aclosing(bench.events(question)) as events,
    ):
        assert await anext(events) == Text("first ")
        running = await bench.stored(question)
        assert running.status == "running"
        assert running.finish is None


async def test_a_growing_answer_is_saved(client: "Redis") -> None:
    gate, question = Gate(), asked()
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        gate.open()
        await answering
        assert (await bench.stored(question)).answer == "first to Why?"


async def test_the_times_of_a_turn_are_those_of_the_clock(client: "Redis") -> None:
    gate, question = Gate(), asked()
    async with chat_bench(client, gate.server) as bench:
        await bench.taken(question)
        bench.clock[0] = 1002.0
        answer = bench.chat.answer(await bench.held(question))
        async with aclosing(bench.shown(answer)) as events:
            await anext(events)
            bench.clock[0] = 1007.0
            gate.open()
            async for _ in events:
                pass
        turn = await bench.stored(question)
    assert (turn.created_at, turn.first_text_at, turn.finished_at) == (1000.0, 1002.0, 1007.0)


async def test_the_model_is_asked_with_the_release_and_the_person(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        await bench.answer(asked("Why?", author=BO))
        [request] = bench.server.requests
    assert request["messages"] == [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "Why?"},
    ]
    assert request["max_tokens"] == 64
    assert request["user"] == BO.key


@pytest.mark.parametrize("finish", ["length", "deadline"])
async def test_an_answer_that_is_cut_is_done(client: "Redis", finish: FinishReason) -> None:
    question = asked()
    async with chat_bench(client, ScriptedModel(finish=finish)) as bench:
        events = await bench.ask(question)
        assert events[-1] == Ended(finish)
        turn = await bench.stored(question)
        assert (turn.status, turn.finish) == ("done", finish)


async def test_an_answer_without_a_word_is_done_and_is_no_memory(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(answer=lambda _: [" ", "\n"])) as bench:
        turn = await bench.answer(asked("first"))
        assert turn.answer == ""
        await bench.answer(asked("second"))
        assert bench.prompts()[1] == ["second"]


@pytest.mark.parametrize("finish", ["error", "shutdown"])
async def test_an_answer_that_its_server_ended_is_failed(
    client: "Redis", finish: FinishReason
) -> None:
    question = asked()
    async with chat_bench(client, ScriptedModel(finish=finish)) as bench:
        *_, ended = await bench.ask(question)
        assert ended == Ended(finish, "model_unavailable")
        turn = await bench.stored(question)
        assert (turn.status, turn.finish) == ("failed", finish)
