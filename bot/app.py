"""The bot's process: everything opened in order, run together, closed in reverse.

With the command line the only place that knows both the core and the adapters.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import structlog
from filelock import FileLock, Timeout
from redis.asyncio import Redis

from adapters.rooms import sides_of
from adapters.side import Side
from adapters.stand_in import configured, stand_in
from bot.domain import Release
from bot.errors import ConfigError, FatalError, ModelError, ModelUnavailable
from bot.model import Model, Served
from bot.release import release_of
from bot.settings import Settings
from bot.signals import Stop, stop_signals, unless
from bot.socket_path import socket_path
from bot.store.connection import connect
from bot.store.releases import Releases
from bot.supervisor import Supervisor

log = structlog.get_logger()

PROMPT_MIN = 128
"""Tokens that must be left of the context for system prompt and question."""
REACH_S = 0.5

WaitUntilUp: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Ready:
    """What is up: the platforms' names, the model's, and the sandbox's page where there is one."""

    platforms: tuple[str, ...]
    model: str
    sandbox: str | None


async def run(
    settings: Settings, *, config: Path | None, announce: Callable[[Ready], None]
) -> None:
    """Run the bot until it is asked to stop; `announce` is called once people can write to it.

    Raises FatalError with one line when it cannot start, or cannot go on.
    """
    with stop_signals() as stop, _alone(settings.state_dir):
        try:
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(
                    connect(settings.redis, settings.state_dir)
                )
                page = None
                if not configured(settings):
                    sandbox = await stack.enter_async_context(stand_in(settings))
                    settings, page = sandbox.settings, sandbox.url
                async with (
                    asyncio.TaskGroup() as group,
                    _model(settings, config, group) as (
                        model,
                        wait_until_up,
                    ),
                ):
                    if await unless(stop.asked, group.create_task(wait_until_up())):
                        served = await model.served()
                        release = await _released(settings, client, served)
                        sides = sides_of(settings, client, model, release)
                        ready = Ready(tuple(sides), served.name, page)
                        await _serve(sides, group, stop, settings, lambda: announce(ready))
        except BaseExceptionGroup as errors:
            raise _first_fatal(errors) from errors


async def _serve(
    sides: dict[str, Side],
    group: asyncio.TaskGroup,
    stop: Stop,
    settings: Settings,
    announce: Callable[[], None],
) -> None:
    """Serve the platforms until the stop, and let running answers finish."""
    tasks = [group.create_task(side.run()) for side in sides.values()]
    try:
        if await unless(
            stop.asked, group.create_task(_all(side.ready() for side in sides.values()))
        ):
            announce()
            await stop.asked.wait()
        log.info("stopping")
        ending = _all(side.stop(settings.chat.stop_s) for side in sides.values())
        if not await unless(stop.at_once, group.create_task(ending)):
            log.info("stopping at once")
            await _all(side.stop_at_once() for side in sides.values())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _all(calls: Iterable[Coroutine[Any, Any, None]]) -> None:
    await asyncio.gather(*calls)


async def _released(settings: Settings, client: "Redis", served: Served) -> Release:
    """The release that answers. Raises ConfigError when the model leaves no room for questions."""
    if served.context and served.context - settings.model.max_tokens < PROMPT_MIN:
        raise ConfigError(
            f"model.max_tokens = {settings.model.max_tokens} leaves no room for a question in the "
            f"model's context of {served.context}; allowed is up to {served.context - PROMPT_MIN}"
        )
    found = release_of(settings.model, served.name, time.time())
    return await Releases(client).make_stable(found)


@asynccontextmanager
async def _model(
    settings: Settings, config: Path | None, group: asyncio.TaskGroup
) -> AsyncIterator[tuple[Model, WaitUntilUp]]:
    """Yield the model's client, and what waits until its server is up."""
    wanted = settings.model
    if wanted.url is not None:
        key = wanted.api_key.get_secret_value() if wanted.api_key else None
        async with Model(
            wanted.url,
            api_key=key,
            name=wanted.name,
            timeout_s=wanted.timeout_s,
            answer_s=wanted.answer_s,
        ) as model:
            yield model, lambda: _reached(model, wanted.wait_s)
        return
    key = settings.serve.api_key.get_secret_value() if settings.serve.api_key else None
    socket = socket_path(settings.state_dir, "model.sock")
    async with Model(
        "http://localhost/v1",
        socket=socket,
        api_key=key,
        timeout_s=wanted.timeout_s,
        answer_s=wanted.answer_s,
    ) as model:
        supervisor = Supervisor(config, socket)
        task = group.create_task(supervisor.run())
        try:
            yield model, lambda: supervisor.ready(model.healthy)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _reached(model: Model, wait_s: float) -> None:
    """Wait for a server that somebody else runs. Raises ModelError."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            await model.served(fresh=True)
            return
        except ModelUnavailable as error:
            if time.monotonic() >= deadline:
                raise ModelError(f"{error}; is model.url right, and the server running?") from error
            log.info("waiting for the model", error=str(error))
        await asyncio.sleep(REACH_S)


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """Hold the state directory's lock: two bots would answer everything twice."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(state_dir / "candor.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise FatalError(f"another candor is running on state_dir {state_dir}") from None
    except OSError as error:
        raise ConfigError(f"state_dir {state_dir} cannot be used: {error.strerror}") from error
    try:
        yield
    finally:
        lock.release()


def _first_fatal(error: BaseException) -> BaseException:
    """The error that ended the process, out of the groups that it came in."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    fatal = error.subgroup(FatalError)
    return error if fatal is None else _first_fatal(fatal.exceptions[0])
