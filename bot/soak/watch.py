"""The platforms as people see them: read again and again, once for everybody.

One reader a platform; it reads the less often the longer a reading takes, so that watching never
takes more than a share of the machine.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from bot.domain import Platform
from bot.soak.sandbox import Message, Sandbox

_LEAST_S: Final = 0.5
_SHARE: Final = 6.0
"""The pause after a reading, in times that it took."""


class Watch:
    """What stands on one platform now: the bot's messages, by channel and person."""

    def __init__(self, sandbox: Sandbox, platform: Platform) -> None:
        self._sandbox = sandbox
        self._platform = platform
        self._places: dict[tuple[str, str | None], list[Message]] = {}
        self._news = asyncio.Event()
        self.num_messages = 0

    async def run(self) -> None:
        """Read until cancelled. Raises SoakError."""
        while True:
            began = time.monotonic()
            messages = await self._sandbox.audit(self._platform)
            took = time.monotonic() - began
            self._take(messages)
            await asyncio.sleep(max(_LEAST_S, took * _SHARE))

    async def news(self, within_s: float) -> None:
        """Wait for the next reading, but no longer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()

    def answers(self, channel: str, person: str | None, *, after: str) -> Iterator[Message]:
        """The bot's messages of a channel that are newer than a message, the latest first."""
        for message in reversed(self._places.get((channel, person), [])):
            if float(message.id) <= float(after):
                return
            yield message

    def latest(self, channel: str, person: str | None, limit: int) -> Sequence[Message]:
        """The bot's latest messages of a channel, oldest first."""
        return self._places.get((channel, person), [])[-limit:]

    def _take(self, messages: Sequence[Message]) -> None:
        places: dict[tuple[str, str | None], list[Message]] = {}
        for message in messages:
            if message.by_bot:
                where = message.place.channel, message.place.person
                places.setdefault(where, []).append(message)
        for listed in places.values():
            listed.sort(key=lambda message: float(message.id))
        self._places = places
        self.num_messages = len(messages)
        news, self._news = self._news, asyncio.Event()
        news.set()
