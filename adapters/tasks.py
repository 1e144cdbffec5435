"""The tasks of an adapter: owned, awaited at the stop, and cancelled in order."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class Tasks:
    """A set of running tasks. Their number is bounded by what the chat core accepts."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` as a task of this set."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def finish(self, timeout_s: float) -> None:
        """Wait for all tasks, then cancel those that take longer than `timeout_s` seconds."""
        if self._running and timeout_s > 0:
            log.info("waiting for running answers", count=len(self._running))
            await asyncio.wait(self._running, timeout=timeout_s)
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
