"""Several connections that act as one, against the loopback Discord."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
import pytest
from redis.asyncio import Redis

from adapters.discord.gateway import GatewayClient, Terms
from adapters.discord.history import DiscordHistory
from adapters.discord.shards import Shards
from adapters.discord.starts import Starts
from adapters.sandbox.discord import CHANNEL_IDS, GUILD_ID, GatewaySettings, Limits, Window
from adapters.sandbox.faults import Fault
from bot.errors import PlatformError
from bot.store.places import Places
from tests.adapters.discord.connected import Listener, say
from tests.adapters.sandbox.discord_bench import TOKEN, Served, served
from tests.waiting import until

COUNT = next(count for count in range(2, 9) if (GUILD_ID >> 22) % count)
"""So many shards that the guild's is not the first."""
HOME = (GUILD_ID >> 22) % COUNT


class Fleet:
    """Shards, and what they told."""

    def __init__(self, *, sharded: bool = True, spacing_s: float = 0.0) -> None:
        self.clients: list[Listener] = []
        self.heard: list[str] = []
        self.told: list[str] = []
        self.shards = Shards(
            TOKEN,
            self._make,
            content=True,
            sharded=sharded,
            on_fresh=lambda: self.told.append("fresh"),
            on_lost=lambda: self.told.append("lost"),
            on_resumed=lambda: self.told.append("resumed"),
            starts=Starts(spacing_s=spacing_s),
        )
        self.running = asyncio.create_task(self.shards.run())

    def _make(self, terms: Terms) -> GatewayClient:
        self.clients.append(Listener(terms, self.heard))
        return self.clients[-1]


@asynccontextmanager
async def fleet(*, sharded: bool = True, spacing_s: float = 0.0) -> AsyncIterator[Fleet]:
    """Shards that are up."""
    one = Fleet(sharded=sharded, spacing_s=spacing_s)
    try:
        await until(lambda: one.told or one.running.done(), within_s=8)
        if one.running.done():
            await one.running
        yield one
    finally:
        one.running.cancel()
        await asyncio.gather(one.running, return_exceptions=True)


def sessions(one: Served) -> list[tuple[int, int]]:
    """The shards of the sessions that there are."""
    return sorted(session.shard for session in one.world.gateway._sessions if session.shard)


async def test_there_is_a_connection_for_each_shard_and_each_event_comes_once() -> None:
    async with served(gateway=GatewaySettings(shards=COUNT)) as one, fleet() as ours:
        assert sessions(one) == [(number, COUNT) for number in range(COUNT)]
        assert ours.told == ["fresh"], "once, when all of them are there"
        in_guild = await say(one)
        direct = await one.world.post(channel="dm", user="alice", text="Why?")
        await until(lambda: sorted(ours.heard) == sorted([in_guild, direct]))
        by_shard = {client.shard_id: client for client in ours.clients}
        assert [len(by_shard[number].guilds) for number in range(COUNT)] == [
            int(number == HOME) for number in range(COUNT)
        ]


async def test_a_channel_s_calls_go_through_the_shard_that_knows_it(client: "Redis") -> None:
    async with served(gateway=GatewaySettings(shards=COUNT)) as one, fleet() as ours:
        asked: list[int | None] = []

        async def note(by: discord.Client) -> None:
            asked.append(by.shard_id)

        await ours.shards.calls.do(CHANNEL_IDS["general"], note)
        await ours.shards.calls.do(1, note)
        assert asked == [HOME, 0]
        posted = await say(one)
        await until(lambda: ours.heard == [posted])
        history = DiscordHistory(ours.shards.calls, Places(client))
        found = [question.ref.message async for question in history.missed(time.time() - 60)]
        assert found == [posted]


async def test_unless_it_is_wanted_there_is_one_connection_of_no_shard() -> None:
    async with served(gateway=GatewaySettings(shards=COUNT)) as one, fleet(sharded=False) as ours:
        assert [session.shard for session in one.world.gateway._sessions] == [None]
        assert len(ours.clients) == 1


async def test_a_shard_that_is_lost_is_the_loss_of_events_until_it_is_back() -> None:
    async with served(gateway=GatewaySettings(shards=COUNT)) as one, fleet() as ours:
        for connection in one.world.gateway._connections:
            if connection.session is not None and connection.session.shard == (HOME, COUNT):
                connection.drop()
        await until(lambda: ours.told[1:] == ["lost", "resumed"], lambda: str(ours.told))
        posted = await say(one)
        await until(lambda: ours.heard == [posted])


async def test_a_shard_whose_session_is_gone_makes_a_fresh_beginning() -> None:
    async with served(gateway=GatewaySettings(shards=COUNT)) as one, fleet() as ours:
        one.world.gateway.invalidate(resumable=False)
        await until(
            lambda: ours.told.count("fresh") >= 2 and ours.told[-1] == "fresh",
            lambda: str(ours.told),
            within_s=20,
        )
        assert sessions(one) == [(number, COUNT) for number in range(COUNT)]


async def test_shards_begin_one_after_the_other_and_none_is_turned_away() -> None:
    """Discord turns a second IDENTIFY within the window away, with opcode 9."""
    limits = Limits(identify=Window(1, 0.3))
    async with (
        served(gateway=GatewaySettings(shards=COUNT), limits=limits) as one,
        fleet(spacing_s=0.35) as ours,
    ):
        assert len(ours.clients) == COUNT
        assert ours.told == ["fresh"]
        used = one.world.gateway._buckets.look("session starts", limits.session_starts)
        assert used.limit - used.remaining == COUNT


async def test_what_one_shard_is_refused_for_ends_them_all_in_one_line() -> None:
    async with served(gateway=GatewaySettings(shards=COUNT)) as one, fleet() as ours:
        for connection in one.world.gateway._connections:
            if connection.session is not None and connection.session.shard == (HOME, COUNT):
                connection.close(4011)
        with pytest.raises(PlatformError, match=r"too many servers.*discord\.sharded"):
            await asyncio.wait_for(ours.running, 5)


async def test_a_wrong_token_is_fatal_before_any_shard_begins() -> None:
    async with served(gateway=GatewaySettings(shards=COUNT)) as one:
        one.world.faults.arm(Fault(kind="revoke_token", times=None))
        with pytest.raises(PlatformError, match=r"discord\.token"):
            async with fleet():
                pass
        assert sessions(one) == []
