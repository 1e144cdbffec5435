"""A crash at every call that answering and voting make, and at whichever comes after a crash.

Each of them ends in the state that a run without any crash ends in.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterable
from typing import get_args

import pytest
from redis.asyncio import Redis

from adapters.markdown import split
from bot.domain import Platform
from bot.store import keys
from bot.store.people import People
from bot.store.places import Places
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.adapters.lives import WHOLE, Life, Town, life, own_tasks, pieces
from tests.adapters.wire import Point, When, Wire, load_scripts
from tests.scripted_model import ScriptedModel, scripted_model
from tests.waiting import until

PLATFORMS = get_args(Platform)

SOON = {
    "bot.answer.SAVE_S": 0.001,
    "bot.answer.RETRY_S": 0.01,
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

    async def live(self, wire: Wire) -> None:
        """One process, until it is cut or nothing is left to do."""
        async with life(self.town, self._client, self._server.url, wire) as one:
            await until(
                lambda: wire.cut.is_set() or self._is_over(one),
                lambda: f"no end: {self.town.room.texts()} {wire.met[-12:]}",
                within_s=10,
                every_s=0.002,
            )

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
        assert room.texts() == split(WHOLE, room.limit)
        standing = [f"{platform}/{room.channel}/{name}" for name in room.messages]
        turn = await self.turns.of_message(town.question.ref.key)
        assert turn is not None
        assert (turn.status, turn.finish, turn.answer) == ("done", "stop", WHOLE)
        assert [ref.key for ref in turn.parts] == standing
        assert turn.posting is None
        assert sorted(await self.turns.recent_parts(0.0, 99)) == sorted(standing)
        assert await self._names("message") == sorted([*standing, town.question.ref.key])
        assert await self._names("turn") == [turn.id]
        assert await self.turns.history(turn.conversation, 9) == [turn]
        assert await self._client.xlen(keys.inbox(platform)) == 0
        assert (await self._client.xpending(keys.inbox(platform), "answers"))["pending"] == 0
        assert await self._names("open") == await self._names("parked") == []
        assert town.votes() == {f"{platform}/ana": -1, f"{platform}/bo": 1}
        assert await self.counted() == town.votes()
        assert await self.votes.tally(turn.id) == (1, 1)
        assert not town.events

    async def _names(self, kind: str) -> list[str]:
        prefix = f"{keys.PREFIX}{kind}:"
        return sorted(
            [str(key).removeprefix(prefix) async for key in self._client.scan_iter(f"{prefix}*")]
        )


async def all_points(
    platform: Platform, client: "Redis", server: ScriptedModel, when: When, *, cuts: bool
) -> set[Point]:
    """Meet every call that a process makes with a fault, one call a run; what was met."""
    await load_scripts(client)
    run = Run(platform, client, server)
    await run.begin()
    clean = Wire()
    await run.live(clean)
    await run.check()
    todo = list(dict.fromkeys(_tried(clean.met, cuts=cuts)))
    known, met = set(todo), set()
    while todo:
        point = todo.pop(0)
        wire = Wire(at=point, when=when, cuts=cuts)
        run = Run(platform, client, server)
        await run.begin()
        try:
            await run.live(wire)
            if wire.cut.is_set():
                await run.live(Wire())
            await run.check()
        except AssertionError as error:
            raise AssertionError(f"{when} {point}, after {wire.met}") from error
        if point in wire.met:
            met.add(point)
        more = [each for each in _tried(wire.met, cuts=cuts) if each not in known]
        known.update(more)
        todo += more
    return met


def _tried(met: Iterable[Point], *, cuts: bool) -> list[Point]:
    """The calls to try; those that a process makes all the time, and a model's fault, are bound."""
    again = ("store XREADGROUP", "store hold.lua", "store SET awake")
    return [
        point
        for point in met
        if (point[0] not in again or point[1] <= 3) and (cuts or not point[0].startswith("model"))
    ]


@pytest.mark.parametrize("when", get_args(When))
@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_crash_at_any_call_changes_nothing_in_the_end(
    client: "Redis", platform: Platform, when: When
) -> None:
    async with scripted_model() as server:
        met = await all_points(platform, client, server, when, cuts=True)
    kinds = {what for what, _ in met}
    assert {
        "store accept.lua",
        "store begin.lua",
        "store close.lua",
        "store park.lua",
        "store vote.lua",
        "platform post",
        "platform edit",
        "platform reactions" if platform == "discord" else "platform ack",
        "model word",
    } <= kinds
    print(platform, when, len(met), sorted(kinds))
