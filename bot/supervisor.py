"""The model's server as a child process: started, watched, restarted with backoff, ended.

Promises that the child ends with us, however we end: it stops when its standard input closes.
"""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import structlog

from bot.errors import ModelError

log = structlog.get_logger()

BACKOFF_MIN_S = 0.5
BACKOFF_MAX_S = 30.0
STEADY_S = 60.0
"""A server that ran this long was no failed start."""
STOP_S = 10.0
POLL_S = 0.1


class Supervisor:
    """Keeps `candor serve` running."""

    def __init__(self, config: Path | None, socket: Path) -> None:
        self._command = [sys.executable, "-m", "bot", "serve", "--supervised"]
        if config is not None:
            self._command += ["--config", str(config)]
        self._environment = {**os.environ, "CANDOR_SERVE_SOCKET": str(socket)}
        self._child: asyncio.subprocess.Process | None = None
        self._was_ready = False

    @property
    def pid(self) -> int | None:
        """The child's process id, if there is a child now."""
        return self._child.pid if self._child else None

    async def run(self) -> None:
        """Keep a child running until cancelled.

        Raises ModelError when the first one ends before it was ever ready.
        """
        loop = asyncio.get_running_loop()
        pause = BACKOFF_MIN_S
        while True:
            began = loop.time()
            status = await self._run_once()
            if not self._was_ready:
                raise ModelError(
                    f"the model's server ended before it was ready (exit status {status}); "
                    "its last line says why"
                )
            if loop.time() - began > STEADY_S:
                pause = BACKOFF_MIN_S
            log.error("the model's server died", status=status, restart_in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MAX_S)

    async def ready(self, healthy: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the server answers; there is no deadline, since a first start converts."""
        while not await healthy():  # noqa: ASYNC110  another process: there is no event
            await asyncio.sleep(POLL_S)
        self._was_ready = True

    async def _run_once(self) -> int:
        """Run one child to its end and return its exit status; a cancelled call ends it."""
        self._child = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,  # closed by our death, whatever kills us
            start_new_session=True,  # Ctrl-C is for us: running answers need the model
        )
        try:
            return await self._child.wait()
        finally:
            await self._end(self._child)
            self._child = None

    async def _end(self, child: asyncio.subprocess.Process) -> None:
        if child.returncode is not None:
            return
        with suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await child.wait()
        except TimeoutError:
            log.warning("the model's server does not stop; killed", pid=child.pid)
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
