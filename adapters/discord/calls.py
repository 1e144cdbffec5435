"""Calls to Discord that outlive what passes: a broken connection, a 503, a client replaced.

Owns the hard limit under the rhythm of edits: in each channel one call at a time, so that the
answers that grow there meet a limit once and not each, and none at all while Discord asks to wait.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import discord

from adapters.discord.errors import is_passing, ours
from bot.errors import PlatformUnavailable

CALL_S = 60.0
"""Seconds that a call may take with its turn, and with discord.py's own retries."""
PAUSES_S = (0.3, 1.0, 2.0, 4.0)
"""Before each repeat; far less than the minutes in which a nonce keeps a post from doubling."""
TYPING_S = 8.0
"""Typing is shown for 10 s; once is enough for all answers of a channel."""
TYPING_CALL_S = 5.0
KEPT = 256

T = TypeVar("T")


@dataclass(slots=True)
class _Channel:
    """What all calls of a channel share; times are of the monotonic clock."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    free_at: float = 0.0
    typed_at: float = float("-inf")


class Calls:
    """The way to Discord. `current` gives the client of the moment, None before the first.

    Where there are several shards, `knowing` gives the client for a channel, and `everyone` all.
    """

    def __init__(
        self,
        current: Callable[[], discord.Client | None],
        *,
        knowing: Callable[[int], discord.Client | None] | None = None,
        everyone: Callable[[], Sequence[discord.Client | None]] | None = None,
    ) -> None:
        self._knowing = knowing or (lambda _: current())
        self._everyone = everyone or (lambda: [current()])
        self._channels: dict[int, _Channel] = {}
        self._free_at = 0.0

    async def do(self, channel_id: int, call: Callable[[discord.Client], Awaitable[T]]) -> T:
        """Make a call that may be repeated without harm, and repeat it where that may help.

        Raises PlatformUnavailable, with the seconds where Discord asks to wait, and MessageGone.
        """
        channel = self._channel(channel_id)
        try:
            async with asyncio.timeout(CALL_S), channel.turn:
                return await self._insist(channel, channel_id, call)
        except TimeoutError as error:
            raise PlatformUnavailable("Discord takes too long") from error

    def clients(self) -> Sequence[discord.Client]:
        """The clients of all shards. Raises PlatformUnavailable while one of them is not there."""
        found = [one for one in self._everyone() if one is not None and one.user is not None]
        if not found or len(found) < len(self._everyone()):
            raise PlatformUnavailable("a part of Discord is not connected")
        return found

    async def show_typing(self, channel_id: int) -> None:
        """Show "is typing", unless it is shown. Raises PlatformUnavailable, MessageGone."""
        channel = self._channel(channel_id)
        now = time.monotonic()
        if now - channel.typed_at < TYPING_S:
            return
        channel.typed_at = now
        try:
            async with asyncio.timeout(TYPING_CALL_S):
                await self._once(
                    channel, channel_id, lambda client: client.http.send_typing(channel_id)
                )
        except PlatformUnavailable:
            raise
        except Exception as error:
            known = ours(error)
            if known is None:
                raise
            raise known from error

    async def _insist(
        self, channel: _Channel, channel_id: int, call: Callable[[discord.Client], Awaitable[T]]
    ) -> T:
        for pause_s in (*PAUSES_S, None):
            try:
                return await self._once(channel, channel_id, call)
            except Exception as error:
                if pause_s is None or not is_passing(error):
                    known = ours(error)
                    if known is None:
                        raise
                    if isinstance(known, PlatformUnavailable):
                        self._hold(channel, error, known.retry_after_s)
                    raise known from error
            await asyncio.sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    async def _once(
        self, channel: _Channel, channel_id: int, call: Callable[[discord.Client], Awaitable[T]]
    ) -> T:
        wait_s = max(channel.free_at, self._free_at) - time.monotonic()
        if wait_s > 0:
            raise PlatformUnavailable("Discord asked to wait", wait_s)
        client = self._knowing(channel_id)
        # Before the login there is no session, and after the end only a closed one.
        if client is None or client.user is None or client.is_closed():
            raise ConnectionError("no connection to Discord now")
        try:
            return await call(client)
        except RuntimeError as error:
            if client.is_closed():
                raise ConnectionError("the connection to Discord was closed") from error
            raise

    def _hold(self, channel: _Channel, error: Exception, for_s: float | None) -> None:
        """Let nothing out for so long: in the channel, or at all when the address is banned."""
        until = time.monotonic() + (for_s or 0.0)
        channel.free_at = max(channel.free_at, until)
        if (
            isinstance(error, discord.HTTPException)
            and error.status == 429
            and "Via" not in error.response.headers
        ):
            self._free_at = max(self._free_at, until)  # by the wall that stands before Discord

    def _channel(self, channel_id: int) -> _Channel:
        if channel_id not in self._channels and len(self._channels) >= KEPT:
            self._forget_idle()
        return self._channels.setdefault(channel_id, _Channel())

    def _forget_idle(self) -> None:
        now = time.monotonic()
        for channel_id, one in list(self._channels.items()):
            if not one.turn.locked() and max(one.free_at, one.typed_at + TYPING_S) < now:
                del self._channels[channel_id]
