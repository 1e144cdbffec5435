"""What the tests of the loopback Slack share: a served world, real bolt apps, a deadline.

The client library reads proxies from the environment and ignores NO_PROXY, so a served world takes
them away for as long as it is served.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.sandbox.people import handles
from adapters.sandbox.slack import Knobs, SlackWorld
from tests.waiting import until

BOT_TOKEN = "xoxb-1-test"
APP_TOKEN = "xapp-1-test"
SIGNING_SECRET = "a signing secret"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
# Short waits, but long enough for a busy machine: a late acknowledgement would be a repetition.
QUICK = Knobs(ack_timeout=1.5, redelivery_delays=(0.0, 0.05, 0.05), disconnect_lead=0.3)


@dataclass(slots=True)
class Served:
    """A world that listens on loopback."""

    world: SlackWorld
    base_url: str

    def client(self, token: str = BOT_TOKEN) -> AsyncWebClient:
        """A real Web API client."""
        return AsyncWebClient(token=token, base_url=f"{self.base_url}/slack/api/")


@asynccontextmanager
async def listening(app: web.Application) -> AsyncIterator[int]:
    """Serve an application on a free loopback port."""
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def slack(
    knobs: Knobs = QUICK, *, people: tuple[str, ...] = handles(), **changes: Any
) -> AsyncIterator[Served]:
    """A world, served. `changes` are knobs that differ."""
    world = SlackWorld(
        bot_token=BOT_TOKEN,
        app_token=APP_TOKEN,
        signing_secret=SIGNING_SECRET,
        people=people,
        knobs=replace(knobs, **changes),
    )
    port = 0
    app = web.Application()
    world.attach(app, lambda: f"http://127.0.0.1:{port}")
    with pytest.MonkeyPatch.context() as environment:
        for name in PROXIES:
            environment.delenv(name, raising=False)
        async with listening(app) as port:
            yield Served(world, f"http://127.0.0.1:{port}")


@dataclass(slots=True)
class Bot:
    """An unmodified bolt app and the events that its listeners got."""

    app: AsyncApp
    bodies: list[dict[str, Any]] = field(default_factory=list)
    retries: list[str] = field(default_factory=list)
    handlers: list[AsyncSocketModeHandler] = field(default_factory=list)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type."""
        return [body["event"] for body in self.bodies if body["event"]["type"] == kind]


def bolt_app(served: Served, *, listening: bool = True) -> Bot:
    """A bolt app, `listening` to everything that the sandbox sends or to nothing yet."""
    app = AsyncApp(client=served.client(), signing_secret=SIGNING_SECRET)
    bot = Bot(app)
    if not listening:
        return bot

    async def keep(body: dict[str, Any], request: Any) -> None:
        bot.bodies.append(body)
        bot.retries.append(request.headers.get("x-slack-retry-num", ["absent"])[0])

    for kind in ("app_mention", "message", "reaction_added", "reaction_removed", "app_home_opened"):
        app.event(kind)(keep)
    return bot


@asynccontextmanager
async def connected_bot(
    served: Served, *, sockets: int = 1, bot: Bot | None = None
) -> AsyncIterator[Bot]:
    """A bolt app on Socket Mode, over one or more sockets."""
    bot = bot or bolt_app(served)
    async with AsyncExitStack() as stack:
        for _ in range(sockets):
            handler = AsyncSocketModeHandler(bot.app, APP_TOKEN, ping_interval=0.2)
            stack.push_async_callback(_close, handler)
            await handler.connect_async()  # type: ignore[no-untyped-call] # bolt's own gap
            bot.handlers.append(handler)
        await until(served.world.connected)
        yield bot


async def _close(handler: AsyncSocketModeHandler) -> None:
    client = handler.client
    tasks = [client.message_processor, client.current_session_monitor, client.message_receiver]
    await handler.close_async()  # type: ignore[no-untyped-call] # bolt's own gap
    # The library cancels these and does not wait for them.
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


async def error_of(call: Any) -> str:
    """The error that Slack answers a call with; fails the test when it answers `ok`."""
    try:
        await call
    except SlackApiError as error:
        return str(error.response["error"])
    raise AssertionError("the call went well")
