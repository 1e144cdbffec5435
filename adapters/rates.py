"""How often something may happen: limits, and what is left of them. Pure; clocks are the callers'.

Platforms count differently and say little of it, so both shapes are here: a bucket that is refilled
all the time, and a strict window that slides.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` calls at once, and one more each `interval_s` seconds."""

    burst: int
    interval_s: float


@dataclass(frozen=True, slots=True)
class Window:
    """At most `burst` calls in any `seconds`."""

    burst: int
    seconds: float


Limit = Rate | Window


def tier(per_minute: int, burst: int | None = None) -> Rate:
    """A rate that stays within `per_minute` calls in any minute: a tenth of them, or `burst`, at
    once."""
    at_once = burst or per_minute // 10
    return Rate(burst=at_once, interval_s=60 / (per_minute - at_once))


class Left(Protocol):
    """What is left of a limit. Times are seconds on one clock, whichever it is."""

    def calls(self, now: float) -> int:
        """How many calls may go at once."""

    def ready_at(self, calls: int) -> float:
        """When so many may go at once, if none goes before."""

    def take(self, now: float) -> None:
        """Count a call."""


@dataclass(slots=True)
class Allowance:
    """What is left of a rate. Times are seconds on one clock, whichever it is."""

    rate: Rate
    full_at: float = 0.0
    """When the whole burst is there again."""

    @property
    def next_at(self) -> float:
        """When the next call may go."""
        return self.ready_at(1)

    def calls(self, now: float) -> int:
        """How many calls may go at once."""
        missing_s = max(0.0, self.full_at - now)
        # Rounded, so that a timer that rings in the very moment finds its call.
        missing = -(-round(missing_s * 1e6) // round(self.rate.interval_s * 1e6))
        return max(0, self.rate.burst - missing)

    def ready_at(self, calls: int) -> float:
        """When so many may go at once, if none goes before."""
        return self.full_at - (self.rate.burst - calls) * self.rate.interval_s

    def take(self, now: float) -> None:
        """Count a call."""
        self.full_at = max(self.full_at, now) + self.rate.interval_s

    def empty(self, until: float) -> None:
        """Let no call go before `until`, and then one."""
        burst_s = (self.rate.burst - 1) * self.rate.interval_s
        self.full_at = max(self.full_at, until + burst_s)


@dataclass(slots=True)
class Log:
    """What is left of a window: the times of the calls in it."""

    window: Window
    _taken: deque[float] = field(default_factory=deque)

    def calls(self, now: float) -> int:
        """How many calls may go at once."""
        while self._taken and self._taken[0] + self.window.seconds <= now:
            self._taken.popleft()
        return self.window.burst - len(self._taken)

    def ready_at(self, calls: int) -> float:
        """When so many may go at once, if none goes before."""
        too_many = len(self._taken) + calls - self.window.burst
        return self._taken[too_many - 1] + self.window.seconds if too_many > 0 else float("-inf")

    def take(self, now: float) -> None:
        """Count a call."""
        self._taken.append(now)


def left_of(limit: Limit) -> Left:
    """All of a limit."""
    return Allowance(limit) if isinstance(limit, Rate) else Log(limit)
