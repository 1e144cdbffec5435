"""An answer that somebody stops."""

import asyncio
from contextlib import aclosing

from redis.asyncio import Redis

from bot.events import Accepted, Text
from tests.bot.chat_bench import Gate, asked, chat_bench, text_of
from tests.waiting import until


async def test_closing_the_answer_stops_the_model_and_stores_what_there_is(
    client: "Redis",
) -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        async with aclosing(bench.events(asked("one"))) as events:
            accepted = await anext(events)
            assert await anext(events) == Text("first ")
        await until(lambda: gate.server.running == 0)
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert (turn.status, turn.finish, turn.answer) == ("stopped", "cancelled", "first")
        gate.open()
        await asyncio.wait_for(bench.answer(asked("two")), 5)


async def test_a_cancelled_task_stops_its_answer(client: "Redis") -> None:
    gate = Gate()
    question = asked("one")
    async with chat_bench(client, gate.server) as bench:
        task = asyncio.create_task(bench.ask(question))
        await until(lambda: gate.server.running == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: gate.server.running == 0)
        turn = await bench.turns.of_message(question.ref.key)
        assert turn is not None
        assert turn.status == "stopped"
        gate.open()
        await asyncio.wait_for(bench.answer(asked("two")), 5)


async def test_who_stops_while_waiting_is_passed_over_and_stored_as_stopped(
    client: "Redis",
) -> None:
    gate = Gate()
    question = asked("two")
    async with chat_bench(client, gate.server) as bench:
        first = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        async with aclosing(bench.events(question)) as events:
            await anext(events)
            third = asyncio.create_task(bench.ask(asked("three")))
        gate.open()
        await first
        assert text_of(await asyncio.wait_for(third, 5)) == "first to three"
        turn = await bench.turns.of_message(question.ref.key)
    assert turn is not None
    assert turn.status == "stopped"


async def test_who_stops_before_anything_else_is_stored_as_stopped(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client) as bench:
        async with aclosing(bench.events(question)) as events:
            await anext(events)
        turn = await bench.turns.of_message(question.ref.key)
        assert turn is not None
        assert (turn.status, turn.finish) == ("stopped", "cancelled")
        assert bench.server.requests == []


async def test_a_stopped_answer_is_remembered_as_far_as_it_came(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        async with aclosing(bench.events(asked("one"))) as events:
            await anext(events)
            await anext(events)
        gate.open()
        await bench.answer(asked("two"))
        assert bench.prompts()[1] == ["one", "first", "two"]
