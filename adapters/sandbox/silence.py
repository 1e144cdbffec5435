"""Silent death: a connection that stays open, sends nothing and answers nothing, not even a ping.

The kernel still takes what the client sends, as a proxy does whose server is gone.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

_LOOK_EVERY_S = 0.05


class Silence:
    """Whether the connection of a request was silenced."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._reading: asyncio.Timeout | None = None
        self._has_begun = False

    @property
    def has_begun(self) -> bool:
        """Whether the connection is silent."""
        return self._has_begun

    def begin(self) -> None:
        """Silence the connection for good."""
        self._has_begun = True
        if self._reading is not None and not self._reading.expired():
            self._reading.reschedule(asyncio.get_running_loop().time())

    async def reading(self, read: Coroutine[Any, Any, None]) -> None:
        """Run `read` to its end, or until silence begins; then outlast the client in silence.

        Raises what `read` raises.
        """
        # A WebSocket answers pings and closes while it is read, so a silent one must not be.
        try:
            async with asyncio.timeout(0 if self._has_begun else None) as self._reading:
                await read
        except TimeoutError:
            if not self._has_begun:
                raise
        finally:
            self._reading = None
        while self._has_begun and self._request.transport is not None:  # noqa: ASYNC110
            # aiohttp tells nobody of the end but who reads.
            await asyncio.sleep(_LOOK_EVERY_S)
