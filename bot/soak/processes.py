"""Child processes of the soak: started with settings from the environment, ended in order.

What a child says goes to a file. It runs in a session of its own, so that Ctrl-C is ours to pass
on, and never sees the settings of whoever runs the soak.
"""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import bot
from bot.config import CONFIG_VARIABLE
from bot.settings import ENV_PREFIX
from bot.soak.errors import SoakError

_HERE: Final = str(Path(bot.__file__).resolve().parent.parent)
"""Where the code is: children run the same as we do, wherever it was started from."""
_POLL_S: Final = 0.05
_STOP_S: Final = 40.0


class Child:
    """A running process of ours."""

    def __init__(self, process: asyncio.subprocess.Process, said: Path, start: int) -> None:
        self._process = process
        self._said = said
        self._start = start

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.returncode

    def said(self) -> str:
        """What it said so far."""
        with self._said.open("rb") as stream:
            stream.seek(self._start)
            return stream.read().decode(errors="replace")

    def last_line(self) -> str:
        """The last thing it said."""
        lines = self.said().strip().splitlines()
        return lines[-1][:300] if lines else "it said nothing"

    async def says(self, pattern: str, within_s: float) -> re.Match[str]:
        """Wait for a line. Raises SoakError when it ends before, or does not come in time."""
        deadline = time.monotonic() + within_s
        while not (match := re.search(pattern, self.said())):
            if self.status is not None:
                raise SoakError(f"a process ended with {self.status}: {self.last_line()}")
            if time.monotonic() > deadline:
                raise SoakError(f"a process does not say {pattern!r}, but: {self.last_line()}")
            await asyncio.sleep(_POLL_S)
        return match

    async def wait(self) -> int:
        """Wait for its end."""
        return await self._process.wait()

    def kill(self) -> bool:
        """SIGKILL; whether there was somebody to be killed."""
        if self.status is not None:
            return False
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGKILL)
            return True
        return False

    async def stop(self) -> int:
        """Ask for an orderly stop, insist after a while, and wait."""
        if self.status is None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                async with asyncio.timeout(_STOP_S):
                    return await self.wait()
            except TimeoutError:
                self.kill()
        return await self.wait()


async def start(*arguments: str, folder: Path, said: Path, settings: Mapping[str, str]) -> Child:
    """Run `candor ARGUMENTS` in a folder; the caller ends it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(ENV_PREFIX) and name != CONFIG_VARIABLE
    }
    path = [_HERE, *filter(None, [environment.get("PYTHONPATH")])]
    with said.open("ab") as output:
        begin = output.tell()
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bot", *arguments),
            cwd=folder,
            env={**environment, **settings, "PYTHONPATH": os.pathsep.join(path)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    return Child(process, said, begin)


@asynccontextmanager
async def running(
    *arguments: str, folder: Path, said: Path, settings: Mapping[str, str]
) -> AsyncIterator[Child]:
    """Run `candor ARGUMENTS` for as long as the context is open."""
    child = await start(*arguments, folder=folder, said=said, settings=settings)
    try:
        yield child
    finally:
        await asyncio.shield(child.stop())
