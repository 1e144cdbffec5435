"""A real chat core and store under an adapter, and what it holds after all.

Nobody answers here: what was taken in stays in the inbox, where a test looks at it.
"""

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from redis.asyncio import Redis

from adapters.border import Border
from adapters.catch_up import CatchUp
from bot.domain import Incoming, MessageRef, Platform, Turn
from bot.feedback.voting import Voting
from bot.parts import Parts
from bot.platform_settings import AccessSettings
from bot.store import keys
from bot.store.places import Places
from bot.store.tickets import Tickets
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.adapters.paces import quick
from tests.bot.chat_bench import chat_bench

Take = Callable[[Incoming], Awaitable[None]]


class Loud(CatchUp):
    """Catching up, which counts what it is told."""

    def __init__(self, platform: Platform, core: "Core") -> None:
        super().__init__(
            platform,
            rereads=core.border.rereads,
            turns=core.turns,
            places=core.places,
            asked_s=900.0,
            voted_s=900.0,
            is_holding=lambda: core.border.is_holding,
        )
        self.told: list[str] = []

    def connected(self) -> None:
        super().connected()
        self.told[-1] = "connected"  # it missed something, whatever it was

    def resumed(self) -> None:
        self.told.append("resumed")
        super().resumed()

    def missed(self) -> None:
        self.told.append("missed")
        super().missed()

    def disconnected(self) -> None:
        self.told.append("disconnected")
        super().disconnected()


@dataclass(frozen=True, slots=True)
class Core:
    """What an adapter works on."""

    border: Border
    turns: Turns
    places: Places
    tickets: Tickets
    votes: Votes
    client: "Redis"

    async def texts(self, platform: Platform) -> list[str]:
        """What was asked and taken in, in the order of the inbox."""
        entries = cast(
            "list[tuple[str, dict[str, str]]]", await self.client.xrange(keys.inbox(platform))
        )
        turns = await self.turns.get_many([fields["turn"] for _, fields in entries])
        return [turn.text for turn in turns if turn is not None and turn.status == "waiting"]

    async def answered(self, ref: MessageRef, by: MessageRef) -> Turn:
        """Make a message a part of the answer to a question that was taken in."""
        turn = await self.turns.of_message(ref.key)
        assert turn is not None
        await self.turns.add_part(turn.id, 0, by)
        return turn


@asynccontextmanager
async def core_bench(client: "Redis", access: AccessSettings | None = None) -> AsyncIterator[Core]:
    """A core over a store."""
    async with chat_bench(client, access=access) as bench:
        votes = Votes(client, bench.turns, bench.people)
        voting = Voting(bench.turns, votes, bench.people)
        border = Border(
            bench.chat,
            voting,
            bench.people,
            quick(),
            Parts(bench.turns, voting),
            give_up_s=1.0,
        )
        try:
            yield Core(
                border, bench.turns, Places(client), Tickets(client, bench.turns), votes, client
            )
        finally:
            await border.close()


@contextmanager
def frozen(state_dir: Path) -> Iterator[None]:
    """The embedded server of a state directory hangs."""
    pid = int((state_dir / "valkey" / "valkey.pid").read_text())
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
