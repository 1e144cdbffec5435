"""One turn, from an incoming message to the stored answer."""

from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from bot.events import Accepted, Ended, Text
from bot.domain import Conversation
from tests.bot.chat_bench import ANA, BO, RELEASE, SYSTEM, Gate, asked, chat_bench
from tests.scripted_model import ScriptedModel


async def test_a_question_is_accepted_answered_and_ended(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        events = await bench.ask(asked("Why?"))
    accepted, *texts, ended = events
    assert isinstance(accepted, Accepted)
    assert texts == [Text("I heard: "), Text("Why?")]
    assert ended == Ended("stop")


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


async def test_a_running_turn_is_stored_as_such(client: "Redis") -> None:
    gate = Gate()
    async with (
        chat_bench(client, gate.server) as bench,
        aclosing(bench.events(asked())) as events,
    ):
        accepted = await anext(events)
        assert isinstance(accepted, Accepted)
        running = await bench.turns.get(accepted.turn)
        assert running is not None
        assert running.status == "running"
        assert running.finish is None


async def test_the_times_of_a_turn_are_those_of_the_clock(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        async with aclosing(bench.events(asked())) as events:
            accepted = await anext(events)
            bench.clock[0] = 1002.0
            await anext(events)
            bench.clock[0] = 1007.0
            gate.open()
            async for _ in events:
                pass
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
    assert turn is not None
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


async def test_an_answer_cut_by_its_length_is_done(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(finish="length")) as bench:
        events = await bench.ask(asked())
        assert events[-1] == Ended("length")
        assert isinstance(events[0], Accepted)
        turn = await bench.turns.get(events[0].turn)
        assert turn is not None
        assert (turn.status, turn.finish) == ("done", "length")


async def test_an_answer_without_a_word_is_done_and_is_no_memory(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(answer=lambda _: [" ", "\n"])) as bench:
        turn = await bench.answer(asked("first"))
        assert turn.answer == ""
        await bench.answer(asked("second"))
        assert bench.prompts()[1] == ["second"]


@pytest.mark.parametrize("finish", ["deadline", "error", "shutdown"])
async def test_an_answer_that_its_server_ended_is_failed(client: "Redis", finish: str) -> None:
    async with chat_bench(client, ScriptedModel(finish=finish)) as bench:
        accepted, *_, ended = await bench.ask(asked())
        assert ended == Ended(finish, "model_unavailable")  # type: ignore[arg-type]
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert (turn.status, turn.finish) == ("failed", finish)
