"""The line "is thinking…" under a thread, until there is something to read.

Slack takes it away with the reply, or by itself after two minutes. A workspace without it is not
asked again for a while.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.calls import Calls
from adapters.slack.errors import code
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

TEXT: Final = "is thinking…"
EVERY_S: Final = 85.0
"""Before Slack takes it away by itself."""
WAIT_S: Final = 2.0
"""Seconds that it may wait for its turn: later it is no news."""
REFUSED_S: Final = 3600.0


class Statuses:
    """The status lines of one workspace."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._refused_until = float("-inf")

    @asynccontextmanager
    async def shown(
        self, channel: str, thread: str | None, over: asyncio.Event
    ) -> AsyncIterator[None]:
        """Show it in a thread until `over`, or until the context ends."""
        if thread is None:
            yield
            return
        showing = asyncio.create_task(self._show(channel, thread, over))
        try:
            yield
            if not over.is_set() and showing.done() is False:
                await self._set(channel, thread, "")
        finally:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)

    async def _show(self, channel: str, thread: str, over: asyncio.Event) -> None:
        while not over.is_set() and await self._set(channel, thread, TEXT):
            if over.is_set():  # the reply came while this was on its way, and did not take it away
                await self._set(channel, thread, "")
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY_S)

    async def _set(self, channel: str, thread: str, text: str) -> bool:
        """Whether Slack took it."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._refused_until:
            return False
        try:
            await self._calls.do(
                "assistant.threads.setStatus",
                wait_s=WAIT_S,
                channel_id=channel,
                thread_ts=thread,
                status=text,
            )
        except SlackApiError as error:
            self._refused_until = loop.time() + REFUSED_S
            log.info("no status on this Slack", error=code(error), again_in_s=REFUSED_S)
            return False
        except (PlatformUnavailable, MessageGone) as error:
            log.debug("status not shown", error=str(error))
            return False
        return True
