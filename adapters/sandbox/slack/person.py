"""How a person names and sees things: handles and channel names in, message views out."""

from adapters.sandbox.interactive import FieldView, ModalView
from adapters.sandbox.platform import (
    DM,
    AuditView,
    ButtonView,
    ControlError,
    MessageView,
    ReactionView,
)
from adapters.sandbox.slack import blocks
from adapters.sandbox.slack.chat import MAX_POST_CHARS
from adapters.sandbox.slack.directory import AWAY_IDS, CHANNEL_IDS, HANDLES, IM_IDS, USER_IDS
from adapters.sandbox.slack.elements import pressable
from adapters.sandbox.slack.emoji import shown_as
from adapters.sandbox.slack.messages import Message
from adapters.sandbox.slack.modals import Modal
from adapters.sandbox.slack.passing import CHANNEL_NAMES
from adapters.sandbox.slack.text import shown
from adapters.sandbox.slack.view_rules import fields
from adapters.sandbox.slack.workspace import Room, Workspace


def check_person(workspace: Workspace, user: str) -> None:
    """Raise ControlError unless `user` is the handle of a person who is there."""
    if USER_IDS.get(user) not in workspace.people:
        raise ControlError(f"there is no person {user!r}")


def room_of(workspace: Workspace, channel: str, user: str) -> Room:
    """The room that `user` means by `channel`: a public channel's name, or `dm`."""
    check_person(workspace, user)
    id_ = IM_IDS[user] if channel == "dm" else (CHANNEL_IDS | AWAY_IDS).get(channel)
    room = workspace.room(id_) if id_ else None
    if room is None:
        raise ControlError(f"there is no channel {channel!r}")
    return room


def message_in(room: Room, ts: str) -> Message:
    """The message with a ts; raises ControlError."""
    message = room.messages.get(ts)
    if message is None:
        raise ControlError(f"there is no message {ts!r} in that channel")
    return message


def seen_message(room: Room, ts: str, user: str) -> Message:
    """The message with a ts, private ones to `user` (an id) included; raises ControlError."""
    private = [one for one in room.ephemerals if one.ts == ts and one.reader == user]
    return private[0] if private else message_in(room, ts)


def own_message(room: Room, ts: str, *authors: str) -> Message:
    """The message with a ts when one of `authors` (user ids) wrote it; raises ControlError."""
    message = message_in(room, ts)
    if message.user not in authors:
        raise ControlError("Slack lets people change their own messages only")
    return message


def check_text(text: str) -> None:
    """Raise ControlError for a text that Slack's own client would not send."""
    if not text.strip():
        raise ControlError("the text is empty")
    if len(text) > MAX_POST_CHARS:
        raise ControlError(f"the text is longer than {MAX_POST_CHARS} characters")


def view(message: Message) -> MessageView:
    """A message as a person sees it."""
    if message.by_bot and message.blocks:
        text = blocks.readable(message.blocks)
    else:
        text = shown(message.text)
    shared = (f"↪ {shown(one['text'])}" for one in message.attachments if one.get("is_share"))
    lines = [text, *shared, *(f"📎 {file['title']}" for file in message.files)]
    return MessageView(
        id=message.ts,
        user=HANDLES.get(message.user, "slackbot"),
        bot=message.by_bot,
        text="\n".join(line for line in lines if line),
        thread=message.thread_ts,
        reply_to=None,
        edited=message.edited_ts is not None,
        reactions=tuple(
            ReactionView(
                emoji=shown_as(one.name),
                users=tuple(HANDLES[user] for user in one.users),
            )
            for one in message.reactions
        ),
        buttons=tuple(ButtonView(one.id, one.label) for one in pressable(message.blocks)),
        private=message.reader is not None,
    )


def modal_view(modal: Modal) -> ModalView:
    """A modal as a person sees it; a field's id is its block's and its own."""
    return ModalView(
        id=modal.id,
        title=modal.view["title"]["text"],
        submit=(modal.view.get("submit") or {}).get("text", ""),
        fields=tuple(
            FieldView(
                id=f"{one.block_id}/{one.action_id}",
                label=one.label,
                value=one.value,
                placeholder=one.placeholder,
                required=one.required,
                multiline=one.multiline,
                max_length=one.max_length,
            )
            for one in fields(modal.view["blocks"])
        ),
    )


def audited(room: Room, message: Message, now: float) -> AuditView:
    """A message as an auditor sees it, whoever may read it."""
    channel = CHANNEL_NAMES[room.channel.id]
    return AuditView(
        view=view(message),
        channel=channel,
        person=HANDLES[room.channel.name] if channel == DM else None,
        metadata=message.metadata,
        streaming=message.is_streaming(now),
    )
