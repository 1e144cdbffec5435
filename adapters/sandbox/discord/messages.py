"""Messages: sending, editing, deleting, pinning, with the platform's checks.

The same transitions serve the bot's requests and the people's; all raise ApiError for what
Discord would refuse. A repeated nonce gives the first message and makes none.
"""

from dataclasses import dataclass, replace
from typing import Final

from adapters.sandbox.discord import components, threads
from adapters.sandbox.discord.changes import (
    MessageChanged,
    MessageCreated,
    MessageDeleted,
    PinsChanged,
)
from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field
from adapters.sandbox.discord.flags import MessageFlag, Permission
from adapters.sandbox.discord.mentions import EVERYTHING, AllowedMentions, Mentions, mentions_in
from adapters.sandbox.discord.model import (
    PINNED,
    REPLY,
    SPOKEN,
    Attachment,
    Channel,
    DirectChannel,
    Json,
    Message,
    Reference,
    Thread,
)
from adapters.sandbox.discord.state import State

MAX_CONTENT: Final = 2000


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be sent. `reply_to` is a message id of the same channel."""

    content: str = ""
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    flags: int = 0
    tts: bool = False
    reply_to: int | None = None
    fail_if_not_exists: bool = True
    allowed: AllowedMentions = EVERYTHING
    nonce: str | int | None = None
    enforce_nonce: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be changed; None leaves a part as it is."""

    content: str | None = None
    embeds: tuple[Json, ...] | None = None
    components: tuple[Json, ...] | None = None
    attachments: tuple[Attachment, ...] | None = None
    flags: int | None = None
    allowed: AllowedMentions = EVERYTHING


def create(state: State, channel: Channel, author_id: int, draft: Draft) -> Message:
    """Send a message. An archived thread is unarchived by it, unless it is locked (160005)."""
    if draft.enforce_nonce and draft.nonce is not None:
        first = state.message_of_nonce(author_id, draft.nonce)
        if first is not None:
            return first
    _require_may_send(state, channel, author_id)
    answered = _answered(state, channel, author_id, draft)
    message = Message(
        id=0,
        channel_id=channel.id,
        author_id=author_id,
        content=draft.content.strip(),
        created_at=state.clock(),
        type=REPLY if answered is not None else 0,
        nonce=draft.nonce,
        reference=Reference(channel.id, answered.id) if answered is not None else None,
        attachments=draft.attachments,
        embeds=draft.embeds,
        components=draft.components,
        flags=draft.flags,
        tts=draft.tts,
    )
    _require_sendable(message)
    mentions = _mentions(state, channel, message, draft.allowed, answered)
    message = replace(
        _with_mentions(message, mentions),
        id=state.snowflakes.mint(),
        pinged=_pinged(state, author_id, mentions),
    )
    if isinstance(channel, Thread):
        threads.wake(state, channel)
        threads.join(state, channel.id, author_id)
    _store(state, message)
    return message


def edit(state: State, message: Message, editor_id: int, changed: Edit) -> Message:
    """Edit one's own message (50005 for another's). An edit pings nobody."""
    channel = state.channel(message.channel_id)
    if message.type not in SPOKEN:
        raise ApiError(Refusal.SYSTEM_MESSAGE)
    if message.author_id != editor_id:
        raise ApiError(Refusal.NOT_THE_AUTHOR)
    threads.require_not_archived(channel)
    flags = message.flags if changed.flags is None else changed.flags
    if message.flags & MessageFlag.IS_COMPONENTS_V2:
        flags |= MessageFlag.IS_COMPONENTS_V2  # once set it stays (Message flags)
    edited = replace(
        message,
        content=message.content if changed.content is None else changed.content.strip(),
        embeds=message.embeds if changed.embeds is None else changed.embeds,
        components=message.components if changed.components is None else changed.components,
        attachments=message.attachments if changed.attachments is None else changed.attachments,
        flags=flags,
    )
    _require_sendable(edited)
    parts = (changed.content, changed.embeds, changed.components, changed.attachments)
    if any(part is not None for part in parts):
        edited = replace(edited, edited_at=state.clock())
    if changed.content is not None:
        # Rebuilt from scratch by the edit's own allowed_mentions (Edit Message).
        answered = (
            state.find_message(channel.id, message.reference.message_id)
            if message.reference and message.reference.message_id
            else None
        )
        edited = _with_mentions(
            edited, _mentions(state, channel, edited, changed.allowed, answered)
        )
    state.put_message(edited)
    state.emit(MessageChanged(edited))
    return edited


def delete(state: State, message: Message, user_id: int) -> None:
    """Delete a message; another's needs MANAGE_MESSAGES, which nobody has in a direct channel."""
    channel = state.channel(message.channel_id)
    if message.author_id != user_id:
        require_moderator(state, channel, user_id)
    state.drop_message(message)
    state.emit(MessageDeleted(message))


def pin(state: State, message: Message, user_id: int, *, pinned: bool) -> None:
    """Pin or unpin; a pin is noted in the channel by a message of its own, a repeat is nothing."""
    if message.type not in SPOKEN:
        raise ApiError(Refusal.SYSTEM_MESSAGE)
    if (message.pinned_at is not None) == pinned:
        return
    channel = state.channel(message.channel_id)
    changed = replace(message, pinned_at=state.clock() if pinned else None)
    state.put_message(changed)
    state.emit(MessageChanged(changed))
    times = [other.pinned_at for other in state.history(channel.id) if other.pinned_at is not None]
    state.emit(PinsChanged(channel, max(times, default=None)))
    if pinned:
        note(state, channel.id, user_id, PINNED, Reference(channel.id, message.id))


def note(
    state: State,
    channel_id: int,
    author_id: int,
    type_: int,
    reference: Reference,
    *,
    content: str = "",
) -> Message:
    """A message that the platform itself writes: its type says what, it points to something."""
    message = Message(
        id=state.snowflakes.mint(),
        channel_id=channel_id,
        author_id=author_id,
        content=content,
        created_at=state.clock(),
        type=type_,
        reference=reference,
    )
    _store(state, message)
    return message


def require_moderator(state: State, channel: Channel, user_id: int) -> None:
    """Raise unless the user may handle other people's messages and reactions there."""
    if isinstance(channel, DirectChannel):
        raise ApiError(Refusal.NOT_IN_DM)
    if not state.allows(user_id, channel, Permission.MANAGE_MESSAGES):
        raise ApiError(Refusal.MISSING_PERMISSIONS)


def _store(state: State, message: Message) -> None:
    state.put_message(message)
    state.remember_nonce(message)
    state.stop_typing(message.channel_id, message.author_id)
    if message.type in SPOKEN:
        threads.count(state, message.channel_id)
    state.emit(MessageCreated(message))


def _require_may_send(state: State, channel: Channel, author_id: int) -> None:
    needed = (
        Permission.SEND_MESSAGES_IN_THREADS
        if isinstance(channel, Thread)
        else Permission.SEND_MESSAGES
    )
    if not state.allows(author_id, channel, needed):
        raise ApiError(Refusal.MISSING_PERMISSIONS)
    if (
        isinstance(channel, Thread)
        and channel.locked
        and not state.allows(author_id, channel, Permission.MANAGE_THREADS)
    ):
        raise ApiError(Refusal.THREAD_LOCKED)


def _answered(state: State, channel: Channel, author_id: int, draft: Draft) -> Message | None:
    """The message that is replied to, or None for a plain message."""
    if draft.reply_to is None:
        return None
    if not state.allows(author_id, channel, Permission.READ_MESSAGE_HISTORY):
        raise ApiError(Refusal.NO_HISTORY)
    answered = state.find_message(channel.id, draft.reply_to)
    if answered is None:
        if draft.fail_if_not_exists:
            raise invalid_field("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return None
    if answered.type not in SPOKEN:
        raise invalid_field(
            "message_reference",
            "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE",
            "Cannot reply to a system message",
        )
    return answered


def _require_sendable(message: Message) -> None:
    if len(message.content) > MAX_CONTENT:
        raise invalid_field(
            "content", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_CONTENT} or fewer in length."
        )
    if message.flags & MessageFlag.IS_COMPONENTS_V2:
        components.require_layout(message)
        return
    components.require_rows(message.components)
    if not (message.content or message.embeds or message.attachments):
        raise ApiError(Refusal.EMPTY_MESSAGE)


def _mentions(
    state: State,
    channel: Channel,
    message: Message,
    allowed: AllowedMentions,
    answered: Message | None,
) -> Mentions:
    direct = isinstance(channel, DirectChannel)
    replied = answered.author_id if answered and answered.author_id != message.author_id else None
    return mentions_in(
        message.content,
        allowed=allowed,
        users=state.users,
        roles=() if direct else state.role_members,
        everyone=not direct
        and state.allows(message.author_id, channel, Permission.MENTION_EVERYONE),
        replied=replied,
    )


def _with_mentions(message: Message, mentions: Mentions) -> Message:
    return replace(
        message,
        mentions=mentions.users,
        mention_roles=mentions.roles,
        mention_everyone=mentions.everyone,
    )


def _pinged(state: State, author_id: int, mentions: Mentions) -> frozenset[int]:
    pinged = set(mentions.users)
    for role in mentions.roles:
        pinged |= state.role_members[role]
    if mentions.everyone:
        pinged |= state.users.keys()
    return frozenset(pinged - {author_id})
