"""Events as signed HTTP requests, as an unmodified bolt app gets them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from adapters.sandbox.slack import SlackWorld, sign
from tests.adapters.sandbox.slack_bench import (
    APP_TOKEN,
    BOT_TOKEN,
    SIGNING_SECRET,
    bolt_app,
    connected_bot,
    listening,
    slack,
)
from tests.waiting import until


@asynccontextmanager
async def endpoint(
    *statuses: int, headers: dict[str, str] | None = None
) -> AsyncIterator[tuple[str, list[web.Request]]]:
    """A Request URL that answers event after event with `statuses`, then with 200."""
    left = list(statuses)
    requests: list[web.Request] = []

    async def receive(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        if body["type"] == "url_verification":
            return web.json_response({"challenge": body["challenge"]})
        requests.append(request)
        return web.Response(status=left.pop(0) if left else 200, headers=headers)

    app = web.Application()
    app.router.add_post("/slack/events", receive)
    async with listening(app) as port:
        yield f"http://127.0.0.1:{port}/slack/events", requests


async def test_bolt_accepts_the_handshake_and_the_signed_events() -> None:
    async with slack() as served:
        bot = bolt_app(served)
        async with listening(bot.app.web_app(path="/slack/events")) as port:
            served.world.set_events_url(f"http://127.0.0.1:{port}/slack/events")
            assert await served.world.verify_events_url()
            await until(served.world.connected)
            await served.world.post(channel="general", user="alice", text="@candor hëllo")
            await until(lambda: len(bot.bodies) == 2)
            assert sorted(body["event"]["type"] for body in bot.bodies) == [
                "app_mention",
                "message",
            ]
            assert bot.retries == ["absent", "absent"]


@pytest.mark.parametrize(
    ("secret", "age_s", "status"),
    [(SIGNING_SECRET, 0, 200), ("another secret", 0, 401), (SIGNING_SECRET, 400, 401)],
)
async def test_bolt_refuses_a_bad_or_old_signature(secret: str, age_s: int, status: int) -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        bot = bolt_app(served)
        async with listening(bot.app.web_app(path="/slack/events")) as port:
            body = json.dumps({"type": "url_verification", "challenge": "c"}).encode()
            timestamp = int(time.time()) - age_s
            headers = {
                "Content-Type": "application/json",
                "X-Slack-Request-Timestamp": str(timestamp),
                "X-Slack-Signature": sign(secret, timestamp, body),
            }
            url = f"http://127.0.0.1:{port}/slack/events"
            async with session.post(url, data=body, headers=headers) as response:
                assert response.status == status


async def test_a_failed_event_comes_again_with_the_retry_headers() -> None:
    async with slack() as served, endpoint(500, 503) as (url, requests):
        served.world.set_events_url(url)
        await served.world.post(channel="dm", user="alice", text="hi")
        await until(lambda: len(requests) == 3)
        await until(lambda: served.world.pending_events == 0)
        heads = [
            (one.headers.get("x-slack-retry-num"), one.headers.get("x-slack-retry-reason"))
            for one in requests
        ]
        assert heads == [(None, None), ("1", "http_error"), ("2", "http_error")]
        ids = [json.loads(await one.read())["event_id"] for one in requests]
        assert len(set(ids)) == 1


async def test_an_endpoint_may_forbid_the_repetition() -> None:
    async with slack() as served, endpoint(500, headers={"X-Slack-No-Retry": "1"}) as (url, seen):
        served.world.set_events_url(url)
        await served.world.post(channel="dm", user="alice", text="hi")
        await until(lambda: served.world.deliveries)
        await until(lambda: served.world.pending_events == 0)
        assert len(seen) == 1
        assert [one.outcome.failure for one in served.world.deliveries] == ["http_error"]


async def test_an_endpoint_that_is_too_slow_gets_the_event_again() -> None:
    numbers: list[str | None] = []

    async def receive(request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        if body["type"] == "event_callback":
            numbers.append(request.headers.get("x-slack-retry-num"))
            if len(numbers) == 1:
                await asyncio.sleep(1.0)
        return web.Response()

    app = web.Application()
    app.router.add_post("/", receive)
    async with slack(ack_timeout=0.4) as served, listening(app) as port:
        served.world.set_events_url(f"http://127.0.0.1:{port}/")
        await served.world.post(channel="dm", user="alice", text="hi")
        await until(lambda: len(served.world.deliveries) == 2)
        assert numbers == [None, "1"]
        assert [one.outcome.failure for one in served.world.deliveries] == ["http_timeout", None]


async def test_a_redirect_is_not_followed() -> None:
    elsewhere = {"Location": "http://127.0.0.1:9/"}
    async with (
        slack(redelivery_delays=()) as served,
        endpoint(302, headers=elsewhere) as (url, requests),
    ):
        served.world.set_events_url(url)
        await served.world.post(channel="dm", user="alice", text="hi")
        await until(lambda: served.world.deliveries)
        assert served.world.deliveries[0].outcome.failure == "too_many_redirects"
        assert len(requests) == 1


async def test_the_world_is_connected_once_the_endpoint_answers_and_not_before() -> None:
    async with slack(redelivery_delays=(0.2,) * 20) as served:
        app = bolt_app(served)
        reserved = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
        port = reserved.sockets[0].getsockname()[1]
        reserved.close()
        await reserved.wait_closed()
        served.world.set_events_url(f"http://127.0.0.1:{port}/slack/events")
        await served.world.post(channel="dm", user="alice", text="early")
        await until(lambda: served.world.deliveries)
        assert served.world.deliveries[0].outcome.failure == "connection_failed"
        assert not served.world.connected()
        runner = web.AppRunner(app.app.web_app(path="/slack/events"))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await until(served.world.connected)
        await until(lambda: app.bodies)
        await runner.cleanup()


async def test_without_an_events_url_events_go_over_sockets_again() -> None:
    async with slack() as served, endpoint() as (url, requests):
        served.world.set_events_url(url)
        await until(served.world.connected)
        served.world.set_events_url(None)
        assert not served.world.connected()
        async with connected_bot(served) as bot:
            await served.world.post(channel="dm", user="alice", text="hi")
            await until(lambda: bot.bodies)
        assert requests == []


@pytest.mark.parametrize(
    "url", ["http://192.168.0.1/", "https://127.0.0.1/", "http://example.com/", "nonsense"]
)
def test_an_events_url_off_loopback_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="loopback"):
        SlackWorld(
            bot_token=BOT_TOKEN, app_token=APP_TOKEN, signing_secret=SIGNING_SECRET, events_url=url
        )


@pytest.mark.parametrize(
    ("bot_token", "app_token", "secret"),
    [("xoxp-1", APP_TOKEN, "s"), (BOT_TOKEN, "xoxb-1", "s"), (BOT_TOKEN, APP_TOKEN, "")],
)
def test_credentials_of_the_wrong_form_are_refused(
    bot_token: str, app_token: str, secret: str
) -> None:
    with pytest.raises(ValueError, match="must"):
        SlackWorld(bot_token=bot_token, app_token=app_token, signing_secret=secret)
