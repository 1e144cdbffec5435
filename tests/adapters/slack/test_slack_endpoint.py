"""Events over signed HTTP requests, with a real bolt app."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

import pytest
from slack_bolt.async_app import AsyncApp

from adapters.slack.calls import web_client
from adapters.slack.endpoint import EVENTS_PATH, Endpoint
from adapters.slack.identity import Known
from bot.errors import PortInUse
from tests.adapters.sandbox.slack_bench import SIGNING_SECRET, Served, slack
from tests.adapters.slack.slack_line import Found
from tests.waiting import until


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
        return port


@asynccontextmanager
async def endpoint(served: Served, texts: list[str]) -> AsyncIterator[None]:
    """An endpoint that Slack knows of; `texts` are those of the messages that came."""
    client = web_client(None, f"{served.base_url}/slack/api")
    app = AsyncApp(client=client, authorize=Known(Found()), signing_secret=SIGNING_SECRET)

    @app.event("message")
    async def keep(event: dict[str, Any]) -> None:
        texts.append(event["text"])

    port = free_port()
    one = Endpoint(app, "127.0.0.1", port)
    running = asyncio.create_task(one.run())
    try:
        await asyncio.wait_for(one.ready.wait(), 5)
        served.world.set_events_url(f"http://127.0.0.1:{port}{EVENTS_PATH}")
        await until(served.world.connected)
        yield
        served.world.set_events_url(None)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    # The port is free again.
    socket.create_server(("127.0.0.1", port)).close()


async def test_events_come_over_http() -> None:
    texts: list[str] = []
    async with slack() as served, endpoint(served, texts):
        await served.world.post(channel="dm", user="alice", text="hello")
        await until(lambda: texts == ["hello"])
        await until(lambda: served.world.pending_events == 0)


async def test_a_taken_port_is_told() -> None:
    app = AsyncApp(token="xoxb-1", signing_secret=SIGNING_SECRET)
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUse, match=rf"slack\.port = {port} on 127\.0\.0\.1 is in use"):
            await Endpoint(app, "127.0.0.1", port).run()
