"""Streamed messages, with the client library's own stream helper and by single calls."""

import asyncio
from typing import Any

import pytest
from slack_sdk.models.messages.chunk import MarkdownTextChunk, PlanUpdateChunk, TaskUpdateChunk

from adapters.sandbox.slack import CHANNEL_IDS, IM_IDS, TEAM_ID, USER_IDS
from tests.adapters.sandbox.slack_bench import (
    Served,
    bolt_app,
    connected_bot,
    error_of,
    slack,
)
from tests.waiting import until

IM = IM_IDS["alice"]
BUTTONS = {
    "type": "actions",
    "elements": [
        {"type": "button", "action_id": "b", "text": {"type": "plain_text", "text": "Go"}}
    ],
}


async def started(served: Served, **arguments: Any) -> dict[str, Any]:
    """A stream in Alice's direct message; returns what names it in further calls."""
    ts = await served.world.post(channel="dm", user="alice", text="a question")
    answer = await served.client().chat_startStream(channel=IM, thread_ts=ts, **arguments)
    return {"channel": IM, "ts": answer["ts"]}


def read(served: Served, user: str = "alice", channel: str = "dm") -> str:
    """The newest message as a person reads it."""
    return served.world.messages(channel=channel, user=user)[-1].text


async def test_the_librarys_stream_grows_in_a_direct_message() -> None:
    async with slack() as served:
        ts = await served.world.post(channel="dm", user="alice", text="a question")
        await served.client().assistant_threads_setStatus(
            channel_id=IM, thread_ts=ts, status="is thinking..."
        )
        stream = await served.client().chat_stream(channel=IM, thread_ts=ts, buffer_size=1)
        await stream.append(markdown_text="**Hel")
        assert read(served) == "**Hel"
        assert served.world.activity(channel="dm", user="alice") is None
        await stream.append(markdown_text="lo** wörld")
        assert read(served) == "**Hello** wörld"
        answer = await stream.stop(markdown_text="!", blocks=[BUTTONS])
        assert answer["message"]["text"] == "**Hello** wörld!"
        assert [block["type"] for block in answer["message"]["blocks"]] == ["markdown", "actions"]
        message = served.world.messages(channel="dm", user="alice")[-1]
        assert (message.text, message.thread, message.bot) == ("**Hello** wörld!", ts, True)


async def test_bolts_say_stream_answers_a_direct_message() -> None:
    async with slack() as served:
        bot = bolt_app(served, listening=False)

        @bot.app.event("message")
        async def answer(say_stream: Any) -> None:
            stream = await say_stream(buffer_size=1)
            await stream.append(markdown_text="Hello ")
            await stream.append(markdown_text="you")
            await stream.stop()

        async with connected_bot(served, bot=bot):
            await served.world.post(channel="dm", user="alice", text="hi")
            await until(lambda: served.world.calls_to("chat.stopStream"))
        assert read(served) == "Hello you"


async def test_a_stream_without_any_text_can_be_stopped_with_some() -> None:
    async with slack() as served:
        ts = await served.world.post(channel="dm", user="alice", text="a question")
        stream = await served.client().chat_stream(channel=IM, thread_ts=ts)
        await stream.append(markdown_text="short")
        await stream.stop()
        assert read(served) == "short"


async def test_tasks_and_the_plan_are_replaced_in_place() -> None:
    async with slack() as served:
        where = await started(served, chunks=[PlanUpdateChunk(title="Plan")])
        client = served.client()
        for status in ("in_progress", "complete"):
            task = TaskUpdateChunk(id="t1", title="Search", status=status)
            await client.chat_appendStream(**where, chunks=[task])
        chunks = [MarkdownTextChunk(text="done"), PlanUpdateChunk(title="Planned")]
        await client.chat_appendStream(**where, chunks=chunks)
        answer = await client.chat_stopStream(**where)
        plan, task, text = answer["message"]["blocks"]
        assert (plan["type"], plan["title"]) == ("plan", "Planned")
        assert (task["type"], task["task_id"], task["status"]) == ("task_card", "t1", "complete")
        assert text == {"type": "markdown", "text": "done"}
        assert answer["message"]["text"] == "done"


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        ("markdown_text_or_chunks_required", {}),
        ("markdown_text_or_chunks_required", {"chunks": []}),
        ("streaming_mode_mismatch", {"markdown_text": "x"}),
        (
            "cannot_provide_both_markdown_text_and_chunks",
            {"markdown_text": "x", "chunks": [{"type": "markdown_text", "text": "x"}]},
        ),
        ("invalid_chunks", {"chunks": [{"type": "nonsense"}]}),
        ("invalid_chunks", {"chunks": [{"type": "task_update", "id": "1"}]}),
        ("invalid_chunks", {"chunks": ["x"]}),
        ("msg_too_long", {"chunks": [{"type": "markdown_text", "text": "ü" * 6_000}]}),
        ("message_not_found", {"ts": "1.000000"}),
    ],
)
async def test_what_slack_would_not_append_is_refused(
    error: str, arguments: dict[str, Any]
) -> None:
    async with slack() as served:
        where = await started(served, chunks=[MarkdownTextChunk(text="ab")])
        call = served.client().api_call("chat.appendStream", json=where | arguments)
        assert await error_of(call) == error
        assert read(served) == "ab"


async def test_the_total_of_a_stream_is_limited_in_bytes() -> None:
    async with slack() as served:
        where = await started(served)
        client = served.client()
        await client.chat_appendStream(**where, markdown_text="é" * 5_300)
        assert (
            await error_of(client.chat_appendStream(**where, markdown_text="x")) == "msg_too_long"
        )
        await client.chat_stopStream(**where)
        assert read(served) == "é" * 5_300


async def test_a_streaming_message_cannot_be_updated_and_a_stopped_one_not_appended() -> None:
    async with slack() as served:
        where = await started(served, markdown_text="a")
        client = served.client()
        assert await error_of(client.chat_update(**where, text="x")) == "streaming_state_conflict"
        await client.chat_stopStream(**where)
        for call in (
            client.chat_appendStream(**where, markdown_text="b"),
            client.chat_stopStream(**where),
        ):
            assert await error_of(call) == "message_not_in_streaming_state"
        await client.chat_update(**where, text="corrected")
        assert read(served) == "corrected"


async def test_a_stream_dies_of_age_and_can_then_be_updated() -> None:
    async with slack(stream_lifetime=0.1) as served:
        where = await started(served, markdown_text="a")
        client = served.client()
        await asyncio.sleep(0.15)
        append = client.chat_appendStream(**where, markdown_text="b")
        assert await error_of(append) == "message_not_in_streaming_state"
        await client.chat_update(**where, text="the whole answer")
        assert read(served) == "the whole answer"


async def test_a_persons_message_is_no_stream() -> None:
    async with slack() as served:
        ts = await served.world.post(channel="dm", user="alice", text="mine")
        call = served.client().chat_appendStream(channel=IM, ts=ts, markdown_text="x")
        assert await error_of(call) == "message_not_owned_by_app"


async def test_a_stream_in_a_channel_needs_its_one_recipient() -> None:
    async with slack() as served:
        channel = CHANNEL_IDS["general"]
        ts = await served.world.post(channel="general", user="alice", text="@candor hi")
        where: dict[str, Any] = {"channel": channel, "thread_ts": ts}
        client = served.client()
        recipient: dict[str, Any] = {
            "recipient_user_id": USER_IDS["alice"],
            "recipient_team_id": TEAM_ID,
        }
        cases: tuple[tuple[str, dict[str, Any]], ...] = (
            ("missing_recipient_user_id", {}),
            ("missing_recipient_team_id", {"recipient_user_id": USER_IDS["alice"]}),
            ("user_not_found", recipient | {"recipient_user_id": "U404"}),
            ("team_not_found", recipient | {"recipient_team_id": "T404"}),
            ("invalid_arguments", recipient | {"task_display_mode": "sideways"}),
        )
        for error, arguments in cases:
            assert await error_of(client.chat_startStream(**where, **arguments)) == error
        no_thread = client.api_call("chat.startStream", json={"channel": channel} | recipient)
        assert await error_of(no_thread) == "invalid_arguments"
        answer = await client.chat_startStream(**where, **recipient, markdown_text="first ")
        await client.chat_appendStream(channel=channel, ts=answer["ts"], markdown_text="second")
        assert read(served, "alice", "general") == "first second"
        assert read(served, "bob", "general") == "first "
        await client.chat_stopStream(channel=channel, ts=answer["ts"])
        assert read(served, "bob", "general") == "first second"
