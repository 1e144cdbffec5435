"""A loopback Slack with two workspaces and one app, a whole bot that serves those which installed
it, and people with a browser who do.
"""

import asyncio
import re
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from redis.asyncio import Redis
from yarl import URL

from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.sandbox.slack import App, SecondWorld, SlackWorld
from adapters.side import Side
from adapters.slack.adapter import SlackAdapter
from adapters.slack.endpoint import EVENTS_PATH
from adapters.slack.install import COOKIE
from adapters.slack.installations import store_of
from bot.feedback.voting import Voting
from bot.parts import Parts
from bot.platform_settings import SlackSettings
from bot.store.places import Places
from bot.store.votes import Votes
from bot.worker import Worker
from tests.adapters.paces import quick
from tests.adapters.sandbox.slack_bench import (
    APP_TOKEN,
    PROXIES,
    QUICK,
    SIGNING_SECRET,
    listening,
)
from tests.adapters.slack.adapted import Recorder
from tests.bot.chat_bench import Bench, chat_bench
from tests.scripted_model import Piece, ScriptedModel
from tests.waiting import until

T1, T2 = "T0SANDBOX1", "T2SANDBOX1"
CLIENT_ID, CLIENT_SECRET = "1.2", "hunter2-client-secret"
TOKEN_KEY = Fernet.generate_key().decode()


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Shared:
    """Two workspaces of one app, neither of which has installed it."""

    first: SlackWorld
    second: SlackWorld
    url: str


@asynccontextmanager
async def two_workspaces() -> AsyncIterator[Shared]:
    """The workspaces, served."""
    world = SlackWorld(
        bot_token=None,
        app_token=APP_TOKEN,
        signing_secret=SIGNING_SECRET,
        knobs=QUICK,
        app=App(CLIENT_ID, client_secret=CLIENT_SECRET),
    )
    second = SecondWorld(world)
    port = 0
    app = web.Application()
    world.attach(app, lambda: f"http://127.0.0.1:{port}")
    with pytest.MonkeyPatch.context() as environment:
        for name in PROXIES:
            environment.delenv(name, raising=False)
        async with listening(app) as port:
            yield Shared(world, second, f"http://127.0.0.1:{port}")


@dataclass
class Bot:
    """A bot's side on Slack, answering."""

    adapter: SlackAdapter
    bench: Bench
    url: str
    running: asyncio.Task[None]


def settings_of(shared: Shared, port: int, *, http: bool, token_key: str) -> SlackSettings:
    return SlackSettings.model_validate(
        {
            "app_token": APP_TOKEN,
            "signing_secret": SIGNING_SECRET,
            "mode": "http" if http else "socket",
            "port": port,
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "token_key": token_key,
            "redirect_url": f"http://127.0.0.1:{port}/slack/oauth_redirect",
            "api_url": f"{shared.url}/slack/api",
            "authorize_url": f"{shared.url}/slack/oauth/v2/authorize",
        }
    )


@asynccontextmanager
async def serving(
    client: "Redis",
    shared: Shared,
    *,
    http: bool = False,
    token_key: str = TOKEN_KEY,
    worker: str = "worker-1",
    answer: Callable[[list[dict[str, str]]], Sequence[Piece]] | None = None,
) -> AsyncIterator[Bot]:
    """A bot, ready for events."""
    port = free_port()
    settings = settings_of(shared, port, http=http, token_key=token_key)
    model = ScriptedModel() if answer is None else ScriptedModel(answer=answer)
    async with chat_bench(client, model, worker=worker) as bench:
        bench.clock[0] = time.time()
        voting = Voting(bench.turns, Votes(client, bench.turns, bench.people), bench.people)
        book = Parts(bench.turns, voting)
        border = Border(bench.chat, voting, bench.people, quick(), book, give_up_s=600.0)
        places = Places(client)
        catch_up = CatchUp(
            "slack",
            rereads=border.rereads,
            turns=bench.turns,
            places=places,
            asked_s=900.0,
            voted_s=900.0,
        )
        store = store_of(settings, client)
        adapter = SlackAdapter(settings, border, catch_up, places, Recorder(), store=store)
        side = Side(
            adapter,
            border,
            Worker(bench.inbox, bench.turns, "slack", adapter.answer, room=10),
            catch_up,
        )
        running = asyncio.create_task(side.run())
        try:
            ready = asyncio.create_task(side.ready())
            await asyncio.wait((running, ready), return_when=asyncio.FIRST_COMPLETED, timeout=5)
            ready.cancel()
            if running.done():
                await running
            if http:
                shared.first.set_events_url(f"http://127.0.0.1:{port}{EVENTS_PATH}")
            await until(shared.first.connected)
            yield Bot(adapter, bench, f"http://127.0.0.1:{port}", running)
        finally:
            if http:
                shared.first.set_events_url(None)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@dataclass
class Browser:
    """Somebody's browser: it keeps cookies, and follows nothing by itself."""

    cookies: dict[str, str] = field(default_factory=dict)
    seen: tuple[int, str] = (0, "")

    async def get(self, url: str) -> str:
        """Open a page; where it sends the browser to, "" for nowhere."""
        async with (
            aiohttp.ClientSession(cookies=self.cookies) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            if COOKIE in response.cookies:
                self.cookies[COOKIE] = response.cookies[COOKIE].value
            self.seen = response.status, await response.text()
            return response.headers.get("Location", "")

    async def decide(self, url: str, team: str, answer: str = "allow") -> str:
        """Open Slack's page and decide on it; where that sends the browser to."""
        await self.get(url)
        assert self.seen[0] == 200, self.seen
        assert f'value="{team}"' in self.seen[1]
        form = dict(re.findall(r'name="(\w+)" value="([^"]*)">', self.seen[1]))
        fields = {**form, **URL(url).query, "team": team, "user": "bob", "answer": answer}
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, data=fields, allow_redirects=False) as response,
        ):
            return response.headers["Location"]

    async def install(self, bot: Bot, team: str) -> str:
        """All of it; the address that Slack sent the browser back to."""
        back = await self.decide(await self.get(f"{bot.url}/slack/install"), team)
        await self.get(back)
        return back


async def installed(bot: Bot, *teams: str) -> None:
    """Workspaces install the app."""
    for team in teams:
        browser = Browser()
        await browser.install(bot, team)
        assert browser.seen[0] == 200, browser.seen


def says(world: SlackWorld, *, channel: str = "dm") -> list[str]:
    """What the bot said, as Alice sees it."""
    return [one.text for one in world.messages(channel=channel, user="alice") if one.bot]
