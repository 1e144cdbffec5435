"""How many threads the model's arithmetic gets: what this process may use, not what is there."""

import os
from pathlib import Path

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
