"""Whether memory stands still: figures from the samples of a run. Pure. Bytes and seconds.

A process that is killed every few seconds shows little of its growth. So two things are looked at:
processes of the same age, early and late in the run, and the last one, which is left alone for the
last fifth of the run.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

Samples = Sequence[tuple[float, int]]
"""Seconds since the start of a process, and its resident bytes."""

GROWTH: Final = 1.25
"""The most that either figure may be: what has to be imported late, and the allocator's slack,
take some per cent; a leak of a few kilobytes an answer takes more in half an hour."""
AGE_S: Final = 5.0
"""The age at which processes are compared."""
CALM_S: Final = 60.0
"""A last life that is shorter shows nothing."""
SETTLED: Final = 0.25
"""The share of the last life that it has for growing to its size."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The figures. A growth is a ratio, None where the run was too short to tell."""

    first_bytes: int | None
    last_bytes: int | None
    calm_growth: float | None
    store_first_bytes: int | None
    store_last_bytes: int | None

    @property
    def aged_growth(self) -> float | None:
        """Of a process of `AGE_S` seconds, from the first such life to the last."""
        if not self.first_bytes or not self.last_bytes:
            return None
        return self.last_bytes / self.first_bytes

    @property
    def growth(self) -> float | None:
        """The larger of the two."""
        known = [one for one in (self.aged_growth, self.calm_growth) if one is not None]
        return max(known, default=None)


def memory_of(lives: Sequence[Samples], store: Sequence[int]) -> Memory:
    """What the samples of the bot's lives and of the store's memory tell."""
    aged = [found for life in lives if (found := _at(life, AGE_S)) is not None]
    return Memory(
        first_bytes=aged[0] if len(aged) > 1 else None,
        last_bytes=aged[-1] if len(aged) > 1 else None,
        calm_growth=_growth(lives[-1]) if lives else None,
        store_first_bytes=store[0] if store else None,
        store_last_bytes=store[-1] if store else None,
    )


def _at(life: Samples, age_s: float) -> int | None:
    return next((size for age, size in life if age >= age_s), None)


def _growth(life: Samples) -> float | None:
    """The median of a life's last quarter over that of its second."""
    if not life or life[-1][0] < CALM_S:
        return None
    end = life[-1][0]
    early = [size for age, size in life if end * SETTLED <= age < end * 2 * SETTLED]
    late = [size for age, size in life if age >= end * (1 - SETTLED)]
    return median(late) / median(early) if early and late else None
