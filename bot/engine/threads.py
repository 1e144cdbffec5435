"""How many threads the model's arithmetic gets: what this process may use, not what is there."""

import asyncio
import math
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import psutil

_T = TypeVar("_T")

_LOOK_S: Final = 0.05
"""Steps are looked at together until they took this long; the system counts in hundredths."""

_MISSED: Final = 0.6
"""CPUs that a crew must have missed to shrink. With one of two taken, it missed 0.65 to 0.95; where
a hypervisor took a fifth of both, it missed 0.45 and was still the faster for its second thread."""

_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0
"""Of steps, before a crew that shrank may grow; a step that is too large costs as much as nine."""

_CGROUP_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def choose_threads(setting: int | None) -> int:
    """The setting if given, else the usable CPUs, less one for the event loop when over two."""
    if setting is not None:
        return setting
    has_affinity = hasattr(os, "sched_getaffinity")  # Linux; not macOS
    num_cpus = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    quota = cgroup_cpus(_CGROUP_QUOTA.read_text()) if _CGROUP_QUOTA.is_file() else None
    return threads_for(num_cpus, quota)


def threads_for(num_cpus: int, quota: float | None) -> int:
    """Threads for `num_cpus` CPUs under a quota of that many CPUs' time; at least one."""
    usable = num_cpus if quota is None else min(num_cpus, int(quota))
    return usable - 1 if usable > 2 else max(1, usable)


def cgroup_cpus(text: str) -> float | None:
    """CPUs' worth of time that a cgroup's `cpu.max` grants; None when it sets no limit."""
    quota, _, period = text.strip().partition(" ")
    if quota == "max" or not period:
        return None
    return int(quota) / int(period)


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds since some moment: of the clock, of this process on all CPUs, and that the CPUs it
    may use were idle, all together."""

    wall_s: float
    busy_s: float
    idle_s: float

    @classmethod
    def now(cls) -> "Sample":
        return cls(time.monotonic(), time.process_time(), _idle_s())

    def __sub__(self, other: "Sample") -> "Sample":
        return Sample(
            self.wall_s - other.wall_s, self.busy_s - other.busy_s, self.idle_s - other.idle_s
        )

    def __add__(self, other: "Sample") -> "Sample":
        return Sample(
            self.wall_s + other.wall_s, self.busy_s + other.busy_s, self.idle_s + other.idle_s
        )


_NOTHING: Final = Sample(0.0, 0.0, 0.0)


class Crew:
    """How many threads the next step gets: `num`, from 1 to `most`. Pure; it is told what was.

    Threads spin while they wait for each other, so as many as there are CPUs are fastest where
    nobody else wants these, and far the slowest where somebody does: with one of two CPUs taken, a
    step of two threads took 5 to 9 times as long as one of a single thread. What this process used
    and what stood idle is what it can have. The crew shrinks to that after steps in which that was
    less than its number; it grows when it has been more, and later each time that it was wrong.
    """

    def __init__(self, most: int) -> None:
        self.num = self.most = most
        self._seen = _NOTHING
        self._grown_for_s = math.inf
        self._pause_s = _SHORTEST_PAUSE_S

    def observe(self, step: Sample) -> int:
        """Count a step that `num` threads computed; returns the next step's `num`."""
        self._seen += step
        self._grown_for_s += step.wall_s
        seen = self._seen
        if seen.wall_s < _LOOK_S:
            return self.num
        available = (seen.busy_s + seen.idle_s) / seen.wall_s
        fitting = min(self.most, max(1, int(available + 0.25)))
        if fitting < self.num and available < self.num - _MISSED:
            was_wrong = self._grown_for_s < self._pause_s
            longer_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            self._pause_s = longer_s if was_wrong else _SHORTEST_PAUSE_S
            self._turn(fitting)
        elif self.num == self.most:
            self._turn(self.num)
        elif seen.wall_s >= self._pause_s:
            self._grown_for_s = 0.0 if fitting > self.num else self._grown_for_s
            self._turn(max(fitting, self.num))
        return self.num

    def _turn(self, num: int) -> None:
        self.num, self._seen = num, _NOTHING


async def on_own_thread(work: Callable[[], _T]) -> _T:
    """What `work` returns, computed on a thread that ends with it.

    libgomp keeps threads for each thread that ever computed, counts them all, and hardly spins
    where there are more than CPUs. Only the thread that runs the model may have them for long.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="own")
    try:
        return await asyncio.get_running_loop().run_in_executor(pool, work)
    finally:
        pool.shutdown(wait=False)


def spins() -> bool:
    """Whether waiting threads spin; if not, their time says nothing of who wants the CPUs."""
    return os.environ.get("OMP_WAIT_POLICY", "").upper() == "ACTIVE"


def _idle_s() -> float:
    per_cpu = psutil.cpu_times(percpu=True)
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(per_cpu))
    return float(sum(per_cpu[cpu].idle for cpu in usable if cpu < len(per_cpu)))
