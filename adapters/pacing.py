"""The edit budget: all growing answers under one limit take turns.

Owns when an edit may go out. A scope (a Slack workspace, a Discord channel) gets one slot an
interval; urgent edits, which are the last of an answer, come first, else who waits longest.
"""

import asyncio
import heapq
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Scope:
    """Those who wait in one scope, and when the next slot is."""

    next_at: float = 0.0
    waiters: list[tuple[bool, int, asyncio.Future[None]]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Pacing:
    """The slots of all scopes of one platform."""

    def __init__(self, interval_s: float) -> None:
        """One slot each `interval_s` seconds a scope."""
        self._interval_s = interval_s
        self._scopes: dict[str, _Scope] = {}
        self._count = 0

    async def slot(self, scope: str, *, urgent: bool = False) -> None:
        """Wait for a slot."""
        loop = asyncio.get_running_loop()
        state = self._scopes.setdefault(scope, _Scope())
        granted: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(state.waiters, (not urgent, self._count, granted))
        if state.timer is None:
            self._grant(scope)
        await granted

    def _grant(self, scope: str) -> None:
        """Give the slot, if it is time, and come back for the next one."""
        loop = asyncio.get_running_loop()
        state = self._scopes[scope]
        state.timer = None
        if loop.time() >= state.next_at:
            while state.waiters:
                _, _, granted = heapq.heappop(state.waiters)
                if not granted.done():  # a waiter that was cancelled needs no slot
                    granted.set_result(None)
                    state.next_at = loop.time() + self._interval_s
                    break
            else:
                del self._scopes[scope]
                return
        state.timer = loop.call_at(state.next_at, self._grant, scope)
