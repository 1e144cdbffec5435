"""Agent sessions of the loopback Slack, and Slack's own Stop."""

import aiohttp
import pytest

from adapters.sandbox.people import handles
from adapters.sandbox.platform import ControlError
from adapters.sandbox.server import Sandbox
from adapters.sandbox.slack import DEFAULT_SUBSCRIPTIONS, IM_IDS, USER_IDS, SlackWorld
from adapters.sandbox.slack.messages import Session
from tests.adapters.sandbox.slack_bench import (
    APP_TOKEN,
    BOT_TOKEN,
    SIGNING_SECRET,
    Served,
    bolt_app,
    connected_bot,
    error_of,
    slack,
)
from tests.waiting import until

DM = IM_IDS["alice"]


async def asked(served: Served) -> str:
    return await served.world.post(channel="dm", user="alice", text="Why?")


async def test_a_session_is_made_changed_renamed_and_shown() -> None:
    async with slack() as served:
        thread, client = await asked(served), served.client()
        made = await client.agents_sessions_setStatus(
            channel_id=DM, thread_ts=thread, status="processing", title="Why"
        )
        assert (made["status"], made["title"], made.get("warning")) == ("processing", "Why", None)
        assert served.world.activity(channel="dm", user="alice") == "is working…"
        named = await client.agents_sessions_rename(channel_id=DM, thread_ts=thread, title="How")
        assert named["title"] == "How"
        done = await client.agents_sessions_setStatus(
            channel_id=DM, thread_ts=thread, status="active", title="ignored"
        )
        assert (done["status"], done["title"]) == ("active", "How")
        assert served.world.activity(channel="dm", user="alice") is None
        wrong = client.agents_sessions_setStatus(channel_id=DM, thread_ts=thread, status="busy")
        assert await error_of(wrong) == "invalid_arguments"


async def test_without_agents_or_the_subscription_it_is_said() -> None:
    async with slack(is_agent=False) as served:
        call = served.client().agents_sessions_setStatus(
            channel_id=DM, thread_ts=await asked(served), status="processing"
        )
        assert await error_of(call) == "feature_disabled"
    heard = DEFAULT_SUBSCRIPTIONS - {"agent_session_stopped"}
    async with slack(subscriptions=heard) as served:
        answer = await served.client().agents_sessions_setStatus(
            channel_id=DM, thread_ts=await asked(served), status="processing"
        )
        assert answer["warning"] == "missing_agent_session_stopped_event_subscription"


async def test_stop_ends_the_stream_and_tells_the_app_which() -> None:
    async with slack() as served:
        bot = bolt_app(served)
        stopped: list[dict[str, object]] = []

        async def keep(event: dict[str, object]) -> None:
            stopped.append(event)

        bot.app.event("agent_session_stopped")(keep)
        async with connected_bot(served, bot=bot):
            thread, client = await asked(served), served.client()
            with pytest.raises(ControlError, match="no Stop"):
                await served.world.stop(channel="dm", user="alice")
            await client.agents_sessions_setStatus(
                channel_id=DM, thread_ts=thread, status="processing"
            )
            stream = await client.chat_startStream(
                channel=DM, thread_ts=thread, markdown_text="It is "
            )
            await served.world.stop(channel="dm", user="alice")
            await until(lambda: stopped)
            assert {key: stopped[0][key] for key in ("channel", "thread_ts", "user")} == {
                "channel": DM,
                "thread_ts": thread,
                "user": USER_IDS["alice"],
            }
            assert stopped[0]["streaming_message_ts"] == [stream["ts"]]
            more = client.chat_appendStream(channel=DM, ts=stream["ts"], markdown_text="so.")
            assert await error_of(more) == "stopped_by_user"
            assert served.world.activity(channel="dm", user="alice"), "the status is the app's"
            await client.chat_stopStream(channel=DM, ts=stream["ts"], session_status="active")
            assert served.world.activity(channel="dm", user="alice") is None


async def test_a_stopped_stream_may_be_edited() -> None:
    async with slack() as served:
        thread, client = await asked(served), served.client()
        stream = await client.chat_startStream(channel=DM, thread_ts=thread, markdown_text="It is ")
        await served.world.stop(channel="dm", user="alice", thread=thread)
        await client.chat_update(channel=DM, ts=stream["ts"], text="It is _(stopped)_")
        texts = [one.text for one in served.world.messages(channel="dm", user="alice")]
        assert texts == ["Why?", "It is _(stopped)_"]


async def test_stop_is_pressed_over_the_control_api() -> None:
    world = SlackWorld(
        bot_token=BOT_TOKEN, app_token=APP_TOKEN, signing_secret=SIGNING_SECRET, people=handles()
    )
    async with Sandbox(platforms=[world], port=0) as sandbox, aiohttp.ClientSession() as session:

        async def press() -> tuple[int, dict[str, str]]:
            body = {"channel": "dm", "user": "alice"}
            async with session.post(f"{sandbox.url}/control/slack/stop", json=body) as response:
                return response.status, await response.json()

        assert await press() == (400, {"error": "Slack shows no Stop there"})
        thread = await world.post(channel="dm", user="alice", text="Why?")
        world.workspace.set_session(DM, thread, Session("processing", ""))
        assert await press() == (200, {})
