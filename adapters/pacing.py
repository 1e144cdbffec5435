"""The edit budget: all answers that grow in one place share what the platform takes there.

Owns when a call for an answer may go out, and whose. A scope (a Slack workspace, a Discord channel)
has one budget for each way to show something. The last text of an answer comes first, then a first
text, then what a full message needs, then growth: who was shown longest ago. Growth leaves alone
what all live answers would need to end, so it is smooth for one answer, slower for many, and the
end of an answer finds its calls unspent.
"""

import asyncio
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, Literal

from adapters.rates import Left, Limit, left_of

Way = Literal["post", "edit", "append"]
"""How a text gets into a channel; each has its own limits."""

STALE_S: Final = 3.0
"""A text on show that old is replaced, by however little more."""
KEPT_SHARE: Final = 0.8
"""Calls that are kept for the ends of answers, a live answer: they hardly all end at once."""


class Rank(IntEnum):
    """Who goes first."""

    LAST = 0
    FIRST = 1
    PART = 2
    GROWTH = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """The budget of one way, and how often one answer grows by it at most: each `interval_s`
    seconds, and `slowing_s` later for each second that it has grown already; and, where it is
    slow, not before it has some `worth` characters more, for at most `STALE_S`. Growth leaves
    `kept_share` of a call to each live answer."""

    limit: Limit
    interval_s: float = 0.0
    slowing_s: float = 0.0
    worth: int = 0
    kept_share: float = KEPT_SHARE

    def rest_s(self, age_s: float, length: int) -> float:
        """Seconds from one edit to the next, for an answer of that age and length."""
        worth_s = min(STALE_S, self.worth * age_s / length) if length else 0.0
        return max(self.interval_s + self.slowing_s * age_s, worth_s)


@dataclass(eq=False, slots=True)
class _Waiter:
    """Somebody who waits for a call."""

    rank: Rank
    due_at: float
    since: float
    granted: asyncio.Future[None]

    @property
    def order(self) -> tuple[int, float]:
        return self.rank, self.since


@dataclass(slots=True)
class _Lane:
    """Those who wait for one way in one scope."""

    left: Left
    waiters: list[_Waiter] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Scope:
    """One place: its live answers, and its lanes."""

    num_live: int = 0
    lanes: dict[Way, _Lane] = field(default_factory=dict)


class Share:
    """One live answer's part in the budget."""

    def __init__(self, pacing: "Pacing", scope: str) -> None:
        self._pacing = pacing
        self._scope = scope
        self._began_at: float | None = None
        self._shown_at = float("-inf")

    async def turn(self, way: Way, rank: Rank, length: int = 0) -> None:
        """Wait until a call may go out for an answer of `length` characters."""
        pace = self._pacing.paces.get(way)
        now = asyncio.get_running_loop().time()
        if self._began_at is None:
            self._began_at = now
        if pace is not None:
            due_at = now
            if rank is Rank.GROWTH:
                due_at = self._shown_at + pace.rest_s(now - self._began_at, length)
            await self._pacing.wait(self._scope, way, rank, due_at, self._shown_at)
        self._shown_at = asyncio.get_running_loop().time()


class Pacing:
    """The budgets of all scopes of one platform; a way without a pace is not held back."""

    def __init__(self, paces: Mapping[Way, Pace]) -> None:
        self.paces = paces
        self._scopes: dict[str, _Scope] = {}

    @contextmanager
    def live(self, scope: str) -> Iterator[Share]:
        """An answer grows in a scope for as long as the context is open."""
        place = self._scopes.setdefault(scope, _Scope())
        place.num_live += 1
        try:
            yield Share(self, scope)
        finally:
            place.num_live -= 1
            # Those who waited for fewer answers may go now; and an idle scope is forgotten.
            for way in tuple(place.lanes):
                self._serve(scope, way)
            self._forget(scope)

    async def wait(self, scope: str, way: Way, rank: Rank, due_at: float, since: float) -> None:
        """Wait for a call: from `due_at` on, after those of the rank who were shown before
        `since`. A `Share` asks."""
        place = self._scopes.setdefault(scope, _Scope())
        lane = place.lanes.get(way)
        if lane is None:
            lane = place.lanes[way] = _Lane(left_of(self.paces[way].limit))
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = _Waiter(rank, due_at, since, granted)
        lane.waiters.append(waiter)
        self._serve(scope, way)
        try:
            await granted
        except asyncio.CancelledError:
            if waiter in lane.waiters:
                lane.waiters.remove(waiter)
                self._serve(scope, way)
            raise

    def _serve(self, scope: str, way: Way) -> None:
        """Let go who may, and come back when the next one may, or to forget an idle scope."""
        place = self._scopes.get(scope)
        if place is None or way not in place.lanes:
            return
        lane = place.lanes[way]
        now = asyncio.get_running_loop().time()
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        again_at = float("inf")
        waiting = sorted(lane.waiters, key=lambda one: one.order)
        for waiter in waiting:
            needed = 1 + self._kept(waiter.rank, way, place.num_live)
            if waiter.due_at > now:
                again_at = min(again_at, waiter.due_at)
            elif lane.left.calls(now) < needed:
                # Nobody behind needs less, and who is not due yet asks again then.
                again_at = min(again_at, lane.left.ready_at(needed))
                break
            else:
                lane.left.take(now)
                lane.waiters.remove(waiter)
                if not waiter.granted.done():
                    waiter.granted.set_result(None)
        if not lane.waiters:
            again_at = lane.left.ready_at(self.paces[way].limit.burst)
            if again_at <= now:
                del place.lanes[way]
                self._forget(scope)
                return
        if again_at < float("inf"):
            loop = asyncio.get_running_loop()
            lane.timer = loop.call_at(max(again_at, now + 0.001), self._serve, scope, way)

    def _kept(self, rank: Rank, way: Way, num_live: int) -> int:
        pace = self.paces[way]
        return kept(num_live, pace.limit.burst, pace.kept_share) if rank is Rank.GROWTH else 0

    def _forget(self, scope: str) -> None:
        place = self._scopes.get(scope)
        if place is not None and not place.num_live and not place.lanes:
            del self._scopes[scope]


def kept(num_live: int, burst: int, share: float = KEPT_SHARE) -> int:
    """How many calls growth leaves for the ends of so many live answers."""
    return min(burst - 1, max(1, math.ceil(num_live * share)))
