"""`chat.startStream`, `chat.appendStream`, `chat.stopStream`: a message that grows.

What was streamed is kept as the message's own blocks, so that history, events and the eye see one
thing. The recipient, the mode, the size and the end of its life are in `Message.stream`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from adapters.sandbox.slack import blocks as block_kit
from adapters.sandbox.slack.agents import checked_status
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.chat import MAX_MARKDOWN_TEXT_CHARS, with_metadata
from adapters.sandbox.slack.directory import BOT_USER_ID, TEAM_ID
from adapters.sandbox.slack.errors import SlackError, invalid_arguments
from adapters.sandbox.slack.host import Host, given_blocks, given_metadata
from adapters.sandbox.slack.messages import Json, Message, Stream

_TASK_STATUSES = ("pending", "in_progress", "complete", "error")
_DISPLAY_MODES = ("", "timeline", "plan", "dense")


@dataclass(frozen=True, slots=True)
class Piece:
    """What one call adds: chunks, in the mode in which they came; no mode for nothing."""

    mode: Literal["text", "chunks"] | None
    chunks: tuple[Json, ...]

    @property
    def size_bytes(self) -> int:
        """UTF-8 bytes of everything that it would show."""
        return sum(map(_size_bytes, self.chunks))


def start(host: Host, call: Call) -> Json:
    """`chat.startStream`"""
    call.need("chat:write")
    room = host.room_to_post(call, call.text("channel"))
    # Documented as optional, but enforced by the API since September 2025 (node-slack-sdk 2382).
    thread_ts = host.parent_ts(room, call.required("thread_ts"))
    recipient = None
    if room.channel.kind != "im":
        recipient = call.text("recipient_user_id")
        if not recipient:
            raise SlackError("missing_recipient_user_id")
        if not call.text("recipient_team_id"):
            raise SlackError("missing_recipient_team_id")
        if recipient not in host.workspace.users:
            raise SlackError("user_not_found")
        if call.text("recipient_team_id") != TEAM_ID:
            raise SlackError("team_not_found")
    if call.text("task_display_mode") not in _DISPLAY_MODES:
        raise invalid_arguments("must be timeline, plan or dense: task_display_mode")
    piece = _piece(call)
    message = Message(
        channel=room.channel.id,
        ts=host.workspace.next_ts(room.channel.id),
        user=BOT_USER_ID,
        text="",
        thread_ts=thread_ts,
        stream=Stream(
            expires_at=host.workspace.clock() + host.knobs.stream_lifetime,
            mode=None,
            recipient=recipient,
            size_bytes=0,
            first_text=None,
        ),
    )
    message = _grown(message, piece, host.knobs.stream_limit_bytes)
    host.workspace.add(message)
    return {"channel": message.channel, "ts": message.ts}


def append(host: Host, call: Call) -> Json:
    """`chat.appendStream`"""
    call.need("chat:write")
    message = _streaming(host, call)
    if message.stream is not None and message.stream.by_user:
        raise SlackError("stopped_by_user")
    piece = _piece(call)
    if piece.mode is None:
        raise SlackError("markdown_text_or_chunks_required")
    grown = _grown(message, piece, host.knobs.stream_limit_bytes)
    host.workspace.replace_message(grown, announce=False)
    return {"channel": grown.channel, "ts": grown.ts}


def stop(host: Host, call: Call) -> Json:
    """`chat.stopStream`

    `blocks` come last and are counted apart from what was streamed; one that a person stopped is
    closed like any other. `session_status` is set where the thread has a session.
    """
    call.need("chat:write")
    status = call.text("session_status") and checked_status(call.text("session_status"))
    message = _streaming(host, call)
    grown = _grown(message, _piece(call), host.knobs.stream_limit_bytes)
    finished = replace(
        grown,
        stream=None,
        blocks=(*grown.blocks, *(given_blocks(call) or ())),
        metadata=given_metadata(call) or None,
    )
    host.workspace.replace_message(finished)
    thread = finished.channel, finished.thread_ts or finished.ts
    if status and (session := host.workspace.session(*thread)) is not None:
        host.workspace.set_session(*thread, replace(session, status=status))
    return {
        "channel": finished.channel,
        "ts": finished.ts,
        "message": with_metadata(host, finished),
    }


def _streaming(host: Host, call: Call) -> Message:
    room = host.room(call.text("channel"))
    message = host.message(room, call.text("ts"))
    if message.user != BOT_USER_ID:
        raise SlackError("message_not_owned_by_app")
    stopped = message.stream is not None and message.stream.by_user
    if not stopped and not message.is_streaming(host.workspace.clock()):
        raise SlackError("message_not_in_streaming_state")
    return message


def _piece(call: Call) -> Piece:
    markdown = call.text("markdown_text")
    chunks = call.items("chunks", "invalid_chunks")
    if markdown and chunks:
        raise SlackError("cannot_provide_both_markdown_text_and_chunks")
    if markdown:
        _check_markdown(markdown)
        return Piece("text", ({"type": "markdown_text", "text": markdown},))
    if not chunks:
        return Piece(None, ())
    return Piece("chunks", tuple(_check_chunk(chunk) for chunk in chunks))


def _check_chunk(chunk: Any) -> Json:
    if not isinstance(chunk, dict):
        raise SlackError("invalid_chunks")
    match chunk.get("type"):
        case "markdown_text" if isinstance(chunk.get("text"), str):
            _check_markdown(chunk["text"])
        case "task_update" if _is_task(chunk):
            pass
        case "plan_update" if isinstance(chunk.get("title"), str):
            pass
        case "blocks" if isinstance(chunk.get("blocks"), list):
            block_kit.check(chunk["blocks"])
        case _:
            raise SlackError("invalid_chunks")
    return chunk


def _is_task(chunk: Json) -> bool:
    return (
        isinstance(chunk.get("id"), str)
        and isinstance(chunk.get("title"), str)
        and chunk.get("status", "pending") in _TASK_STATUSES
    )


def _check_markdown(text: str) -> None:
    if len(text) > MAX_MARKDOWN_TEXT_CHARS:
        raise SlackError("msg_too_long")


def _grown(message: Message, piece: Piece, limit_bytes: int) -> Message:
    """The message with the piece at its end; raises SlackError when that is not allowed."""
    stream = message.stream
    if stream is None:
        raise SlackError("message_not_in_streaming_state")
    if stream.mode and piece.mode and stream.mode != piece.mode:
        raise SlackError("streaming_mode_mismatch")
    size_bytes = stream.size_bytes + piece.size_bytes
    if size_bytes > limit_bytes:
        raise SlackError("msg_too_long")
    text, blocks = message.text, message.blocks
    for chunk in piece.chunks:
        if chunk["type"] == "markdown_text":
            text += chunk["text"]
        blocks = _with_chunk(blocks, chunk)
    grown = replace(
        stream,
        mode=stream.mode or piece.mode,
        size_bytes=size_bytes,
        first_text=stream.first_text if stream.first_text is not None else text or None,
    )
    return replace(message, text=text, blocks=blocks, stream=grown)


def _with_chunk(blocks: tuple[Json, ...], chunk: Json) -> tuple[Json, ...]:
    match chunk["type"]:
        case "markdown_text":
            if blocks and blocks[-1]["type"] == "markdown":
                joined = {"type": "markdown", "text": blocks[-1]["text"] + chunk["text"]}
                return (*blocks[:-1], joined)
            return (*blocks, {"type": "markdown", "text": chunk["text"]})
        case "task_update":
            card = {key: value for key, value in chunk.items() if key not in ("type", "id")}
            card |= {"type": "task_card", "task_id": chunk["id"]}
            return _replaced(blocks, card, lambda one: one.get("task_id") == chunk["id"])
        case "plan_update":
            plan = {"type": "plan", "title": chunk["title"]}
            return _replaced(blocks, plan, lambda one: one["type"] == "plan")
        case _:
            return (*blocks, *chunk["blocks"])


def _replaced(
    blocks: Sequence[Json], new: Json, is_same: Callable[[Json], bool]
) -> tuple[Json, ...]:
    if any(is_same(one) for one in blocks):
        return tuple(new if is_same(one) else one for one in blocks)
    return (*blocks, new)


def _size_bytes(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, dict):
        return sum(_size_bytes(item) for key, item in value.items() if key not in _UNSEEN)
    if isinstance(value, list):
        return sum(map(_size_bytes, value))
    return 0


# Keys whose value nobody reads in the message.
_UNSEEN = frozenset({"type", "id", "status", "block_id", "action_id"})
