"""Questions that come at once: their order, their bounds, and that none is mixed up."""

import asyncio
from contextlib import aclosing

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.events import Accepted, Ended
from bot.domain import Conversation
from bot.settings import ChatSettings
from tests.bot.chat_bench import Gate, asked, chat_bench, text_of
from tests.scripted_model import ScriptedModel
from tests.waiting import until

FULL = Ended("error", "busy")


# Order


async def test_in_one_conversation_questions_are_answered_in_their_order(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        first = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        second = asyncio.create_task(bench.ask(asked("two")))
        conversation = Conversation("slack", "T1", "D1", "dm")

        async def taken() -> bool:
            return len(await bench.turns.history(conversation, 9)) == 2

        await until(taken)
        assert len(gate.server.requests) == 1
        gate.open()
        assert text_of(await first) == "first to one"
        assert text_of(await second) == "first to two"
    assert bench.prompts() == [["one"], ["one", "first to one", "two"]]


async def test_a_waiting_question_is_told_to_be_accepted(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server) as bench:
        first = asyncio.create_task(bench.ask(asked("one")))
        await until(lambda: gate.server.running == 1)
        async with aclosing(bench.events(asked("two"))) as events:
            assert isinstance(await asyncio.wait_for(anext(events), 2), Accepted)
        gate.open()
        await first


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


# Bounds


async def test_a_conversation_takes_no_more_questions_than_its_bound(client: "Redis") -> None:
    gate = Gate()
    bounds = ChatSettings(max_waiting_conversation=2)
    async with chat_bench(client, gate.server, settings=bounds) as bench:
        asking = [asyncio.create_task(bench.ask(asked("in"))) for _ in range(2)]
        await until(lambda: gate.server.running == 1)
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
    async with chat_bench(client, ScriptedModel(refuse=(429, "rate_limited"))) as bench:
        accepted, ended = await bench.ask(asked())
        assert ended == FULL
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert turn.status == "failed"


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
