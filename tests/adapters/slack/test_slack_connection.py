"""Two Socket Mode lines of a real bolt app against the loopback Slack and its faults."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from structlog.testing import capture_logs

from adapters.slack.calls import Calls, web_client
from adapters.slack.connection import LINES, Pace, Sockets
from adapters.slack.identity import Known
from bot.errors import PlatformError
from tests.adapters.sandbox.slack_bench import (
    APP_TOKEN,
    BOT_TOKEN,
    Served,
    connected_bot,
    listening,
    slack,
)
from tests.adapters.slack.slack_line import Found, arm, calls_of, scripted
from tests.waiting import until

PACE = Pace(
    ping_s=1.0,
    steady_s=0.5,
    retry_s=0.05,
    retry_max_s=0.2,
    crowded_s=0.4,
    refused_s=0.4,
)
OPEN = "apps.connections.open"


def sockets_of(
    app: AsyncApp, calls: Calls, *, pace: Pace = PACE, told: list[str] | None = None
) -> Sockets:
    """Our connection, which tells of outages."""
    heard = [] if told is None else told
    return Sockets(
        app,
        calls,
        APP_TOKEN,
        on_lost=lambda: heard.append("lost"),
        on_back=lambda away_s: heard.append("back" if away_s > 0 else "never away"),
        pace=pace,
    )


@dataclass
class Line:
    """A bolt app over our connection, and what its listeners got."""

    sockets: Sockets
    found: Found
    texts: list[str] = field(default_factory=list)
    running: asyncio.Task[None] | None = None
    told: list[str] = field(default_factory=list)


@asynccontextmanager
async def line(
    served: Served,
    *,
    pace: Pace = PACE,
    before: Callable[[], Awaitable[None]] | None = None,
) -> AsyncIterator[Line]:
    """Our connection, up. `before` is awaited in bolt's middleware, before each event is taken."""
    base_url = f"{served.base_url}/slack/api"
    found = Found()
    app = AsyncApp(
        client=web_client(None, base_url),
        authorize=Known(found),
        request_verification_enabled=False,
    )
    told: list[str] = []
    one = Line(sockets_of(app, calls_of(served), pace=pace, told=told), found, told=told)

    @app.use
    async def first(next: Callable[[], Awaitable[None]]) -> None:
        if before is not None:
            await before()
        await next()

    @app.event("message")
    async def keep(event: dict[str, Any]) -> None:
        one.texts.append(event["text"])

    one.running = asyncio.create_task(one.sockets.run())
    try:
        await asyncio.wait(
            (one.running, asyncio.create_task(one.sockets.ready.wait())),
            return_when=asyncio.FIRST_COMPLETED,
        )
        if one.running.done():
            one.running.result()
        await until(lambda: opened(served) >= LINES)
        yield one
    finally:
        one.running.cancel()
        await asyncio.gather(one.running, return_exceptions=True)


def opened(served: Served) -> int:
    """How often a URL was asked for."""
    return len(served.world.calls_to(OPEN))


async def say(served: Served, text: str) -> None:
    await served.world.post(channel="dm", user="alice", text=text)


async def both_up(logged: list[Any], *, times: int = 1) -> None:
    """Wait until both lines were greeted so often."""
    await until(
        lambda: sum(one["event"] == "connected to Slack" for one in logged) >= LINES * times
    )


async def test_two_sockets_are_up_and_each_event_comes_once() -> None:
    with capture_logs() as logged:
        async with slack() as served, line(served) as one:
            await both_up(logged)
            for number in range(6):
                await say(served, f"{number}")
            await until(lambda: served.world.pending_events == 0)
            assert sorted(one.texts) == [f"{number}" for number in range(6)]
    greeted = [entry for entry in logged if entry["event"] == "connected to Slack"]
    assert [entry["num_connections"] for entry in greeted] == [1, 2]
    assert not [entry for entry in logged if entry["log_level"] in ("warning", "error")]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("kill_socket", {}),
        ("close_socket", {"code": 1011}),
        ("disconnect", {"variant": "warning"}),
        ("disconnect", {"variant": "refresh_requested"}),
        ("disconnect", {"variant": "link_disabled"}),
        ("silence_socket", {}),
    ],
)
async def test_both_lines_come_back_and_no_event_is_lost(
    kind: str, options: dict[str, Any]
) -> None:
    with capture_logs() as logged:
        async with slack() as served, line(served) as one:
            await both_up(logged)
            arm(served, kind, **options)
            await say(served, "in between")
            await both_up(logged, times=2)
            await until(lambda: one.texts == ["in between"])
            await until(lambda: served.world.pending_events == 0)
            await say(served, "after")
            await until(lambda: one.texts == ["in between", "after"])
            await asyncio.sleep(0.3)
            assert opened(served) == 2 * LINES, "each line was replaced once"


async def test_an_outage_of_all_sockets_is_told_once_and_that_of_one_is_none() -> None:
    with capture_logs() as logged:
        async with slack() as served, line(served) as one:
            await both_up(logged)
            arm(served, "kill_socket")
            await both_up(logged, times=2)
            assert one.told == ["lost", "back"]
            arm(served, "disconnect", variant="refresh_requested")
            await both_up(logged, times=3)
            await asyncio.sleep(0.5)  # the sockets that leave are gone by then
            assert one.told == ["lost", "back"]


async def test_a_silent_socket_is_given_up_in_bounded_time() -> None:
    with capture_logs() as logged:
        async with slack() as served, line(served):
            await both_up(logged)
            arm(served, "silence_socket")
            began = time.monotonic()
            await until(lambda: opened(served) == 2 * LINES)
            # 1.5 pings of a second, and the goodbye that a silent socket does not answer.
            assert time.monotonic() - began < 5


async def test_an_event_under_way_is_acknowledged_over_the_socket_that_leaves() -> None:
    under_way, go_on = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        under_way.set()
        await go_on.wait()

    with capture_logs() as logged:
        async with slack() as served, line(served, before=wait) as one:
            await both_up(logged)
            await say(served, "a click")
            await under_way.wait()
            arm(served, "disconnect", variant="refresh_requested")
            await both_up(logged, times=2)
            go_on.set()
            await until(lambda: served.world.pending_events == 0)
            assert [sent.outcome.failure for sent in served.world.deliveries] == [None]
            assert one.texts == ["a click"]


async def test_an_old_socket_is_replaced_though_it_answers_pings() -> None:
    with capture_logs() as logged:
        pace = Pace(ping_s=1.0, age_s=0.3, steady_s=0.1)
        async with slack() as served, line(served, pace=pace) as one:
            await both_up(logged, times=2)
            await say(served, "hello")
            await until(lambda: one.texts == ["hello"])
    assert {entry["reason"] for entry in logged if "reason" in entry} == {"aged"}
    assert "no socket to Slack is left" not in [entry["event"] for entry in logged]


async def test_what_bolt_fails_on_comes_again() -> None:
    failures = iter([True, True])

    async def fail() -> None:
        if next(failures, False):
            raise OSError("the store is away")

    async with slack() as served, line(served, before=fail) as one:
        await say(served, "hello")
        await until(lambda: one.texts == ["hello"], within_s=8)
        await until(lambda: served.world.pending_events == 0)
        assert [sent.outcome.failure for sent in served.world.deliveries] == [
            "timeout",
            "timeout",
            None,
        ]


async def test_an_event_before_the_bot_is_known_comes_again() -> None:
    async with slack() as served, line(served) as one:
        known, one.found.known = one.found.known, None
        await say(served, "hello")
        await until(lambda: served.world.deliveries, within_s=5)
        one.found.known = known
        await until(lambda: one.texts == ["hello"], within_s=8)


async def test_events_ask_slack_for_nothing() -> None:
    """Bolt's own authorization acknowledges an event unread when its `auth.test` fails."""
    async with slack() as served, line(served) as one:
        arm(served, "server_error", on="auth.test", times=None)
        await say(served, "hello")
        await until(lambda: one.texts == ["hello"])
        assert served.world.calls_to("auth.test") == []


@pytest.mark.parametrize("error", ["token_revoked", "invalid_auth"])
async def test_a_wrong_app_token_at_the_start_is_fatal(error: str) -> None:
    async with slack() as served:
        arm(served, "revoke_token", on=OPEN, variant=error, times=None)
        with pytest.raises(PlatformError, match=rf"slack\.app_token \({error}\)"):
            async with line(served):
                pass
        assert opened(served) == 1


async def test_an_app_token_without_its_scope_is_fatal() -> None:
    async with scripted() as api:
        api.answer = {"ok": False, "error": "missing_scope"}
        app = AsyncApp(client=web_client(None, api.url), authorize=Known(Found()))
        with pytest.raises(PlatformError, match="missing_scope"):
            await sockets_of(app, api.calls()).run()


async def test_an_app_token_that_is_taken_back_is_logged_and_tried_slowly() -> None:
    with capture_logs() as logged:
        async with slack() as served, line(served) as one:
            await both_up(logged)
            fault = arm(served, "revoke_token", on=OPEN, times=None)
            arm(served, "kill_socket")
            await until(lambda: opened(served) > LINES)
            first, began = opened(served), time.monotonic()
            await asyncio.sleep(1.0)
            most = LINES * (1 + (time.monotonic() - began) / PACE.refused_s)
            assert opened(served) - first <= most
            served.world.faults.disarm(fault)
            await say(served, "hello")
            await until(lambda: one.texts == ["hello"])
    refusals = [entry for entry in logged if entry["log_level"] == "error"]
    assert any("slack.app_token" in entry["event"] for entry in refusals)
    assert not any("xapp" in str(entry) for entry in logged)


@pytest.mark.parametrize("kind", ["server_error", "rate_limit", "lose_reply"])
async def test_a_slack_that_does_not_connect_at_first_is_waited_for(kind: str) -> None:
    async with slack() as served:
        arm(served, kind, on=OPEN, times=2)
        async with line(served) as one:
            await say(served, "hello")
            await until(lambda: one.texts == ["hello"])


async def test_too_many_sockets_are_waited_out_and_the_one_that_is_up_goes_on() -> None:
    with capture_logs() as logged:
        async with slack(max_connections=1) as served, line(served) as one:
            await until(lambda: any(entry.get("reason") == "crowded" for entry in logged))
            before = opened(served)
            await asyncio.sleep(1.0)
            assert opened(served) - before <= 3
            await say(served, "hello")
            await until(lambda: one.texts == ["hello"])


async def test_a_refused_url_is_asked_for_anew_and_not_at_once() -> None:
    with capture_logs() as logged:
        async with slack(ticket_lifetime=-1.0) as served:
            sockets = sockets_of(AsyncApp(token=BOT_TOKEN), calls_of(served))
            running = asyncio.create_task(sockets.run())
            await until(lambda: opened(served) >= 3)
            await asyncio.sleep(1.0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            assert 4 <= opened(served) <= 3 + 1 / PACE.retry_max_s + 4
    told = [entry for entry in logged if entry["event"] == "no socket to Slack"]
    assert "refused with 403" in told[0]["error"]
    assert not any("ticket" in str(entry) for entry in logged)


async def test_connections_that_are_not_ours_are_warned_of() -> None:
    with capture_logs() as logged:
        async with slack() as served, connected_bot(served), line(served):
            await both_up(logged)
    warned = [entry for entry in logged if entry["log_level"] == "warning"]
    assert [entry["num_connections"] for entry in warned] == [2, 3]


@pytest.mark.parametrize("silent", [False, True])
async def test_closing_is_quick_and_leaves_nothing_behind(silent: bool) -> None:
    async with slack() as served:
        before = asyncio.all_tasks()
        with capture_logs() as logged:
            async with line(served, before=lambda: asyncio.sleep(60)):
                await both_up(logged)
                await say(served, "never taken")
                if silent:
                    arm(served, "silence_socket")
                began = time.monotonic()
        assert time.monotonic() - began < 4
        left = {task.get_coro().__qualname__ for task in asyncio.all_tasks() - before}  # type: ignore[union-attr]
        assert not [name for name in left if "adapters.slack" in name or "Socket." in name]
        await until(lambda: not served.world.connected())


async def test_frames_of_no_known_kind_are_passed_over() -> None:
    junk = ["", "null", "[1]", "{}", '{"type": "new"}', '{"envelope_id": 5}', "\x00", '"text"']
    greeted: list[aiohttp.web.WebSocketResponse] = []

    async def serve(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        for frame in junk:
            await ws.send_str(frame)
        await ws.send_str('{"envelope_id": "e1", "type": "events_api", "payload": 5}')
        await ws.send_str('{"type": "hello", "num_connections": "many"}')
        greeted.append(ws)
        async for _ in ws:
            pass
        return ws

    app = web.Application()
    app.router.add_get("/socket", serve)
    async with scripted() as api, listening(app) as port:
        api.answer = {"ok": True, "url": f"ws://127.0.0.1:{port}/socket"}
        bolt = AsyncApp(client=web_client(None, api.url), authorize=Known(Found()))
        running = asyncio.create_task(sockets_of(bolt, api.calls()).run())
        await until(lambda: len(greeted) == LINES)
        await asyncio.sleep(0.1)
        assert len(greeted) == LINES
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
