"""Catching up: what people asked and how they voted while nobody listened.

Runs after each fresh connection: what was asked since the last sign of life is taken in like any
message (what was heard already is known by its id), and the reactions on late answers are read
back, newest first. The signs of life are left only while connected, with nothing left to catch up
on: whatever comes in between, a crash or another outage, the next one begins where this one began.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from adapters.history import History
from adapters.rereads import Rereads
from bot.domain import Incoming, MessageRef, Platform
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.insist import insist
from bot.store.places import Places
from bot.store.turns import Turns

log = structlog.get_logger()

SIGN_S: Final = 2.0
"""Between two signs of life."""

MARGIN_S: Final = 60.0
"""Looked back before the last sign of life: events under way then, and clocks that differ."""

PARTS: Final = 2_000
"""Messages of answers whose reactions are read back, at most."""

RETRY_S: Final = 10.0

Take = Callable[[Incoming], Awaitable[None]]


class CatchUp:
    """Catching up on one platform."""

    def __init__(
        self,
        platform: Platform,
        *,
        rereads: Rereads,
        turns: Turns,
        places: Places,
        asked_s: float,
        voted_s: float,
        is_holding: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Questions younger than `asked_s` seconds are answered, answers younger than `voted_s`
        have their reactions read back. There are no signs of life while `is_holding` tells that
        events wait in memory."""
        self._platform = platform
        self._rereads = rereads
        self._turns = turns
        self._places = places
        self._asked_s = asked_s
        self._voted_s = voted_s
        self._is_holding = is_holding
        self._clock = clock
        self._fresh = asyncio.Event()
        self._is_listening = False
        self._is_behind = True

    def connected(self) -> None:
        """A connection stands that may not have everything since the last one."""
        self._is_listening = True
        self.missed()

    def resumed(self) -> None:
        """The connection stands again, and brings what came meanwhile."""
        self._is_listening = True

    def missed(self) -> None:
        """Something was not taken in."""
        self._is_behind = True
        self._fresh.set()

    def disconnected(self) -> None:
        """Events may be missed from now on."""
        self._is_listening = False

    async def run(self, history: History, take: Take) -> None:
        """Catch up after each fresh connection, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_signing())
            while True:
                await self._fresh.wait()
                self._fresh.clear()
                since = await insist(
                    lambda: self._places.awake(self._platform), "the last sign of life"
                )
                await self._recent_votes()
                await self._questions(history, take, since)
                self._is_behind = self._fresh.is_set()
                await self._sign()  # a crash soon after has where to begin

    async def _recent_votes(self) -> None:
        """Have the reactions on late answers read back, newest first."""
        since = self._clock() - self._voted_s
        found = await insist(lambda: self._turns.recent_parts(since, PARTS), "late answers")
        for key in found:
            platform, channel, message = key.split("/", 2)
            if platform == self._platform:
                self._rereads.add(MessageRef(self._platform, "", channel, message))

    async def _questions(self, history: History, take: Take, since: float | None) -> None:
        """Take in what was asked meanwhile; nothing before the first sign of life."""
        if since is None:
            return
        oldest = max(since - MARGIN_S, self._clock() - self._asked_s)
        count = 0
        while True:
            try:
                async for incoming in history.missed(oldest):
                    count += 1
                    await self._take(take, incoming)
                break
            except (PlatformUnavailable, MessageGone, StoreUnavailable) as error:
                log.warning("not caught up yet", platform=self._platform, error=str(error))
                await asyncio.sleep(getattr(error, "retry_after_s", None) or RETRY_S)
            except Exception:
                log.exception("not caught up", platform=self._platform)
                return
        log.info("caught up", platform=self._platform, messages=count, since=oldest)

    async def _take(self, take: Take, incoming: Incoming) -> None:
        """Take in one message; what is wrong with it concerns no other."""
        try:
            await take(incoming)
        except (PlatformUnavailable, MessageGone, StoreUnavailable):
            raise
        except Exception:
            log.exception("message not caught up", message=incoming.ref.key)

    async def _keep_signing(self) -> None:
        while True:
            await asyncio.sleep(SIGN_S)
            await self._sign()

    async def _sign(self) -> None:
        """Leave a sign of life, if all until now was taken in."""
        if not self._is_listening or self._is_behind or self._is_holding():
            return
        now = self._clock()
        try:
            await self._places.set_awake(self._platform, now)
        except StoreUnavailable as error:
            log.warning("no sign of life", platform=self._platform, error=str(error))
