"""An answer that another process began."""

from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.events import Anew, Ended, Text
from bot.settings import ChatSettings
from tests.bot.chat_bench import RELEASE, Gate, asked, chat_bench, text_of
from tests.bot.turns_of import WORKER


async def test_an_answer_goes_on_where_it_was_saved(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as killed:
        await killed.begun(question, "first ")
        gate.open()
        async with chat_bench(client, worker=WORKER, beside=killed) as heir:
            events = await heir.taken_up(question)
            assert events == [Text("first "), Text("to one"), Ended("stop")]
            assert heir.begun_by() == ["", "first"]
            turn = await heir.stored(question)
            assert (turn.status, turn.answer) == ("done", "first to one")


async def test_the_time_of_the_first_word_is_that_of_the_first_process(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as killed:
        await killed.begun(question, "first ")
        gate.open()
        async with chat_bench(client, beside=killed) as heir:
            heir.clock[0] = 1050.0
            await heir.taken_up(question)
            turn = await heir.stored(question)
    assert (turn.created_at, turn.first_text_at, turn.finished_at) == (1000.0, 1000.0, 1050.0)


async def test_an_answer_that_had_no_word_yet_begins(client: "Redis") -> None:
    question = asked("one")
    async with chat_bench(client) as bench:
        turn = await bench.taken(question)
        await bench.turns.begin(turn.id, RELEASE.id)
        assert text_of(await bench.taken_up(question)) == "I heard: one"
        assert bench.begun_by() == [""]


async def test_the_model_is_not_asked_once_all_was_said(client: "Redis") -> None:
    """Only the showing was left."""
    question = asked("one")
    async with chat_bench(client) as bench:
        answer = bench.chat.answer(await bench.taken(question))
        assert [event async for event in answer.events()][-1] == Ended("stop")
        assert await bench.status(question) == "running"
        assert len(bench.server.requests) == 1
        async with chat_bench(client, beside=bench) as heir:
            assert await heir.taken_up(question) == [Text("I heard: one"), Ended("stop")]
            assert (await heir.stored(question)).status == "done"
        assert len(bench.server.requests) == 1


async def test_an_answer_that_was_cut_stays_cut(client: "Redis") -> None:
    question = asked("one")
    async with chat_bench(client) as bench:
        bench.server.finish = "length"
        answer = bench.chat.answer(await bench.taken(question))
        assert [event async for event in answer.events()][-1] == Ended("length")
        bench.server.finish = "stop"
        async with chat_bench(client, beside=bench) as heir:
            assert await heir.taken_up(question) == [Text("I heard: one"), Ended("length")]
            assert (await heir.stored(question)).finish == "length"


async def test_an_answer_that_failed_is_tried_again(client: "Redis") -> None:
    """Its process was killed before it could say so."""
    question = asked("one")
    async with chat_bench(client) as bench:
        bench.server.refuse = (400, "nonsense")
        answer = bench.chat.answer(await bench.taken(question))
        assert [event async for event in answer.events()] == [Ended("error", "model_refuses")]
        bench.server.refuse = None
        async with chat_bench(client, beside=bench) as heir:
            assert text_of(await heir.taken_up(question)) == "I heard: one"


async def test_another_release_begins_anew(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    newer = replace(RELEASE, id="r2", system_prompt="Be kind.")
    async with chat_bench(client, gate.server) as killed:
        await killed.begun(question, "first ")
        gate.open()
        async with chat_bench(client, beside=killed, release=newer) as heir:
            events = await heir.taken_up(question)
            assert events == [Text("first "), Text("to one"), Ended("stop")]
            assert heir.begun_by() == ["", ""]
            assert heir.server.requests[-1]["messages"][0]["content"] == "Be kind."
            assert (await heir.stored(question)).release == "r2"


async def test_a_whole_answer_of_another_release_is_made_again(client: "Redis") -> None:
    question = asked("one")
    async with chat_bench(client) as bench:
        answer = bench.chat.answer(await bench.taken(question))
        assert [event async for event in answer.events()][-1] == Ended("stop")
        newer = replace(RELEASE, id="r2")
        async with chat_bench(client, beside=bench, release=newer) as heir:
            assert text_of(await heir.taken_up(question)) == "I heard: one"
        assert len(bench.server.requests) == 2


async def test_where_the_model_cannot_go_on_the_answer_begins_anew(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as killed:
        await killed.begun(question, "first ")
        gate.open()
        async with chat_bench(client, beside=killed) as heir:
            heir.server.unknown = ("continue_final_message",)
            events = await heir.taken_up(question)
            assert events == [
                Text("first "),
                Anew(),
                Text("first "),
                Text("to one"),
                Ended("stop"),
            ]
            assert heir.begun_by() == ["", "first", ""]
            assert (await heir.stored(question)).answer == "first to one"


@pytest.mark.parametrize(("age_s", "goes_on"), [(900.0, True), (900.5, False)])
async def test_too_old_an_answer_is_interrupted(
    client: "Redis", *, age_s: float, goes_on: bool
) -> None:
    gate, question = Gate(), asked("one")
    async with chat_bench(client, gate.server) as killed:
        await killed.begun(question, "first ")
        gate.open()
        async with chat_bench(client, beside=killed) as heir:
            heir.clock[0] += age_s
            events = await heir.taken_up(question)
            turn = await heir.stored(question)
    if goes_on:
        assert events[-1] == Ended("stop")
        assert turn.status == "done"
    else:
        assert events == [Text("first "), Ended("error", "interrupted")]
        assert (turn.status, turn.answer) == ("interrupted", "first")


async def test_too_old_an_answer_is_shown_if_it_is_whole(client: "Redis") -> None:
    question = asked("one")
    async with chat_bench(client) as bench:
        answer = bench.chat.answer(await bench.taken(question))
        assert [event async for event in answer.events()][-1] == Ended("stop")
        async with chat_bench(client, beside=bench) as heir:
            heir.clock[0] += 10_000
            assert await heir.taken_up(question) == [Text("I heard: one"), Ended("stop")]


async def test_a_question_that_only_waited_is_answered_however_long_it_took(
    client: "Redis",
) -> None:
    """It was in the line behind others all the time, and nobody began it."""
    question = asked("one")
    async with chat_bench(client, settings=ChatSettings(resume_s=5)) as bench:
        turn = await bench.taken(question)
        bench.clock[0] += 6
        answer = bench.chat.answer(turn, resumed=False)
        events = [event async for event in bench.shown(answer)]
    assert text_of(events) == "I heard: one"


async def test_a_turn_that_another_worker_ended_is_not_answered_again(client: "Redis") -> None:
    question = asked("one")
    async with chat_bench(client) as bench:
        stale = await bench.taken(question)
        async with chat_bench(client, worker="worker-2", beside=bench) as other:
            await other.inbox.claim("slack", 0, 9)
            ended = await other.answer_held(question)
        events = [event async for event in bench.shown(bench.chat.answer(stale, resumed=True))]
        assert events == []
        assert await bench.stored(question) == ended
        assert len(bench.server.requests) == 1


async def test_the_memory_of_a_taken_up_answer_is_what_came_before_it(client: "Redis") -> None:
    gate, question = Gate(), asked("two")
    async with chat_bench(client, gate.server) as killed:
        gate.open()
        await killed.answer(asked("one"))
        gate.opened.clear()
        await killed.begun(question, "first ")
        await killed.taken(asked("three"))
        gate.open()
        async with chat_bench(client, beside=killed) as heir:
            await heir.taken_up(question)
    assert killed.prompts()[-1] == ["one", "first to one", "two"]
