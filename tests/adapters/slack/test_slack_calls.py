"""Calls of the Web API: the real client against a Slack that limits, breaks and loses replies."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from structlog.testing import capture_logs

from adapters.rates import Rate
from adapters.sandbox.slack import CHANNEL_IDS
from adapters.slack.calls import METHODS, TRIES, Calls, Method
from adapters.slack.errors import NotSent, TokenRefused
from bot.errors import MessageGone, PlatformUnavailable
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.slack_line import arm, calls_of, scripted

GENERAL = CHANNEL_IDS["general"]
POST: dict[str, Any] = {"channel": GENERAL, "text": "said"}


def quick(method: str, rate: Rate) -> Mapping[str, Method]:
    """The methods, one of them at another rate."""
    return {**METHODS, method: replace(METHODS[method], rate=rate)}


def texts(served: Served) -> list[str]:
    return [one.view.text for one in served.world.audit()]


async def posted(calls: Calls) -> dict[str, Any]:
    answer = await calls.do("chat.postMessage", **POST)
    return {"channel": GENERAL, "ts": str(answer["ts"])}


async def test_a_post_whose_reply_is_lost_is_not_repeated() -> None:
    async with slack() as served:
        arm(served, "lose_reply", on="chat.postMessage", times=None)
        with pytest.raises(PlatformUnavailable):
            await calls_of(served).do("chat.postMessage", **POST)
        assert texts(served) == ["said"]


async def test_a_post_whose_reply_comes_too_late_is_not_repeated() -> None:
    async with slack() as served:
        arm(served, "delay_answer", on="chat.postMessage", seconds=1.5)
        with pytest.raises(PlatformUnavailable, match="too long"):
            await calls_of(served, timeout_s=1).do("chat.postMessage", **POST)
        assert texts(served) == ["said"]


@pytest.mark.parametrize("status", ["500", "502", "503"])
async def test_a_post_after_a_server_error_is_not_repeated(status: str) -> None:
    async with slack() as served:
        arm(served, "server_error", on="chat.postMessage", variant=status)
        with pytest.raises(PlatformUnavailable):
            await calls_of(served).do("chat.postMessage", **POST)
        assert len(served.world.calls_to("chat.postMessage")) == 1


async def test_a_post_that_never_reached_slack_is_repeated() -> None:
    async with scripted() as api:
        calls = api.calls(wait_s=5.0)
        there, calls.client.base_url = calls.client.base_url, "http://127.0.0.1:1/api/"
        posting = asyncio.create_task(calls.do("chat.postMessage", **POST))
        await asyncio.sleep(0.2)
        assert not posting.done()
        calls.client.base_url = there
        assert (await posting)["ts"] == "9.1"
        assert len(api.told) == 1


async def test_a_post_that_slack_limits_is_posted_once_after_the_pause() -> None:
    async with slack() as served:
        arm(served, "rate_limit", on="chat.postMessage", seconds=1)
        began = time.monotonic()
        await calls_of(served).do("chat.postMessage", **POST)
        assert time.monotonic() - began >= 1
        assert texts(served) == ["said"]


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("server_error", {"variant": "500"}),
        ("server_error", {"variant": "502"}),
        ("server_error", {"variant": "503"}),
        ("lose_reply", {}),
        ("delay_answer", {"seconds": 1.5}),
    ],
)
async def test_an_edit_is_repeated_until_it_is_done(kind: str, options: dict[str, Any]) -> None:
    async with slack() as served:
        calls = calls_of(served, timeout_s=1)
        where = await posted(calls)
        arm(served, kind, on="chat.update", **options)
        await calls.do("chat.update", text="edited", **where)
        assert len(served.world.calls_to("chat.update")) == 2
        assert texts(served) == ["edited"]


async def test_what_a_lost_reply_had_done_already_is_no_error() -> None:
    async with slack() as served:
        calls = calls_of(served)
        where = await posted(calls)
        emoji = {"channel": GENERAL, "timestamp": where["ts"], "name": "eyes"}
        for method in ("reactions.add", "reactions.remove"):
            arm(served, "lose_reply", on=method)
            await calls.do(method, **emoji)
            assert len(served.world.calls_to(method)) == 2
        arm(served, "lose_reply", on="chat.delete")
        await calls.do("chat.delete", **where)
        assert texts(served) == []


async def test_repeating_ends() -> None:
    async with slack() as served:
        calls = calls_of(served)
        where = await posted(calls)
        arm(served, "server_error", on="chat.update", times=None)
        with pytest.raises(PlatformUnavailable):
            await calls.do("chat.update", text="edited", **where)
        assert len(served.world.calls_to("chat.update")) == TRIES


async def test_no_attempt_begins_after_the_time_that_the_caller_has() -> None:
    async with slack() as served:
        arm(served, "server_error", times=None)
        began = time.monotonic()
        with pytest.raises(PlatformUnavailable):
            await calls_of(served).do("auth.test", wait_s=0.1)
        assert time.monotonic() - began < 1
        assert len(served.world.calls_to("auth.test")) == 1


async def test_answers_that_edit_at_once_make_no_call_before_a_limit_s_pause_is_over() -> None:
    """As many as the burst are on their way when the first refusal comes; all others wait."""
    burst, interval_s, num_answers = 3, 0.1, 12
    async with slack() as served:
        rate = Rate(burst=burst, interval_s=interval_s)
        calls = calls_of(served, methods=quick("chat.update", rate))
        where = await posted(calls)
        arm(served, "rate_limit", on="chat.update", seconds=1, times=burst)
        async with asyncio.TaskGroup() as group:
            for number in range(num_answers):
                group.create_task(calls.do("chat.update", text=f"{number}", **where))
        made = served.world.calls_to("chat.update")
        assert [one.status for one in made] == [429] * burst + [200] * num_answers
        limited_at, resumed_at = made[burst - 1].at, made[burst].at
        assert resumed_at - limited_at >= 1
        # They resume one by one and not as a crowd.
        assert made[burst + 2].at - resumed_at >= interval_s


async def test_a_limit_of_one_method_holds_up_no_other() -> None:
    async with slack() as served:
        calls = calls_of(served)
        where = await posted(calls)
        arm(served, "rate_limit", on="chat.update", seconds=2)
        editing = asyncio.create_task(calls.do("chat.update", text="edited", **where))
        began = time.monotonic()
        await calls.do("conversations.history", channel=GENERAL)
        await calls.do("chat.postMessage", **POST)
        assert time.monotonic() - began < 1.5
        editing.cancel()
        await asyncio.gather(editing, return_exceptions=True)


async def test_a_pause_longer_than_the_caller_has_is_told_and_not_waited_for() -> None:
    async with slack() as served:
        calls = calls_of(served, wait_s=1.0)
        arm(served, "rate_limit", on="chat.postMessage", seconds=30)
        began = time.monotonic()
        for _ in range(5):
            with pytest.raises(PlatformUnavailable) as caught:
                await calls.do("chat.postMessage", **POST)
            assert caught.value.retry_after_s == pytest.approx(30, abs=1)
        assert time.monotonic() - began < 1
        assert len(served.world.calls_to("chat.postMessage")) == 1


async def test_the_last_edit_of_an_answer_goes_first() -> None:
    async with slack() as served:
        rate = Rate(burst=1, interval_s=0.1)
        calls = calls_of(served, methods=quick("chat.update", rate))
        where = await posted(calls)
        async with asyncio.TaskGroup() as group:
            for text in ("one", "two", "three"):
                group.create_task(calls.do("chat.update", text=text, **where))
            group.create_task(calls.do("chat.update", urgent=True, text="last", **where))
        told = [call.arguments["text"] for call in served.world.calls_to("chat.update")]
        assert told == ["one", "last", "two", "three"]


@pytest.mark.parametrize("error", ["token_revoked", "invalid_auth"])
async def test_a_revoked_token_is_logged_once_and_not_tried_again(error: str) -> None:
    async with slack() as served:
        calls = calls_of(served)
        where = await posted(calls)
        fault = arm(served, "revoke_token", variant=error, times=None)
        with capture_logs() as logged:
            for _ in range(3):
                with pytest.raises(TokenRefused, match=error):
                    await calls.do("chat.update", text="edited", **where)
            served.world.faults.disarm(fault)
            await calls.do("chat.update", text="edited", **where)
        assert len(served.world.calls_to("chat.update")) == 4
        assert [(one["log_level"], one["event"]) for one in logged] == [
            ("error", "Slack refuses our token"),
            ("info", "Slack takes our token again"),
        ]
        assert not any("xoxb" in str(one) for one in logged)


async def test_an_error_of_ours_goes_through_as_it_is() -> None:
    async with slack() as served:
        with pytest.raises(SlackApiError):
            await calls_of(served).do("chat.postMessage", blocks=[{"type": "?"}], **POST)
        with pytest.raises(MessageGone):
            await calls_of(served).do("chat.postMessage", channel="C0NONE", text="said")


@pytest.mark.parametrize("body", [b"[1]", b'"text"', b'{"ok": tru', b"\xff\xfe", b"null", b""])
async def test_a_body_that_is_not_slack_s_is_unavailable(body: bytes) -> None:
    async with scripted() as api:
        api.answer = body
        with pytest.raises(PlatformUnavailable):
            await api.calls().do("auth.test")


async def test_a_slack_that_is_not_there_was_sent_nothing() -> None:
    async with scripted() as api:
        calls = api.calls()
        calls.client.base_url = "http://127.0.0.1:1/api/"
        with pytest.raises(NotSent):
            await calls.do("chat.postMessage", **POST)


async def test_a_method_without_a_budget_is_our_mistake() -> None:
    async with scripted() as api:
        with pytest.raises(ValueError, match=r"chat\.meMessage"):
            await api.calls().do("chat.meMessage")


@pytest.mark.parametrize("method", sorted(METHODS))
async def test_the_client_has_every_method(method: str) -> None:
    async with scripted() as api:
        assert callable(getattr(api.calls().client, method.replace(".", "_")))
