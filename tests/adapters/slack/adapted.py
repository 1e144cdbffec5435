"""The Slack adapter as it runs, against the loopback Slack, over a real store."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

from adapters.interaction import Command, Form, Press, Said
from adapters.sandbox.slack import CHANNEL_IDS, IM_IDS, TEAM_ID
from adapters.slack.adapter import SlackAdapter
from adapters.slack.endpoint import EVENTS_PATH
from bot.domain import Conversation, MessageRef, Person, Standing
from bot.errors import StoreUnavailable
from bot.platform_settings import SlackSettings
from tests.adapters.core_bench import Core, Loud
from tests.adapters.sandbox.slack_bench import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, Served
from tests.waiting import until


def ref(channel: str, ts: str) -> MessageRef:
    """A message by its channel's name, or "dm" for Alice's."""
    place = IM_IDS["alice"] if channel == "dm" else CHANNEL_IDS[channel]
    return MessageRef("slack", TEAM_ID, place, ts)


@dataclass(slots=True)
class Recorder:
    """A desk that keeps what it is told and answers as it is bidden."""

    presses: list[Press] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    forms: list[tuple[Form, Person, str]] = field(default_factory=list)
    stops: list[tuple[Conversation, Person, Standing]] = field(default_factory=list)
    says: Said | None = None
    is_away: bool = False
    fails: bool = False
    delay_s: float = 0.0

    async def press(self, press: Press) -> Said | None:
        await self._available()
        self.presses.append(press)
        return self.says

    async def stop_in(
        self, conversation: Conversation, person: Person, standing: Standing
    ) -> Said | None:
        await self._available()
        self.stops.append((conversation, person, standing))
        return self.says

    async def command(self, command: Command) -> Said:
        await self._available()
        self.commands.append(command)
        return self.says or Said("so be it")

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        await self._available()
        self.forms.append((form, person, text))
        return Said("thank you")

    async def _available(self) -> None:
        await asyncio.sleep(self.delay_s)
        if self.is_away:
            raise StoreUnavailable("away")
        if self.fails:
            raise RuntimeError("a defect")


@dataclass(frozen=True, slots=True)
class Adapted:
    """A running adapter."""

    adapter: SlackAdapter
    desk: Recorder
    catch_up: Loud
    running: asyncio.Task[None]


@asynccontextmanager
async def adapted(served: Served, core: Core, *, http: bool = False) -> AsyncIterator[Adapted]:
    """The adapter, ready for events."""
    port = _free_port() if http else 0
    settings = SlackSettings.model_validate(
        {
            "bot_token": BOT_TOKEN,
            "app_token": APP_TOKEN,
            "signing_secret": SIGNING_SECRET,
            "mode": "http" if http else "socket",
            "port": port,
            "api_url": f"{served.base_url}/slack/api",
        }
    )
    catch_up = Loud("slack", core)
    desk = Recorder()
    adapter = SlackAdapter(settings, core.border, catch_up, core.places, desk)
    running = asyncio.create_task(adapter.run())
    try:
        await asyncio.wait_for(adapter.ready(), 5)
        if http:
            served.world.set_events_url(f"http://127.0.0.1:{port}{EVENTS_PATH}")
        await until(served.world.connected)
        yield Adapted(adapter, desk, catch_up, running)
    finally:
        if http:
            served.world.set_events_url(None)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port
