"""A connection to the loopback Discord, kept by the supervision under test."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord

from adapters.discord.connection import Connection
from adapters.discord.gateway import GatewayClient, Terms
from adapters.discord.starts import Starts
from tests.adapters.sandbox.discord_bench import TOKEN, Served
from tests.waiting import until


class Listener(GatewayClient):
    """The client, which keeps what it is told."""

    def __init__(self, terms: Terms, heard: list[str]) -> None:
        super().__init__(terms)
        self._heard = heard

    async def on_message(self, message: discord.Message) -> None:
        self._heard.append(str(message.id))


class Connected:
    """What a connection did: its clients, its sessions, the messages it heard."""

    def __init__(self, *, content: bool = True, spacing_s: float = 0.0) -> None:
        self.clients: list[Listener] = []
        self.heard: list[str] = []
        self.fresh = 0
        self.told: list[str] = []
        self.connection = Connection(
            TOKEN,
            self._make,
            content=content,
            on_fresh=self._on_fresh,
            on_lost=lambda: self.told.append("lost"),
            on_resumed=lambda: self.told.append("resumed"),
            starts=Starts(spacing_s=spacing_s),
        )
        self.running = asyncio.create_task(self.connection.run())

    async def sessions(self, count: int, *, within_s: float = 5.0) -> None:
        """Wait until so many sessions have begun."""
        await until(
            lambda: self.fresh >= count or self.running.done(),
            lambda: f"{self.fresh} sessions, {len(self.clients)} clients",
            within_s=within_s,
        )
        if self.running.done():
            await self.running

    def _make(self, terms: Terms) -> Listener:
        self.clients.append(Listener(terms, self.heard))
        return self.clients[-1]

    def _on_fresh(self) -> None:
        self.fresh += 1
        self.told.append("fresh")


@asynccontextmanager
async def connecting(*, content: bool = True, spacing_s: float = 0.0) -> AsyncIterator[Connected]:
    """A connection that has begun to connect; ended afterwards."""
    one = Connected(content=content, spacing_s=spacing_s)
    try:
        yield one
    finally:
        one.running.cancel()
        await asyncio.gather(one.running, return_exceptions=True)


@asynccontextmanager
async def connected(*, content: bool = True, spacing_s: float = 0.0) -> AsyncIterator[Connected]:
    """A connection that is up."""
    async with connecting(content=content, spacing_s=spacing_s) as one:
        await one.sessions(1)
        yield one


async def say(bench: Served, text: str = "@candor Why?") -> str:
    """Post as a person; the message's id."""
    return await bench.world.post(channel="general", user="alice", text=text)
