"""The bot of a soak: kept running, killed at the planned moments, its memory watched.

A bot that ends by itself is started again, too, but counted: it should not.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from bot.soak.errors import SoakError
from bot.soak.processes import Child, start

READY: Final = r"Candor is ready on"
_START_S: Final = 120.0
_SAMPLE_S: Final = 1.0
_AGAIN_S: Final = 1.0
"""Before a bot that ended by itself is started again."""
_MOST_EXITS: Final = 30


@dataclass(slots=True)
class Life:
    """One process of the bot: `memory` is resident bytes by the seconds since its start."""

    began: float
    memory: list[tuple[float, int]] = field(default_factory=list)


class Keeper:
    """Runs the bot until it is told to stop."""

    def __init__(self, folder: Path, said: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._said = said
        self._settings = settings
        self._child: Child | None = None
        self._was_ready = False
        self.num_kills = 0
        self.exits: list[str] = []
        self.lives: list[Life] = []

    async def run(self) -> None:
        """Keep a bot running until cancelled, then stop it in order.

        Raises SoakError when it ends by itself again and again.
        """
        try:
            while True:
                kills = self.num_kills
                child = self._child = await start(
                    "run", folder=self._folder, said=self._said, settings=self._settings
                )
                life = Life(time.monotonic())
                self.lives.append(life)
                await self._live(child, life)
                if self.num_kills == kills:
                    await self._ended(child)
        finally:
            if self._child is not None:
                await asyncio.shield(self._child.stop())

    async def ready(self) -> None:
        """Wait until the bot is connected. Raises SoakError, and at once if it never gets there."""
        deadline = time.monotonic() + _START_S
        while True:
            child = self._child
            if child is not None and child.status is None and READY in child.said():
                self._was_ready = True
                return
            if self.exits and not self._was_ready:
                raise SoakError(f"the bot does not start: {self.exits[-1]}")
            if time.monotonic() > deadline:
                said = child.last_line() if child else "there is none"
                raise SoakError(f"the bot does not get ready: {said}")
            await asyncio.sleep(0.1)

    async def kill_at(self, moments: Sequence[float], start_at: float) -> None:
        """Kill the bot at each moment, in seconds from `start_at` (monotonic)."""
        for moment in moments:
            await asyncio.sleep(max(0.0, start_at + moment - time.monotonic()))
            # Between two lives there is nobody to be killed; the next one is as good.
            while self._child is None or not self._child.kill():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            self.num_kills += 1

    async def _live(self, child: Child, life: Life) -> None:
        """Watch one process to its end."""
        ending = asyncio.create_task(child.wait())
        try:
            while not ending.done():
                try:
                    resident = int(psutil.Process(child.pid).memory_info().rss)
                except psutil.Error:
                    break
                life.memory.append((time.monotonic() - life.began, resident))
                await asyncio.wait((ending,), timeout=_SAMPLE_S)
            await ending
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)

    async def _ended(self, child: Child) -> None:
        self.exits.append(f"exit status {child.status}: {child.last_line()}")
        if len(self.exits) >= _MOST_EXITS:
            raise SoakError(f"the bot ends by itself again and again: {self.exits[-1]}")
        await asyncio.sleep(_AGAIN_S)
