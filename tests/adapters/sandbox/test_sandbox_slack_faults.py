"""Each fault of the loopback Slack, as an unmodified bolt app or SDK client sees it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler

from adapters.sandbox.errors import ControlError
from adapters.sandbox.faults import Fault
from adapters.sandbox.slack import CHANNEL_IDS, IM_IDS
from tests.adapters.sandbox.slack_bench import (
    QUICK,
    Bot,
    Served,
    bolt_app,
    connected_bot,
    error_of,
    listening,
    slack,
)
from tests.waiting import until

IM = IM_IDS["alice"]
GENERAL = CHANNEL_IDS["general"]


def arm(served: Served, kind: str, **options: Any) -> int:
    return served.world.faults.arm(Fault(kind=kind, **options))


async def say(served: Served, text: str, channel: str = "dm") -> str:
    return await served.world.post(channel=channel, user="alice", text=text)


def heard(bot: Bot) -> list[str]:
    return [event["text"] for event in bot.events("message")]


@asynccontextmanager
async def bot_over(transport: str, served: Served) -> AsyncIterator[Bot]:
    """A bolt app that gets its events over Socket Mode or as signed HTTP requests."""
    if transport == "socket":
        async with connected_bot(served) as bot:
            yield bot
        return
    bot = bolt_app(served)
    async with listening(bot.app.web_app(path="/slack/events")) as port:
        served.world.set_events_url(f"http://127.0.0.1:{port}/slack/events")
        await until(served.world.connected)
        yield bot
        served.world.set_events_url(None)


over_both = pytest.mark.parametrize("transport", ["socket", "http"])
FIRST = {"socket": "0", "http": "absent"}


@over_both
async def test_an_acknowledged_event_comes_again(transport: str) -> None:
    async with slack() as served, bot_over(transport, served) as bot:
        arm(served, "redeliver")
        await say(served, "twice")
        await until(lambda: len(bot.bodies) == 2)
        await until(lambda: served.world.pending_events == 0)
        assert bot.retries == [FIRST[transport], "1"]
        assert len({body["event_id"] for body in bot.bodies}) == 1
        assert [one.outcome.failure for one in served.world.deliveries] == [None, None]


async def test_a_redelivery_has_an_envelope_of_its_own_and_a_reason() -> None:
    async with slack() as served, bare_socket(served) as ws:
        arm(served, "redeliver")
        await say(served, "twice")
        frames = []
        for _ in range(2):
            frames.append(await ws.receive_json())
            await ws.send_json({"envelope_id": frames[-1]["envelope_id"]})
        assert frames[0]["payload"] == frames[1]["payload"]
        assert frames[0]["envelope_id"] != frames[1]["envelope_id"]
        assert [one["retry_attempt"] for one in frames] == [0, 1]
        assert [one["retry_reason"] for one in frames] == ["", "timeout"]


async def test_a_redelivery_over_http_has_slacks_headers() -> None:
    got: list[tuple[str, str | None, str | None]] = []

    async def receive(request: web.Request) -> web.Response:
        body = await request.json()
        if body["type"] == "url_verification":
            return web.json_response({"challenge": body["challenge"]})
        headers = request.headers
        retry = headers.get("X-Slack-Retry-Num"), headers.get("X-Slack-Retry-Reason")
        got.append((body["event_id"], *retry))
        return web.Response()

    app = web.Application()
    app.router.add_post("/events", receive)
    async with slack() as served, listening(app) as port:
        served.world.set_events_url(f"http://127.0.0.1:{port}/events")
        arm(served, "redeliver")
        await say(served, "twice")
        await until(lambda: len(got) == 2)
        served.world.set_events_url(None)
    (event_id, *first), (again, *second) = got
    assert event_id == again
    assert (first, second) == ([None, None], ["1", "http_timeout"])


@over_both
async def test_an_event_is_held_until_the_next_has_gone(transport: str) -> None:
    async with slack() as served, bot_over(transport, served) as bot:
        arm(served, "reorder", seconds=60)
        for text in ("first", "second"):
            await say(served, text)
        await until(lambda: len(bot.bodies) == 2)
        assert heard(bot) == ["second", "first"]


async def test_an_event_that_was_under_way_before_releases_no_held_one() -> None:
    async with slack(ack_timeout=10) as served, bare_socket(served) as ws:
        await say(served, "before")
        before = await ws.receive_json()
        arm(served, "reorder", seconds=60)
        await say(served, "held")
        await ws.send_json({"envelope_id": before["envelope_id"]})
        await until(lambda: served.world.pending_events == 1)
        await say(served, "next")
        texts = []
        for _ in range(2):
            frame = await ws.receive_json(timeout=5)
            texts.append(frame["payload"]["event"]["text"])
            await ws.send_json({"envelope_id": frame["envelope_id"]})
        assert texts == ["next", "held"]


async def test_a_held_event_goes_alone_when_nothing_follows() -> None:
    async with slack() as served, connected_bot(served) as bot:
        arm(served, "reorder", seconds=0.3)
        begun = time.monotonic()
        await say(served, "alone")
        await until(lambda: heard(bot) == ["alone"])
        assert time.monotonic() - begun >= 0.3


@over_both
async def test_an_event_whose_acknowledgement_is_lost_comes_again(transport: str) -> None:
    async with slack(ack_timeout=0.6) as served, bot_over(transport, served) as bot:
        arm(served, "drop_ack", times=2)
        await say(served, "thrice")
        await until(lambda: len(bot.bodies) == 3)
        await until(lambda: served.world.pending_events == 0)
        assert bot.retries == [FIRST[transport], "1", "2"]
        reason = "timeout" if transport == "socket" else "http_timeout"
        failures = [one.outcome.failure for one in served.world.deliveries]
        assert failures == [reason, reason, None]


async def test_an_event_comes_late_and_others_overtake_it() -> None:
    async with slack() as served, connected_bot(served) as bot:
        arm(served, "delay_event", on="message", channel="dm", seconds=0.4)
        await say(served, "late")
        await say(served, "prompt", "general")
        await until(lambda: len(bot.bodies) == 2)
        assert heard(bot) == ["prompt", "late"]


async def test_a_rate_limit_has_slacks_status_body_and_header() -> None:
    async with slack() as served:
        arm(served, "rate_limit", on="chat.postMessage", seconds=6.5)
        with pytest.raises(SlackApiError) as refused:
            await served.client().chat_postMessage(channel=GENERAL, text="x")
        response = refused.value.response
        assert (response.status_code, response["error"]) == (429, "ratelimited")
        assert response.headers["Retry-After"] == "7"
        assert served.world.messages(channel="general", user="alice") == []


async def test_a_rate_limit_is_waited_out_by_the_librarys_handler() -> None:
    async with slack() as served:
        arm(served, "rate_limit", on="chat.postMessage", seconds=1)
        client = served.client()
        client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=1))
        begun = time.monotonic()
        await client.chat_postMessage(channel=GENERAL, text="patient")
        assert time.monotonic() - begun >= 1
        statuses = [call.status for call in served.world.calls_to("chat.postMessage")]
        assert statuses == [429, 200]


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_server_error_comes_before_the_work(status: int) -> None:
    async with slack() as served:
        arm(served, "server_error", on="chat.postMessage", variant=str(status))
        with pytest.raises(SlackApiError) as refused:
            await served.client().chat_postMessage(channel=GENERAL, text="x")
        assert refused.value.response.status_code == status
        assert served.world.messages(channel="general", user="alice") == []
        arm(served, "server_error", variant=str(status))
        url = f"{served.base_url}/slack/api/auth.test"
        headers = {"Authorization": "Bearer xoxb-1-test"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url) as response,
        ):
            kind = "application/json" if status == 500 else "text/html"
            assert (response.status, response.content_type) == (status, kind)


@pytest.mark.parametrize("error", ["token_revoked", "invalid_auth"])
async def test_a_revoked_token_is_refused_until_it_is_taken_back(error: str) -> None:
    async with slack() as served:
        client = served.client()
        fault = arm(served, "revoke_token", variant=error, times=None)
        assert await error_of(client.chat_postMessage(channel=GENERAL, text="x")) == error
        assert await error_of(client.apps_connections_open(app_token="xapp-1-test")) == error
        served.world.faults.disarm(fault)
        await client.chat_postMessage(channel=GENERAL, text="x")


async def test_an_expired_stream_takes_no_more_and_can_be_updated() -> None:
    async with slack() as served:
        client = served.client()
        ts = await say(served, "a question")
        stream = await client.chat_stream(channel=IM, thread_ts=ts, buffer_size=1)
        await stream.append(markdown_text="Half an ")
        arm(served, "expire_stream")
        assert await error_of(stream.append(markdown_text="answer")) == (
            "message_not_in_streaming_state"
        )
        assert served.world.faults.armed == ()
        newest = served.world.audit()[-1]
        assert not newest.streaming
        stop = client.chat_stopStream(channel=IM, ts=newest.view.id)
        assert await error_of(stop) == "message_not_in_streaming_state"
        await client.chat_update(channel=IM, ts=newest.view.id, text="Half an answer")
        assert served.world.audit()[-1].view.text == "Half an answer"


async def test_a_lost_reply_leaves_the_message_and_the_librarys_repeat_posts_it_twice() -> None:
    async with slack() as served:
        client = served.client()
        client.retry_handlers.clear()
        arm(served, "lose_reply", on="chat.postMessage")
        with pytest.raises((aiohttp.ClientError, OSError)):
            await client.chat_postMessage(channel=GENERAL, text="said")
        assert len(served.world.audit()) == 1
        # The library's own handler repeats after a broken connection, without knowing.
        arm(served, "lose_reply", on="chat.postMessage")
        await served.client().chat_postMessage(channel=GENERAL, text="again")
        texts = [one.view.text for one in served.world.audit()]
        assert texts == ["said", "again", "again"]


async def test_a_refused_call_does_not_use_up_a_lost_reply() -> None:
    async with slack() as served:
        arm(served, "lose_reply")
        edit = served.client().chat_update(channel=GENERAL, ts="1.000001", text="x")
        assert await error_of(edit) == "message_not_found"
        assert len(served.world.faults.armed) == 1


async def test_an_answer_comes_late_after_the_work() -> None:
    async with slack() as served:
        arm(served, "delay_answer", on="chat.postMessage", seconds=0.5)
        begun = time.monotonic()
        posting = asyncio.create_task(served.client().chat_postMessage(channel=GENERAL, text="x"))
        await until(served.world.audit)
        assert not posting.done()
        await posting
        assert time.monotonic() - begun >= 0.5


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
async def test_bolt_comes_back_after_a_lost_socket_and_no_event_is_lost(
    kind: str, options: dict[str, Any]
) -> None:
    async with slack() as served, connected_bot(served) as bot:
        arm(served, kind, **options)
        await say(served, "in between")
        await until(lambda: len(served.world.calls_to("apps.connections.open")) == 2)
        await until(lambda: heard(bot))
        await until(lambda: served.world.pending_events == 0)
        await say(served, "after")
        await until(lambda: len(bot.bodies) == 2)
        assert heard(bot) == ["in between", "after"]
        # An event that went into the silence was sent, so it comes back as a repetition.
        assert bot.retries == ["1" if kind == "silence_socket" else "0", "0"]


async def test_the_socket_breaks_in_the_middle_of_a_stream() -> None:
    async with slack() as served, connected_bot(served) as bot:
        client = served.client()
        ts = await say(served, "a question")
        await until(lambda: heard(bot))
        arm(served, "kill_socket", on="chat.appendStream", skip=1)
        stream = await client.chat_stream(channel=IM, thread_ts=ts, buffer_size=1)
        for text in ("one ", "two ", "three"):
            await stream.append(markdown_text=text)
        await stream.stop()
        assert served.world.audit()[-1].view.text == "one two three"
        await until(lambda: len(served.world.calls_to("apps.connections.open")) == 2)


@asynccontextmanager
async def bare_socket(served: Served) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    url = (await served.client().apps_connections_open(app_token="xapp-1-test"))["url"]
    # The client must not wait long for a close that a silent server does not answer.
    timeout = aiohttp.ClientWSTimeout(ws_close=0.2)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, timeout=timeout) as ws,
    ):
        await ws.receive_json()
        yield ws


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_a_disconnect_names_its_reason(reason: str) -> None:
    async with slack(disconnect_lead=0.05) as served, bare_socket(served) as ws:
        arm(served, "disconnect", variant=reason)
        frame = await ws.receive_json()
        assert (frame["type"], frame["reason"]) == ("disconnect", reason)
        assert (await ws.receive(timeout=2)).type is aiohttp.WSMsgType.CLOSE


async def test_a_close_code_is_what_the_client_gets() -> None:
    async with slack() as served, bare_socket(served) as ws:
        arm(served, "close_socket", code=1011)
        message = await ws.receive(timeout=2)
        assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1011)


async def test_a_killed_socket_ends_without_a_close_frame() -> None:
    async with slack() as served, bare_socket(served) as ws:
        arm(served, "kill_socket")
        message = await ws.receive(timeout=2)
        assert message.type in (aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSED)
        assert ws.close_code == 1006


async def test_a_silent_socket_stays_open_and_answers_nothing() -> None:
    async with slack() as served:
        async with bare_socket(served) as ws:
            arm(served, "silence_socket")
            await ws.ping()
            await say(served, "unheard")
            with pytest.raises(TimeoutError):
                await ws.receive(timeout=0.3)
            assert served.world.connected()
        await until(lambda: not served.world.connected())


async def test_a_message_deleted_while_it_is_answered_is_not_found_by_the_next_edit() -> None:
    async with slack() as served:
        client = served.client()
        posted = [
            await client.chat_postMessage(channel=channel, text="growing")
            for channel in (GENERAL, IM)
        ]
        arm(served, "delete_message", channel="general")
        edit = client.chat_update(channel=GENERAL, ts=posted[0]["ts"], text="more")
        assert await error_of(edit) == "message_not_found"
        arm(served, "delete_message", on="chat.update")
        edit = client.chat_update(channel=IM, ts=posted[1]["ts"], text="more")
        assert await error_of(edit) == "message_not_found"
        assert served.world.audit() == []


async def test_acts_that_find_nothing_are_refused() -> None:
    async with slack() as served:
        for kind in ("kill_socket", "close_socket", "silence_socket", "disconnect"):
            with pytest.raises(ControlError, match="no bot is connected over Socket Mode"):
                arm(served, kind)
        with pytest.raises(ControlError, match="the bot has no message there"):
            arm(served, "delete_message")


async def test_a_call_that_names_a_person_is_in_the_direct_message() -> None:
    async with slack() as served:
        arm(served, "rate_limit", channel="dm")
        await served.client().chat_postMessage(channel=GENERAL, text="x")
        post = served.client().chat_postMessage(channel="U0ALICE", text="x")
        assert await error_of(post) == "ratelimited"


async def test_closing_does_not_wait_for_what_faults_hold() -> None:
    async with slack(QUICK) as served, connected_bot(served):
        arm(served, "delay_event", seconds=60)
        arm(served, "reorder", on="message", seconds=60, skip=1)
        await say(served, "delayed")
        await say(served, "held")
        begun = time.monotonic()
        await served.world.close()
        assert time.monotonic() - begun < 5
        assert served.world.pending_events == 0
