"""`candor serve`: one process that holds the model, listens, and ends in order.

The address is taken before the model is loaded, so that a port in use shows at once; nothing
listens before the model can answer. At the end: no new connections, answers under way get a few
seconds, what is left is told "shutdown", and then the connections close.
"""

import asyncio
import errno
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import structlog
import torch
from aiohttp import web

from bot.engine import runner, weights
from bot.engine.api import Api
from bot.engine.engine import Engine
from bot.engine.threads import choose_threads, on_own_thread
from bot.errors import ConfigError, ModelError, PortInUse
from bot.model_settings import ServeSettings

log = structlog.get_logger(__name__)

DRAIN_S: Final = 5.0
"""Seconds that answers under way get at the end; less than a supervisor waits before it kills."""

_HANDLERS_S = 2.0
"""Seconds that handlers then get to write their last chunk."""


async def serve(
    settings: ServeSettings,
    *,
    state_dir: Path,
    ready: Callable[[str], None] | None = None,
    drain_s: float = DRAIN_S,
) -> None:
    """Load the model and answer until cancelled or told to by SIGTERM.

    `ready` is called once with the address, as a URL or `unix:PATH`. Raises PortInUse,
    ConfigError for an address that others could reach without a key, and ModelError when the
    model cannot be loaded or its engine gives up.
    """
    _check_reach(settings)
    with _taken(settings) as taken:
        num_threads = choose_threads(settings.threads)
        loaded = await on_own_thread(partial(_load, settings, state_dir, num_threads))
        torch.set_num_threads(1)  # of this thread, for the same reason
        engine = Engine(
            loaded,
            max_running=settings.max_running,
            max_waiting=settings.max_waiting,
            max_running_person=settings.max_running_person,
            max_waiting_person=settings.max_waiting_person,
            prefill_chunk=settings.prefill_chunk,
            num_threads=num_threads,
            adapters_dir=settings.adapters_dir or state_dir / "adapters",
        )
        api_key = settings.api_key.get_secret_value() if settings.api_key else None
        http = web.AppRunner(
            Api(
                engine,
                api_key=api_key,
                checks_host=settings.socket is None and api_key is None,
                stream_interval_s=settings.stream_interval_ms / 1000,
            ).app(),
            handler_cancellation=True,
            access_log=None,
            shutdown_timeout=_HANDLERS_S,
        )
        engine.start()
        site = None
        try:
            await http.setup()
            site = web.SockSite(http, taken)
            await site.start()
            address = _address(settings, taken)
            log.info("serve.ready", address=address, model=loaded.id, context=engine.context)
            if ready is not None:
                ready(address)
            # Not before: while it loads, SIGTERM may simply end the process.
            with _terminated() as asked:
                await _first(asked, engine.died)
        finally:
            if site is not None:
                await site.stop()
            await engine.drain(drain_s)
            await engine.close()
            await http.cleanup()
        if engine.died.is_set():
            raise ModelError(f"the engine gave up after {engine.death}; its log says more")


def _load(settings: ServeSettings, state_dir: Path, num_threads: int) -> weights.LoadedModel:
    torch.set_num_threads(num_threads)
    loaded = weights.load(settings, state_dir)
    return runner.fitted(loaded, kv_memory_mb=settings.kv_memory_mb)


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    tasks = [asyncio.create_task(one.wait()) for one in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _terminated() -> Iterator[asyncio.Event]:
    """An event that SIGTERM sets, inside the context."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, asked.set)
    try:
        yield asked
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


def _check_reach(settings: ServeSettings) -> None:
    if settings.socket is not None or settings.api_key is not None or settings.host == "localhost":
        return
    with suppress(ValueError):
        if ip_address(settings.host).is_loopback:
            return
    raise ConfigError(
        f"serve.host = {settings.host!r} can be reached from other machines: set serve.api_key"
    )


@contextmanager
def _taken(settings: ServeSettings) -> Iterator[socket.socket]:
    """A socket bound to the settings' address, not listening yet."""
    if settings.socket is not None:
        with _unix(settings.socket) as bound:
            yield bound
        return
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigError(f"serve.host = {host!r} is no address: {error.strerror}") from error
    with socket.socket(family, kind, protocol) as bound:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind(where)
        except OSError as error:
            raise _bind_error(error, f"{host}:{port}", "serve.port") from error
        yield bound


@contextmanager
def _unix(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as bound:
        _remove_stale(path)
        mask = os.umask(0o177)
        try:
            bound.bind(str(path))
        except OSError as error:
            raise _bind_error(error, str(path), "serve.socket") from error
        finally:
            os.umask(mask)
        made = path.stat().st_ino
        try:
            yield bound
        finally:
            if path.exists() and path.stat().st_ino == made:
                path.unlink()


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on: a server that was killed leaves one."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise ConfigError(f"serve.socket = {str(path)!r} is a file, not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise PortInUse(f"{path} is in use by another server: change serve.socket")
    path.unlink(missing_ok=True)


def _bind_error(error: OSError, address: str, setting: str) -> Exception:
    if error.errno == errno.EADDRINUSE:
        return PortInUse(f"{address} is in use by another program: change {setting}")
    return ConfigError(f"{setting}: cannot listen on {address}: {error.strerror or error}")


def _address(settings: ServeSettings, bound: socket.socket) -> str:
    if settings.socket is not None:
        return f"unix:{settings.socket}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{bound.getsockname()[1]}"
