"""An answer that somebody leaves, and one whose question is deleted or edited."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

from redis.asyncio import Redis

from bot.domain import MessageRef
from bot.events import Ended, Text
from tests.bot.chat_bench import Gate, asked, chat_bench, text_of
from tests.scripted_model import Piece, ScriptedModel
from tests.waiting import until

WITHDRAWN = Ended("cancelled", "withdrawn")
OTHER = "worker-2"


# Left to whoever takes it up


async def test_an_answer_that_is_left_stops_the_model_and_stays_in_the_inbox(
    client: "Redis",
) -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        async with aclosing(bench.events(question)) as events:
            assert await anext(events) == Text("first ")
        await until(lambda: gate.server.running == 0)
        assert await bench.status(question) == "running"
        assert await bench.inbox.waiting("slack") == 1
        gate.open()
        assert text_of(await bench.taken_up(question)) == "first to one"


async def test_a_cancelled_task_leaves_its_answer(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        task = asyncio.create_task(bench.ask(question))
        await until(lambda: gate.server.running == 1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until(lambda: gate.server.running == 0)
        assert await bench.status(question) == "running"
        gate.open()
        await bench.taken_up(question)
        await asyncio.wait_for(bench.answer(asked("two")), 5)


async def test_an_answer_may_be_left_at_any_moment(client: "Redis") -> None:
    """Nothing of it goes on, whatever it was doing."""
    async with chat_bench(client) as bench:
        for steps in range(0, 60, 3):
            question = asked("one", channel=f"D{steps}")
            turn = await bench.taken(question)

            async def show() -> None:
                async with aclosing(bench.chat.answer(turn).events()) as events:  # noqa: B023
                    async for _ in events:
                        pass

            before = asyncio.all_tasks()
            task = asyncio.create_task(show())
            for _ in range(steps):
                await asyncio.sleep(0.0001)
            task.cancel()
            await asyncio.wait((task,), timeout=3)
            assert task.done(), f"after {steps} steps"
            left = asyncio.all_tasks() - before - {task}
            mine = [one for one in left if "bot/" in str(one.get_coro())]
            assert mine == []


# A deleted question


async def test_a_question_that_is_deleted_while_it_waits_is_not_answered(client: "Redis") -> None:
    gate, first, second = Gate(), asked("one"), asked("two")
    async with chat_bench(client, gate.server) as bench:
        running = asyncio.create_task(bench.ask(first))
        await until(lambda: gate.server.running == 1)
        waiting = asyncio.create_task(bench.ask(second))
        await bench.saves(second, "")
        third = asyncio.create_task(bench.ask(asked("three")))
        await bench.chat.deleted(second.ref)
        gate.open()
        await running
        assert await waiting == []
        assert text_of(await asyncio.wait_for(third, 5)) == "first to three"
        assert await bench.status(second) == "withdrawn"
        assert await bench.inbox.waiting("slack") == 0
    assert bench.prompts()[-1] == ["one", "first to one", "three"]


async def test_a_question_that_is_deleted_while_it_is_answered_stops_the_answer(
    client: "Redis",
) -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        await bench.chat.deleted(question.ref)
        assert await asyncio.wait_for(answering, 2) == [Text("first "), WITHDRAWN]
        await until(lambda: gate.server.running == 0)
        turn = await bench.stored(question)
        assert (turn.status, turn.finish, turn.answer) == ("stopped", "cancelled", "first")
        assert await bench.inbox.waiting("slack") == 0


async def test_a_deletion_that_another_process_hears_of_stops_the_answer(
    client: "Redis",
) -> None:
    """Noticed at the next save, so only of an answer that grows."""
    question, go_on = asked("one"), asyncio.Event()

    def grow() -> "asyncio.Future[None]":
        return asyncio.ensure_future(asyncio.sleep(0.05))

    growing: list[Piece] = ["word ", grow] * 100
    server = ScriptedModel(answer=lambda _: ["first ", go_on.wait, *growing])
    async with (
        chat_bench(client, server) as bench,
        chat_bench(client, worker=OTHER, beside=bench) as other,
    ):
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        await other.chat.deleted(question.ref)
        go_on.set()
        *texts, ended = await asyncio.wait_for(answering, 4)
        assert ended == WITHDRAWN
        assert len(texts) < 100
        assert await bench.status(question) == "stopped"


async def test_a_question_that_was_deleted_under_a_killed_process_stays_stopped(
    client: "Redis",
) -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        await bench.begun(question, "first ")
        await bench.chat.deleted(question.ref)
        assert await bench.taken_up(question) == [Text("first "), WITHDRAWN]
        assert len(gate.server.requests) == 1
        assert await bench.status(question) == "stopped"


async def test_a_question_that_was_deleted_before_it_came_is_not_taken_in(
    client: "Redis",
) -> None:
    question = asked("one")
    async with chat_bench(client) as bench:
        await bench.chat.deleted(question.ref)
        assert await bench.chat.take(question) == "gone"
        assert await bench.chat.take(question) == "seen"
        assert await bench.inbox.waiting("slack") == 0


async def test_deleting_the_question_of_an_ended_answer_leaves_the_answer(client: "Redis") -> None:
    """It only can't be had again."""
    question = asked("one")
    async with chat_bench(client) as bench:
        turn = await bench.answer(question)
        await bench.chat.deleted(question.ref)
        assert await bench.stored(question) == replace(turn, withdrawn=True)
        assert await bench.chat.hold.by_turn("again", turn.id, turn.asker) == "gone"


async def test_a_deleted_part_marks_its_turn(client: "Redis") -> None:
    question, part = asked("one"), MessageRef("slack", "T1", "D1", "part-1")
    async with chat_bench(client) as bench:
        turn = await bench.answer(question)
        await bench.turns.add_part(turn.id, 0, part)
        await bench.chat.deleted(part)
        assert (await bench.stored(question)).deleted
        assert await bench.turns.answered_by(part.key) == turn.id


# An edited question


async def test_a_question_that_is_edited_while_it_waits_is_answered_as_edited(
    client: "Redis",
) -> None:
    gate, second = Gate(), asked("twu")
    async with chat_bench(client, gate.server) as bench:
        running = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        waiting = asyncio.create_task(bench.ask(second))
        await bench.saves(second, "")
        await bench.chat.edited(second.ref, "two")
        gate.open()
        await running
        assert text_of(await waiting) == "first to two"
        assert (await bench.stored(second)).text == "two"


async def test_an_edit_under_a_running_answer_changes_nothing(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as bench:
        answering = asyncio.create_task(bench.ask(question))
        await bench.saves(question, "first ")
        await bench.chat.edited(question.ref, "two")
        gate.open()
        assert text_of(await answering) == "first to one"
        assert (await bench.stored(question)).text == "one"


async def test_a_question_is_not_edited_away(client: "Redis") -> None:
    question = asked("one")
    async with chat_bench(client) as bench:
        await bench.taken(question)
        await bench.chat.edited(question.ref, " \n")
        assert text_of(await bench.taken_up(question)) == "I heard: one"
