"""A model or a Redis in trouble, and what of it a person is told."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing

import pytest
from redis.asyncio import Redis

from bot.events import Accepted, Ended, Text, Waiting
from bot.domain import Incoming
from bot.settings import ChatSettings
from tests.bot.chat_bench import Gate, asked, chat_bench
from tests.scripted_model import Piece, ScriptedModel, scripted_model


def port_of(server: ScriptedModel) -> int:
    return int(server.url.split(":")[2].removesuffix("/v1"))


# The model in trouble


async def test_a_model_that_is_starting_is_waited_for(client: "Redis") -> None:
    async with (
        chat_bench(client, wait_s=60, serve=False) as bench,
        aclosing(bench.events(asked("Why?"))) as events,
    ):
        assert isinstance(await anext(events), Accepted)
        assert await anext(events) == Waiting("model")
        async with scripted_model(bench.server, port=port_of(bench.server)):
            rest = [event async for event in events]
    assert rest == [Text("I heard: "), Text("Why?"), Ended("stop")]


async def test_that_the_model_is_waited_for_is_told_once(client: "Redis") -> None:
    async with (
        chat_bench(client, wait_s=60, serve=False) as bench,
        aclosing(bench.events(asked("Why?"))) as events,
    ):
        await anext(events)
        await anext(events)
        last = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.7)
        assert not last.done()
        bench.clock[0] += 60
        assert await last == Ended("error", "model_unavailable")


async def test_a_model_that_stays_away_is_a_problem_in_the_end(client: "Redis") -> None:
    async with chat_bench(client, wait_s=0, serve=False) as bench:
        accepted, ended = await bench.ask(asked())
        assert ended == Ended("error", "model_unavailable")
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
        assert (turn.status, turn.finish, turn.answer) == ("failed", "error", "")


async def test_an_answer_that_breaks_off_is_failed_with_what_there_is(client: "Redis") -> None:
    server = ScriptedModel(answer=lambda _: ["It is ", "so", ConnectionResetError()])
    async with chat_bench(client, server, wait_s=60) as bench:
        accepted, *texts, ended = await bench.ask(asked())
        assert ended == Ended("error", "model_unavailable")
        assert texts == [Text("It is "), Text("so")]
        assert isinstance(accepted, Accepted)
        turn = await bench.turns.get(accepted.turn)
        assert turn is not None
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
    assert events[1:] == [Waiting("model"), Text("so"), Ended("stop")]


async def test_a_model_that_goes_silent_is_a_problem(client: "Redis") -> None:
    gate = Gate()
    async with chat_bench(client, gate.server, timeout_s=0.1) as bench:
        events = await bench.ask(asked())
    assert events[1:] == [Text("first "), Ended("error", "model_unavailable")]


async def test_a_model_that_refuses_the_request_is_a_problem(client: "Redis") -> None:
    async with chat_bench(client, ScriptedModel(refuse=(400, "nonsense")), wait_s=60) as bench:
        assert (await bench.ask(asked()))[1:] == [Ended("error", "model_refuses")]


# Redis in trouble


@pytest.mark.parametrize(
    ("incoming", "told"),
    [
        (asked(place="dm"), True),
        (asked(place="channel", channel="C1", mentions_bot=True), True),
        (asked(place="thread", channel="C1", thread="t1", mentions_bot=True), True),
        (asked(place="thread", channel="C1", thread="t1"), False),
        (asked(place="channel", channel="C1", reply_to="m1"), False),
        (asked(place="channel", channel="C1"), False),
    ],
    ids=["dm", "mention", "mention in a thread", "thread", "reply", "channel"],
)
async def test_without_redis_only_who_addresses_the_bot_is_told(
    client: "Redis", incoming: Incoming, *, told: bool
) -> None:
    async with chat_bench(client) as bench:
        await client.shutdown(nosave=True)
        assert await bench.ask(incoming) == ([Ended("error", "store")] if told else [])


async def test_a_redis_that_goes_away_in_mid_answer_does_not_take_the_answer_away(
    client: "Redis",
) -> None:
    gate = Gate()
    async with (
        chat_bench(client, gate.server) as bench,
        aclosing(bench.events(asked("one"))) as events,
    ):
        await anext(events)
        await anext(events)
        await client.shutdown(nosave=True)
        gate.open()
        rest = [event async for event in events]
    assert rest == [Text("to one"), Ended("stop")]


async def test_a_redis_that_goes_away_before_the_prompt_is_a_problem(client: "Redis") -> None:
    gate = Gate()
    async with (
        chat_bench(client, gate.server) as bench,
        aclosing(bench.events(asked("one"))) as events,
    ):
        await anext(events)
        await client.shutdown(nosave=True)
        rest = [event async for event in events]
    assert rest == [Ended("error", "store")]


async def test_a_redis_that_takes_no_writes_is_a_problem(client: "Redis") -> None:
    await client.config_set("maxmemory", "1")
    async with chat_bench(client) as bench:
        assert await bench.ask(asked()) == [Ended("error", "store")]
    await client.config_set("maxmemory", "0")


async def test_a_question_that_could_not_be_stored_takes_no_place(client: "Redis") -> None:
    async with chat_bench(client, settings=ChatSettings(max_waiting=1)) as bench:
        await client.set("candor:people", "in the way of the hash of names")
        assert await bench.ask(asked()) == [Ended("error", "store")]
        await client.delete("candor:people")
        await bench.answer(asked())
