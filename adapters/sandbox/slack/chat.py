"""`chat.*`: post, update, delete, ephemeral messages and permanent links."""

from dataclasses import dataclass, replace

from adapters.sandbox.slack import blocks
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.directory import BOT_USER_ID, TEAM_DOMAIN
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.host import Host, given_blocks, given_metadata
from adapters.sandbox.slack.messages import Json, Message

# Documented: a post is cut here with a warning, an update of more than 4,000 is refused.
MAX_POST_CHARS = 40_000
MAX_UPDATE_CHARS = 4_000
MAX_MARKDOWN_TEXT_CHARS = 12_000
MAX_ATTACHMENTS = 100


@dataclass(frozen=True, slots=True)
class Content:
    """What a call wants a message to say; None where it says nothing about it."""

    text: str | None
    blocks: tuple[Json, ...] | None
    attachments: tuple[Json, ...] | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not ((self.text or "").strip() or self.blocks or self.attachments)


def content(call: Call) -> Content:
    """Read and check `text`, `blocks`, `attachments` and `markdown_text`.

    `markdown_text` is kept as a markdown block beside the text, which is how it is shown. Blocks
    without text get the text that Slack builds from them.
    """
    attachments = call.items("attachments", "invalid_attachments")
    if attachments is not None:
        if len(attachments) > MAX_ATTACHMENTS:
            raise SlackError("too_many_attachments")
        if not all(isinstance(one, dict) for one in attachments):
            raise SlackError("invalid_attachments")
    attached = None if attachments is None else tuple(attachments)
    markdown = call.text("markdown_text")
    if markdown:
        if call.text("text") or call.has("blocks"):
            raise SlackError("markdown_text_conflict")
        if len(markdown) > MAX_MARKDOWN_TEXT_CHARS:
            raise SlackError("msg_too_long")
        return Content(markdown, ({"type": "markdown", "text": markdown},), attached)
    text = call.text("text") if call.has("text") else None
    return Content(text, given_blocks(call), attached)


def post_message(host: Host, call: Call) -> Json:
    """`chat.postMessage`"""
    call.need("chat:write")
    room = host.room_to_post(call, call.text("channel"))
    said = content(call)
    if said.is_empty:
        raise SlackError("no_text")
    thread_ts = host.parent_ts(room, call.text("thread_ts"))
    broadcast = thread_ts is not None and call.flag("reply_broadcast")
    text = said.text or blocks.readable(said.blocks or ())
    message = Message(
        channel=room.channel.id,
        ts=host.workspace.next_ts(room.channel.id),
        user=BOT_USER_ID,
        text=text[:MAX_POST_CHARS],
        subtype="thread_broadcast" if broadcast else None,
        thread_ts=thread_ts,
        blocks=said.blocks or (),
        attachments=said.attachments or (),
        metadata=given_metadata(call) or None,
    )
    host.workspace.add(message)
    answer: Json = {
        "channel": message.channel,
        "ts": message.ts,
        "message": with_metadata(host, message),
    }
    if len(text) > MAX_POST_CHARS:
        answer["warning"] = "message_truncated"
        answer["response_metadata"] = {"warnings": ["message_truncated"]}
    return answer


def update(host: Host, call: Call) -> Json:
    """`chat.update`

    Text without blocks takes the old blocks away; blocks without text leave no edited flag. The
    metadata stays unless new metadata is given.
    """
    call.need("chat:write")
    room = host.room(call.text("channel"))
    message = host.message(room, call.text("ts"))
    said = content(call)
    if len(call.text("text")) > MAX_UPDATE_CHARS:
        raise SlackError("msg_too_long")
    if said.is_empty:
        raise SlackError("no_text")
    if message.user != BOT_USER_ID:
        raise SlackError("cant_update_message")
    now = host.workspace.clock()
    if message.is_streaming(now):
        raise SlackError("streaming_state_conflict")
    changed = replace(message, stream=None)
    if said.text is not None:
        changed = replace(
            changed, text=said.text, blocks=said.blocks or (), edited_ts=f"{int(now)}.000000"
        )
    elif said.blocks is not None:
        changed = replace(changed, text=blocks.readable(said.blocks), blocks=said.blocks)
    if said.attachments is not None:
        changed = replace(changed, attachments=said.attachments)
    if call.has("metadata"):
        changed = replace(changed, metadata=given_metadata(call) or None)
    host.workspace.replace_message(changed)
    return {
        "channel": changed.channel,
        "ts": changed.ts,
        "text": changed.text,
        "message": with_metadata(host, changed),
    }


def delete(host: Host, call: Call) -> Json:
    """`chat.delete`"""
    call.need("chat:write")
    room = host.room(call.text("channel"))
    message = host.message(room, call.text("ts"))
    if message.user != BOT_USER_ID:
        raise SlackError("cant_delete_message")
    host.workspace.delete(message)
    return {"channel": message.channel, "ts": message.ts}


def post_ephemeral(host: Host, call: Call) -> Json:
    """`chat.postEphemeral`"""
    call.need("chat:write")
    room = host.room_to_post(call, call.text("channel"))
    reader = call.text("user")
    if reader not in host.workspace.people:
        raise SlackError("user_not_found")
    if reader not in room.channel.members:
        raise SlackError("user_not_in_channel")
    said = content(call)
    if said.is_empty:
        raise SlackError("no_text")
    text = said.text or blocks.readable(said.blocks or ())
    # Slack documents `msg_too_long` here without a number; a post's own limit is taken.
    if len(text) > MAX_POST_CHARS:
        raise SlackError("msg_too_long")
    message = Message(
        channel=room.channel.id,
        ts=host.workspace.next_ts(room.channel.id),
        user=BOT_USER_ID,
        text=text,
        thread_ts=host.parent_ts(room, call.text("thread_ts")),
        blocks=said.blocks or (),
        attachments=said.attachments or (),
        reader=reader,
    )
    host.workspace.add_ephemeral(message)
    return {"message_ts": message.ts}


def get_permalink(host: Host, call: Call) -> Json:
    """`chat.getPermalink`"""
    room = host.room(call.text("channel"))
    message = host.message(room, call.text("message_ts"))
    link = f"https://{TEAM_DOMAIN}.slack.com/archives/{message.channel}"
    link += "/p" + message.ts.replace(".", "")
    if message.thread_ts:
        link += f"?thread_ts={message.thread_ts}&cid={message.channel}"
    return {"channel": message.channel, "permalink": link}


def with_metadata(host: Host, message: Message) -> Json:
    """The message object with its metadata, which only the app's own calls see."""
    body = host.workspace.as_json(message)
    return body if message.metadata is None else body | {"metadata": message.metadata}
