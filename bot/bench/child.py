"""Processes that the bench starts: the server, and errands of the engine's room.

Promises that they end with us: each reads a pipe from us and ends when that closes, however we
end; an orderly end waits for them, and kills what does not go.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from bot.bench.errors import BenchError

_STOP_S = 10.0
_LINE_LIMIT = 256 * 1024 * 1024
"""Bytes: an answer holds a time for each token of a pass."""

Json = dict[str, Any]


class Child:
    """A running process; what it says on standard error goes to `said`."""

    def __init__(self, process: asyncio.subprocess.Process, said: Path) -> None:
        self._process = process
        self._said = said

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    def last_line(self) -> str:
        """The last thing it said."""
        lines = self._said.read_text("utf-8", errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    async def ask(self, job: Json) -> Json:
        """Have an errand done. Raises BenchError with its line when it fails."""
        if self._process.stdin is None or self._process.stdout is None:
            raise TypeError("this process runs no errands")
        with suppress(ConnectionError):
            self._process.stdin.write(orjson.dumps(job) + b"\n")
            await self._process.stdin.drain()
        line = await self._process.stdout.readline()
        if not line:
            raise BenchError(f"its process ended: {self.last_line()}")
        answer: Json = orjson.loads(line)
        if "error" in answer:
            raise BenchError(str(answer["error"]))
        return answer


@asynccontextmanager
async def running(
    *arguments: str,
    said: Path,
    environment: Mapping[str, str] | None = None,
    has_answers: bool = True,
) -> AsyncIterator[Child]:
    """Run `python ARGUMENTS` while the context lasts. Errands have answers, a server has none."""
    with said.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            env={**os.environ, **(environment or {})},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE if has_answers else log,
            stderr=log,
            limit=_LINE_LIMIT,
            start_new_session=True,  # Ctrl-C is for us: we end it in order
        )
    try:
        yield Child(process, said)
    finally:
        await _end(process)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_S):
            await process.wait()
    with suppress(ProcessLookupError):
        # The whole session: it may have left children of its own.
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
