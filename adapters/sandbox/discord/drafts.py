"""What a message is to say, checked: drafts and edits become messages that are stored nowhere yet.

All raise ApiError for what Discord would refuse. Who may send where is not asked here.
"""

from dataclasses import dataclass, replace
from typing import Final

from adapters.sandbox.discord import components
from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field
from adapters.sandbox.discord.flags import MessageFlag, Permission
from adapters.sandbox.discord.mentions import EVERYTHING, AllowedMentions, Mentions, mentions_in
from adapters.sandbox.discord.model import (
    DEFAULT,
    REPLY,
    SPOKEN,
    Attachment,
    Channel,
    Json,
    Message,
    Reference,
    TextChannel,
    Thread,
)
from adapters.sandbox.discord.state import State

MAX_CONTENT: Final = 2000


@dataclass(frozen=True, slots=True)
class Draft:
    """What is to be sent. `reply_to` is a message id of the same channel.

    A message that answers an interaction carries its metadata (`interaction`), and may have a type
    of its own and point to a message without being a reply of the bot's.
    """

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
    type: int | None = None
    forwarded: Message | None = None
    interaction: Json | None = None
    reference: Reference | None = None


@dataclass(frozen=True, slots=True)
class Edit:
    """What is to be changed; None leaves a part as it is."""

    content: str | None = None
    embeds: tuple[Json, ...] | None = None
    components: tuple[Json, ...] | None = None
    attachments: tuple[Attachment, ...] | None = None
    flags: int | None = None
    allowed: AllowedMentions = EVERYTHING


def written(
    state: State, channel: Channel, author_id: int, draft: Draft, *, seen_by: int | None = None
) -> Message:
    """The message that the draft makes, with an id; `seen_by` is the one person who will see it."""
    answered = _answered(state, channel, author_id, draft)
    reference = Reference(channel.id, answered.id) if answered is not None else draft.reference
    message = Message(
        id=0,
        channel_id=channel.id,
        author_id=author_id,
        content=draft.content.strip(),
        created_at=state.clock(),
        type=draft.type or (REPLY if reference and not reference.is_forward else DEFAULT),
        nonce=draft.nonce,
        reference=reference,
        attachments=draft.attachments,
        embeds=draft.embeds,
        components=draft.components,
        flags=draft.flags,
        tts=draft.tts,
        forwarded=draft.forwarded,
        interaction=draft.interaction,
        seen_by=seen_by,
    )
    _require_sendable(message)
    mentions = _mentions(state, channel, message, draft.allowed, answered)
    return replace(
        _with_mentions(message, mentions),
        id=state.snowflakes.mint(),
        pinged=_pinged(state, author_id, mentions),
    )


def rewritten(state: State, message: Message, changed: Edit) -> Message:
    """The message after the edit. An edit pings nobody."""
    channel = state.channel(message.channel_id)
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
    if changed.content is None:
        return edited
    # Rebuilt from scratch by the edit's own allowed_mentions (Edit Message).
    answered = (
        state.find_message(channel.id, message.reference.message_id)
        if message.reference and message.reference.message_id
        else None
    )
    return _with_mentions(edited, _mentions(state, channel, edited, changed.allowed, answered))


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
    if message.flags & MessageFlag.LOADING:
        return  # a deferred answer: it has nothing to say yet
    if len(message.content) > MAX_CONTENT:
        raise invalid_field(
            "content", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_CONTENT} or fewer in length."
        )
    if message.flags & MessageFlag.IS_COMPONENTS_V2:
        components.require_layout(message)
        return
    components.require_rows(message.components)
    if not (message.content or message.embeds or message.attachments or message.forwarded):
        raise ApiError(Refusal.EMPTY_MESSAGE)


def _mentions(
    state: State,
    channel: Channel,
    message: Message,
    allowed: AllowedMentions,
    answered: Message | None,
) -> Mentions:
    direct = not isinstance(channel, TextChannel | Thread)
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
