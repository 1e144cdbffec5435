"""A crash, a failure or a stop at every call that answering and voting make, one at a time.

Each of them ends in the state that a run without any of them ends in.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bot.domain import Platform
from bot.store import keys
from bot.store.people import People
from bot.store.places import Places
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.adapters.lives import WHOLE, WORKER, Life, Town, life, own_tasks, pieces
from tests.adapters.markdown_texts import parts_of
from tests.adapters.wire import Point, What, When, Wire, load_scripts
from tests.scripted_model import ScriptedModel, scripted_model
from tests.waiting import until

PLATFORMS = get_args(Platform)

SOON = {
    "bot.answer.SAVE_S": 0.001,
    "bot.answer.RETRY_S": 0.01,
    "bot.context.gathering.RETRY_S": 0.005,
    "bot.generation.RETRY_S": 0.01,
    "bot.insist.PAUSE_S": 0.005,
    "bot.insist.PAUSE_MAX_S": 0.02,
    "bot.line.POLL_S": 0.01,
    "bot.store.inbox.READ_S": 0.05,
    "bot.worker.PAUSE_S": 0.01,
    "bot.worker.HOLD_S": 0.03,
    "adapters.border.RETRY_S": 0.01,
    "adapters.border.SHOW_AGAIN_S": 0.02,
    "adapters.delivery.BACKOFF_S": 0.005,
    "adapters.rereads.SETTLE_S": 0.01,
    "adapters.rereads.RETRY_S": 0.01,
    "adapters.catch_up.RETRY_S": 0.01,
}
"""What a process waits for by itself, in seconds, so that hundreds of them are quick."""


@pytest.fixture(autouse=True)
async def _quick(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    for name, seconds in SOON.items():
        monkeypatch.setattr(name, seconds)
    own_tasks(asyncio.get_running_loop())
    with capture_logs():  # a traceback of each crash takes longer to print than the run
        yield
    asyncio.get_running_loop().set_task_factory(None)


class Run:
    """A town, a store and a model, for as many processes as it takes."""

    def __init__(self, platform: Platform, client: "Redis", server: ScriptedModel) -> None:
        self.town = Town(platform)
        self._client = client
        self._server = server
        self.turns = Turns(client)
        self.votes = Votes(client, self.turns, People(client))
        server.answer = lambda _: pieces(self.town.room)

    async def begin(self) -> None:
        """Nothing has happened yet, but that an earlier process was there a moment ago."""
        await self._client.flushall()
        await Places(self._client).set_awake(self.town.platform, time.time() - 1)

    async def live(self, wire: Wire, name: str = WORKER) -> None:
        """One process, until it is cut or nothing is left to do; asked to stop once it is told."""
        async with life(self.town, self._client, self._server.url, wire, name) as one:
            await until(
                lambda: wire.cut.is_set() or wire.told.is_set() or self._is_over(one),
                lambda: f"no end: {self.town.room.texts()} {wire.met[-12:]}",
                within_s=10,
                every_s=0.002,
            )
            if wire.told.is_set():
                await asyncio.wait_for(one.side.stop(0), 5)

    def _is_over(self, one: Life) -> "asyncio.Future[bool] | bool":
        room = self.town.room
        if room.voted < 2 or not room.is_whole or self.town.events or len(one.border.rereads):
            return False
        return asyncio.ensure_future(self._is_settled())

    async def _is_settled(self) -> bool:
        turn = await self.turns.of_message(self.town.question.ref.key)
        return turn is not None and not turn.is_open and await self.counted() == self.town.votes()

    async def counted(self) -> dict[str, int]:
        """The votes that the store has, by person."""
        return {vote.person.key: vote.value async for vote in self.votes.listed()}

    async def check(self) -> None:
        """The final state, which is always the same."""
        town, room = self.town, self.town.room
        platform = town.platform
        assert room.texts() == parts_of(WHOLE, room.dialect)
        standing = [f"{platform}/{room.channel}/{name}" for name in room.messages]
        turn = await self.turns.of_message(town.question.ref.key)
        assert turn is not None
        assert (turn.status, turn.finish, turn.answer) == ("done", "stop", WHOLE)
        assert [ref.key for ref in turn.parts] == standing
        assert turn.posting is None
        assert await self._names("turn") == [turn.id]
        assert await self.turns.history(turn.conversation, 9) == [turn]
        assert await self._client.xlen(keys.inbox(platform)) == 0
        assert (await self._client.xpending(keys.inbox(platform), "answers"))["pending"] == 0
        assert await self._names("open") == []
        # Of messages that were deleted something may be known.
        deleted = {ref.key for ref in room.refs} - set(standing)
        assert set(await self.turns.recent_parts(0.0, 99)) - deleted == set(standing)
        assert set(await self._names("message")) - deleted == {*standing, town.question.ref.key}
        assert set(await self._names("parked")) <= deleted
        early = 1 if f"{platform}/{room.channel}/p1" in standing else None
        expected = {f"{platform}/ana": -1, f"{platform}/bo": early}
        assert town.votes() == {who: value for who, value in expected.items() if value is not None}
        assert await self.counted() == town.votes()
        assert await self.votes.tally(turn.id) == (early or 0, 1)
        assert not town.events

    async def _names(self, kind: str) -> list[str]:
        prefix = f"{keys.PREFIX}{kind}:"
        return sorted(
            [str(key).removeprefix(prefix) async for key in self._client.scan_iter(f"{prefix}*")]
        )


async def all_points(
    platform: Platform, client: "Redis", server: ScriptedModel, when: When, what: What
) -> set[Point]:
    """Let something happen at every call that a process makes, one call a run; what was met."""
    await load_scripts(client)
    run, clean = Run(platform, client, server), Wire()
    await run.begin()
    await run.live(clean)
    await run.check()
    todo = list(dict.fromkeys(_tried(clean.met, what)))
    known, met = set(todo), set()
    while todo:
        point = todo.pop(0)
        wire = Wire(at=point, when=when, what=what)
        run = Run(platform, client, server)
        await run.begin()
        try:
            await run.live(wire)
            if wire.cut.is_set() or wire.told.is_set():
                await run.live(Wire())
            await run.check()
        except AssertionError as error:
            raise AssertionError(f"{what} {when} {point}, after {wire.met}") from error
        if point in wire.met:
            met.add(point)
        more = [each for each in dict.fromkeys(_tried(wire.met, what)) if each not in known]
        known.update(more)
        todo += more
    return met


SCRIPTS = ("accept", "first", "begin", "write", "part", "close", "park", "vote")
ALWAYS = ("store XREADGROUP", "store hold.lua", "store SET awake")
"""Calls that a process makes all the time; the first few of each are tried."""


def _tried(met: Iterable[Point], what: What) -> list[Point]:
    """The calls to try. A model that breaks off in mid-answer ends it: that is no repeat."""
    return [
        (call, number)
        for call, number in met
        if (call not in ALWAYS or number <= 3) and not (what == "fail" and call.startswith("model"))
    ]


def kinds(met: Iterable[Point]) -> set[str]:
    return {call for call, _ in met}


def all_kinds(platform: Platform) -> set[str]:
    """Calls that answering and voting cannot do without."""
    own = "platform ack" if platform == "slack" else "platform missed"
    scripts = {f"store {name}.lua" for name in SCRIPTS}
    posts = {"platform post", "platform edit", "platform missed", own}
    return {*scripts, *posts, "store XREADGROUP"}


@pytest.mark.parametrize("when", get_args(When))
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_crash_at_any_call_changes_nothing_in_the_end(
    client: "Redis", platform: Platform, when: When
) -> None:
    async with scripted_model() as server:
        met = await all_points(platform, client, server, when, "cut")
    assert all_kinds(platform) | {"model word", "model served"} <= kinds(met)
    assert len(met) > 60


@pytest.mark.parametrize("when", get_args(When))
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_failure_of_any_call_changes_nothing_in_the_end(
    client: "Redis", platform: Platform, when: When
) -> None:
    """Once, before it has had its effect or with its reply lost. Nobody comes to help."""
    async with scripted_model() as server:
        met = await all_points(platform, client, server, when, "fail")
    assert all_kinds(platform) <= kinds(met)


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_an_orderly_stop_at_any_call_changes_nothing_in_the_end(
    client: "Redis", platform: Platform
) -> None:
    async with scripted_model() as server:
        met = await all_points(platform, client, server, "before", "tell")
    assert all_kinds(platform) | {"model word"} <= kinds(met)


ENDS = st.tuples(
    st.integers(1, 90), st.sampled_from(get_args(When)), st.sampled_from(["cut", "tell"])
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(platform=st.sampled_from(PLATFORMS), ends=st.lists(ENDS, min_size=2, max_size=6))
async def test_any_number_of_crashes_and_stops_changes_nothing_in_the_end(
    client: "Redis", platform: Platform, ends: list[tuple[int, When, What]]
) -> None:
    """Each process ends at its so manieth call, the last one lives."""
    async with scripted_model() as server:
        run = Run(platform, client, server)
        await run.begin()
        for number, when, what in ends:
            await run.live(Wire(number=number, when=when, what=what))
        await run.live(Wire())
        await run.check()


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(platform=st.sampled_from(PLATFORMS), number=st.integers(1, 90))
async def test_a_worker_of_another_name_takes_up_what_a_dead_one_left(
    client: "Redis", monkeypatch: pytest.MonkeyPatch, platform: Platform, number: int
) -> None:
    """Once the dead one has given no sign of life for a while."""
    monkeypatch.setattr("bot.worker.DEAD_S", 0.1)
    async with scripted_model() as server:
        run = Run(platform, client, server)
        await run.begin()
        await run.live(Wire(number=number))
        await run.live(Wire(), "worker-2")
        await run.check()
