"""The memory of a server while it is measured: its process and all that it started."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address
from urllib.parse import urlsplit

import psutil

_EVERY_S = 0.25


class Peak:
    """The most memory seen so far, in bytes; None if none could be seen."""

    def __init__(self) -> None:
        self.num_bytes: int | None = None

    def see(self, num_bytes: int) -> None:
        self.num_bytes = max(num_bytes, self.num_bytes or 0)


@asynccontextmanager
async def watched(pid: int | None) -> AsyncIterator[Peak]:
    """Look at a process tree again and again while the context lasts, and once after."""
    peak = Peak()
    if pid is None:
        yield peak
        return
    watching = asyncio.create_task(_watch(pid, peak))
    try:
        yield peak
        await _look(pid, peak)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(pid: int, peak: Peak) -> None:
    while True:
        await _look(pid, peak)
        await asyncio.sleep(_EVERY_S)


async def _look(pid: int, peak: Peak) -> None:
    # It reads all of /proc: not on the loop, which takes the times.
    if (num_bytes := await asyncio.to_thread(resident, pid)) is not None:
        peak.see(num_bytes)


def resident(pid: int) -> int | None:
    """Resident bytes of a process and its descendants; None when it is gone or hidden."""
    total = 0
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return None
    for process in tree:
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total or None


def listener(url: str) -> int | None:
    """The process on this machine that listens at a URL, where that can be seen."""
    parts = urlsplit(url)
    try:
        if parts.hostname != "localhost" and not ip_address(parts.hostname or "").is_loopback:
            return None
        found = psutil.net_connections(kind="tcp")
    except (ValueError, psutil.Error):
        return None
    port = parts.port or (443 if parts.scheme == "https" else 80)
    for one in found:
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid is not None:
            return int(one.pid)
    return None
