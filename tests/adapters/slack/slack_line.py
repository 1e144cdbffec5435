"""What the tests of the Slack adapter share: a scripted Web API, and calls of the loopback Slack.

`Api` answers whatever it is told to; for what Slack itself would do there is `slack_bench`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from adapters.sandbox.faults import Fault
from adapters.slack.calls import Calls, web_client
from adapters.slack.identity import Identity
from bot.errors import PlatformUnavailable
from tests.adapters.sandbox.slack_bench import BOT_TOKEN, Served, listening


@dataclass
class Found:
    """A workspace that is found for every event, as soon as it is known."""

    known: Identity | None = field(
        default_factory=lambda: Identity(user="U0CANDOR", bot="B0CANDOR", team="T0SANDBOX")
    )
    token: str = BOT_TOKEN

    @property
    def identity(self) -> Identity:
        assert self.known is not None
        return self.known

    async def __call__(self, team: str) -> "Found":
        if self.known is None:
            raise PlatformUnavailable("not known yet")
        return self


@dataclass
class Api:
    """A Web API that keeps what it is told and gives one answer to all."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answer: Any = field(default_factory=lambda: {"ok": True, "ts": "9.1"})
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    async def call(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else dict(request.query)
        self.told.append((request.match_info["method"], body))
        if isinstance(self.answer, bytes):
            return web.Response(
                body=self.answer, status=self.status, content_type="application/json"
            )
        return web.json_response(self.answer, status=self.status, headers=self.headers)

    def calls(self, **options: Any) -> Calls:
        """Calls that wait for nothing unless told to."""
        return Calls(web_client("xoxb-1", self.url, timeout_s=5), **{"wait_s": 0.3, **options})


@asynccontextmanager
async def scripted() -> AsyncIterator[Api]:
    """A scripted Web API on loopback."""
    api = Api()
    app = web.Application(client_max_size=10**8)
    app.router.add_route("*", "/api/{method}", api.call)
    async with listening(app) as port:
        api.url = f"http://127.0.0.1:{port}/api"
        yield api


def calls_of(served: Served, *, timeout_s: int = 5, wait_s: float = 10.0, **options: Any) -> Calls:
    """Calls of the loopback Slack."""
    client = web_client(BOT_TOKEN, f"{served.base_url}/slack/api", timeout_s=timeout_s)
    return Calls(client, wait_s=wait_s, **options)


def arm(served: Served, kind: str, **options: Any) -> int:
    """Arm a fault."""
    return served.world.faults.arm(Fault(kind=kind, **options))
