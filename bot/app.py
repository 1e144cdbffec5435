"""The bot's process: everything opened in order, run together, closed in reverse.

With the command line the only place that knows both the core and the adapters.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import structlog
from filelock import FileLock, Timeout
from redis.asyncio import Redis

from adapters.border import Border
from adapters.discord.adapter import EDIT_INTERVAL_S as DISCORD_EDIT_INTERVAL_S
from adapters.discord.adapter import DiscordAdapter
from adapters.pacing import Pacing
from adapters.slack.adapter import EDIT_INTERVAL_S as SLACK_EDIT_INTERVAL_S
from adapters.slack.adapter import SlackAdapter
from adapters.stand_in import configured, stand_in
from bot.core import Chat
from bot.errors import ConfigError, FatalError, ModelError, ModelUnavailable
from bot.feedback.voting import Voting
from bot.model import Model, Served
from bot.release import release_of
from bot.settings import Settings
from bot.signals import Stop, stop_signals, unless
from bot.socket_path import socket_path
from bot.store.connection import connect
from bot.store.inbox import Inbox
from bot.store.people import People
from bot.store.releases import Releases
from bot.store.turns import Turns
from bot.store.votes import Votes
from bot.supervisor import Supervisor

log = structlog.get_logger()

PROMPT_MIN = 128
"""Tokens that must be left of the context for system prompt and question."""
REACH_S = 0.5

WaitUntilUp: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Adapter(Protocol):
    """A platform's adapter, as the process runs it."""

    async def run(self) -> None:
        """Stay connected until cancelled; raises FatalError when that can't be."""

    async def ready(self) -> None:
        """Wait until events arrive."""

    async def stop(self, timeout_s: float) -> None:
        """Take no more events, and let running answers finish."""


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
                        adapters = await _adapters(settings, client, model, served)
                        ready = Ready(tuple(adapters), served.name, page)
                        await _serve(adapters, group, stop, settings, lambda: announce(ready))
        except BaseExceptionGroup as errors:
            raise _first_fatal(errors) from errors


async def _serve(
    adapters: dict[str, Adapter],
    group: asyncio.TaskGroup,
    stop: Stop,
    settings: Settings,
    announce: Callable[[], None],
) -> None:
    """Run the adapters until the stop, and let running answers finish."""
    tasks = [group.create_task(adapter.run()) for adapter in adapters.values()]
    try:
        if await unless(stop.asked, group.create_task(_all_ready(adapters))):
            announce()
            await stop.asked.wait()
        log.info("stopping")
        await unless(stop.at_once, group.create_task(_all_stop(adapters, settings.chat.stop_s)))
        await _all_stop(adapters, 0)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _all_ready(adapters: dict[str, Adapter]) -> None:
    await asyncio.gather(*(adapter.ready() for adapter in adapters.values()))


async def _all_stop(adapters: dict[str, Adapter], timeout_s: float) -> None:
    await asyncio.gather(*(adapter.stop(timeout_s) for adapter in adapters.values()))


async def _adapters(
    settings: Settings, client: "Redis", model: Model, served: Served
) -> dict[str, Adapter]:
    """The adapters of the configured platforms, over one chat core."""
    if served.context and served.context - settings.model.max_tokens < PROMPT_MIN:
        raise ConfigError(
            f"model.max_tokens = {settings.model.max_tokens} leaves no room for a question in the "
            f"model's context of {served.context}; allowed is up to {served.context - PROMPT_MIN}"
        )
    release = await Releases(client).make_stable(
        release_of(settings.model, served.name, time.time())
    )
    turns, people = Turns(client), People(client)
    chat = Chat(
        inbox=Inbox(client),
        turns=turns,
        people=people,
        model=model,
        release=release,
        chat=settings.chat,
        wait_s=settings.model.wait_s,
    )
    voting = Voting(turns, Votes(client, turns, people), people)
    adapters: dict[str, Adapter] = {}
    if settings.slack.bot_token is not None:
        border = Border(chat, voting, people, Pacing(SLACK_EDIT_INTERVAL_S))
        adapters["Slack"] = SlackAdapter(settings.slack, border)
    if settings.discord.token is not None:
        border = Border(chat, voting, people, Pacing(DISCORD_EDIT_INTERVAL_S))
        adapters["Discord"] = DiscordAdapter(settings.discord, border)
    return adapters


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
