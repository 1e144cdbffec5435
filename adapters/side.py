"""One platform's side of the process: its connection, its worker, and what catches up.

Run together, and stopped in order: first no message is taken in any more, then running answers may
finish, and what is left is the next process's.
"""

import asyncio
from typing import Protocol

from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.history import History
from bot.domain import Incoming, Turn
from bot.worker import Worker


class Adapter(Protocol):
    """A platform's connection, as its side runs it."""

    @property
    def history(self) -> History:
        """What can be read back once `ready`."""

    async def run(self) -> None:
        """Stay connected until cancelled; raises FatalError when that can't be."""

    async def ready(self) -> None:
        """Wait until events arrive."""

    async def take(self, incoming: Incoming) -> None:
        """Take in a message that was read back. Raises StoreUnavailable."""

    async def answer(self, turn: Turn, resumed: bool) -> None:
        """Answer a turn of the inbox to its end."""

    def refuse(self) -> None:
        """Take no more events: the platform delivers them again, or the next start catches up."""


class Side:
    """Everything of one platform."""

    def __init__(self, adapter: Adapter, border: Border, worker: Worker, catch_up: CatchUp) -> None:
        self._adapter = adapter
        self._border = border
        self._worker = worker
        self._catch_up = catch_up

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._adapter.ready()

    async def run(self) -> None:
        """Serve the platform until cancelled; raises FatalError when that can't be."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._adapter.run())
                await self._adapter.ready()
                group.create_task(self._worker.run())
                group.create_task(self._border.rereads.run(self._adapter.history))
                group.create_task(self._catch_up.run(self._adapter.history, self._adapter.take))
        finally:  # nothing of it is left after an orderly stop
            await self.stop_at_once()

    async def stop(self, timeout_s: float) -> None:
        """Take in no more, and give running answers `timeout_s` seconds; the rest is left."""
        self._adapter.refuse()
        await self._worker.stop(timeout_s)
        await self._border.close()

    async def stop_at_once(self) -> None:
        """Leave everything as it is."""
        self._border.is_hurried = True
        await self.stop(0)
