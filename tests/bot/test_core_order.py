"""Questions that come at once: their order, their bounds, and that none is mixed up."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.domain import Conversation
from bot.events import Ended
from bot.settings import ChatSettings
from tests.bot.chat_bench import Bench, Gate, asked, chat_bench, text_of
from tests.bot.turns_of import WORKER
from tests.scripted_model import ScriptedModel
from tests.waiting import until

FULL = Ended("error", "busy")
OTHER = "worker-2"
DM = Conversation("slack", "T1", "D1", "dm")


async def taken_in(bench: Bench, number: int) -> None:
    """Wait until so many questions were taken in."""

    async def are_taken() -> bool:
        return len(await bench.turns.history(DM, 99)) == number

    await until(are_taken)


# Order


async def test_in_one_conversation_questions_are_answered_in_their_order(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        first = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        second = asyncio.create_task(bench.ask(asked("two")))
        await taken_in(bench, 2)
        assert len(gate.server.requests) == 1
        gate.open()
        assert text_of(await first) == "first to one"
        assert text_of(await second) == "first to two"
    assert bench.prompts() == [["one"], ["one", "first to one", "two"]]


async def test_the_next_question_of_this_process_is_begun_at_once(client: "Redis") -> None:
    gate = Gate()
    gate.open()
    async with chat_bench(client, gate.server) as bench:
        questions = [asked(str(number)) for number in range(5)]
        for question in questions:
            await bench.taken(question)
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(bench.taken_up(question) for question in questions))
        assert asyncio.get_running_loop().time() - began < 2
    assert bench.prompts()[-1][::2] == ["0", "1", "2", "3", "4"]


async def test_a_question_is_no_memory_of_one_that_came_before_it(client: "Redis") -> None:
    """The second is in the store already when the first one's prompt is made."""
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        asking = [asyncio.create_task(bench.ask(asked(text))) for text in ("one", "two", "three")]
        gate.open()
        await asyncio.gather(*asking)
    assert bench.prompts() == [
        ["one"],
        ["one", "first to one", "two"],
        ["one", "first to one", "two", "first to two", "three"],
    ]


async def test_different_conversations_run_side_by_side(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        asking = [
            asyncio.create_task(bench.ask(asked("one", channel=f"D{number}")))
            for number in range(20)
        ]
        await until(lambda: gate.server.running == 20)
        gate.open()
        answers = await asyncio.gather(*asking)
    assert all(events[-1] == Ended("stop") for events in answers)


async def test_the_order_holds_over_two_processes(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds every other question of one conversation, and begins with the last."""
    monkeypatch.setattr("bot.line.POLL_S", 0.02)
    async with (
        chat_bench(client) as bench,
        chat_bench(client, worker=OTHER, beside=bench) as other,
    ):
        questions = [asked(str(number)) for number in range(5)]
        for number, question in enumerate(questions):
            await (bench, other)[number % 2].taken(question)
        answers = [
            asyncio.create_task((bench, other)[number % 2].taken_up(question))
            for number, question in reversed(list(enumerate(questions)))
        ]
        done = await asyncio.gather(*answers)
    assert [text_of(events) for events in reversed(done)] == [f"I heard: {n}" for n in range(5)]
    assert [prompt[-1] for prompt in bench.prompts()] == ["0", "1", "2", "3", "4"]
    assert bench.prompts()[-1][::2] == ["0", "1", "2", "3", "4"]


async def test_a_turn_that_ended_out_of_the_line_blocks_nobody(client: "Redis") -> None:
    """Its question was deleted, and no process has come to it yet."""
    withdrawn, question = asked("one"), asked("two")
    async with chat_bench(client) as bench:
        await bench.chat.take(withdrawn)
        await bench.taken(question)
        await bench.chat.deleted(withdrawn.ref)
        assert text_of(await asyncio.wait_for(bench.taken_up(question), 2)) == "I heard: two"
        assert await bench.taken_up(withdrawn) == []
        assert await bench.inbox.waiting("slack") == 0


async def test_a_turn_of_a_killed_process_holds_up_its_conversation_until_it_is_taken_up(
    client: "Redis",
) -> None:
    gate, first, second = Gate(), asked("one"), asked("two")
    async with chat_bench(client, gate.server) as killed:
        await killed.begun(first, "first ")
        async with chat_bench(client, worker=OTHER, beside=killed) as other:
            await other.taken(second)
            waiting = asyncio.create_task(other.taken_up(second))
            await asyncio.sleep(0.1)
            assert len(gate.server.requests) == 1
            gate.open()
            async with chat_bench(client, worker=WORKER, beside=killed) as heir:
                assert text_of(await heir.taken_up(first)) == "first to one"
            assert text_of(await waiting) == "first to two"
    assert killed.prompts()[-1] == ["one", "first to one", "two"]


# Bounds


async def test_a_conversation_takes_no_more_questions_than_its_bound(client: "Redis") -> None:
    gate = Gate()
    bounds = ChatSettings(max_waiting_conversation=2)
    async with chat_bench(client, gate.server, settings=bounds) as bench:
        asking = [asyncio.create_task(bench.ask(asked("in"))) for _ in range(2)]
        await until(lambda: gate.server.running == 1)
        await taken_in(bench, 2)
        refused = asked("out")
        assert await bench.ask(refused) == [FULL]
        assert await bench.turns.of_message(refused.ref.key) is None
        elsewhere = asyncio.create_task(bench.ask(asked(channel="D2")))
        await until(lambda: gate.server.running == 2)
        gate.open()
        await asyncio.gather(*asking, elsewhere)
        await bench.answer(asked("later"))


async def test_over_all_conversations_no_more_questions_are_taken_than_the_bound(
    client: "Redis",
) -> None:
    gate = Gate()
    async with chat_bench(client, gate.server, settings=ChatSettings(max_waiting=3)) as bench:
        asking = [
            asyncio.create_task(bench.ask(asked(channel=f"D{number}"))) for number in range(3)
        ]
        await until(lambda: gate.server.running == 3)
        assert await bench.ask(asked(channel="D9")) == [FULL]
        gate.open()
        await asyncio.gather(*asking)
        await bench.answer(asked(channel="D9"))


async def test_the_model_s_own_bound_is_told_and_stored(client: "Redis") -> None:
    question = asked()
    async with chat_bench(client, ScriptedModel(refuse=(429, "rate_limited"))) as bench:
        assert await bench.ask(question) == [FULL]
        assert await bench.status(question) == "failed"


# Whatever comes


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    questions=st.lists(
        st.tuples(st.sampled_from(["D1", "D2", "D3"]), st.integers(0, 3)), min_size=1, max_size=12
    )
)
async def test_however_questions_come_each_conversation_remembers_its_own_in_order(
    client: "Redis", questions: list[tuple[str, int]]
) -> None:
    """A question comes with so many copies of its event beside it."""
    await client.flushall()
    bounds = ChatSettings(max_waiting_conversation=20)
    async with chat_bench(client, settings=bounds) as bench:
        said: dict[str, list[str]] = {}
        asking = []
        for number, (channel, copies) in enumerate(questions):
            said.setdefault(channel, []).append(f"q{number}")
            question = asked(f"q{number}", channel=channel)
            asking += [bench.ask(question) for _ in range(1 + copies)]
        answers = [events for events in await asyncio.gather(*asking) if events]
        assert len(answers) == len(questions)
        for channel, texts in said.items():
            turns = await bench.turns.history(Conversation("slack", "T1", channel, "dm"), 50)
            assert [turn.text for turn in turns] == texts
            assert [turn.answer for turn in turns] == [f"I heard: {text}" for text in texts]
            longest = max((prompt for prompt in bench.prompts() if prompt[-1] in texts), key=len)
            assert longest[::2] == texts


@pytest.mark.parametrize("number", [40])
async def test_many_questions_of_one_conversation_over_two_processes_keep_their_order(
    client: "Redis", monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr("bot.line.POLL_S", 0.02)
    bounds = ChatSettings(max_waiting_conversation=number)
    async with (
        chat_bench(client, settings=bounds) as bench,
        chat_bench(client, settings=bounds, worker=OTHER, beside=bench) as other,
    ):
        questions = [asked(str(n)) for n in range(number)]
        for question in questions:
            assert await bench.chat.take(question) == "new"
        names = {(await bench.stored(question)).id: question for question in questions}

        async def work(each: Bench) -> None:
            """Be handed one after the other, and answer all at once."""
            await each.inbox.left("slack")
            async with asyncio.TaskGroup() as group:
                while entries := await each.inbox.read("slack", 1):
                    group.create_task(each.taken_up(names[entries[0].turn]))

        await asyncio.gather(work(bench), work(other))
    assert [prompt[-1] for prompt in bench.prompts()] == [str(n) for n in range(number)]
