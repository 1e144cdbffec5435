"""A change in the world as the dispatch that the gateway sends: name, who gets it, and body.

Which intent lets an event through differs between the guild and direct messages; the body is
written per session, because content is blank for a session without the content intent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

from adapters.sandbox.discord.changes import (
    Change,
    MessageChanged,
    MessageCreated,
    MessageDeleted,
    PinsChanged,
    ReactionAdded,
    ReactionRemoved,
    ReactionsCleared,
    ThreadChanged,
    ThreadCreated,
    ThreadJoined,
    TypingStarted,
)
from adapters.sandbox.discord.flags import Intents
from adapters.sandbox.discord.ids import BOT_USER_ID, GUILD_ID
from adapters.sandbox.discord.model import Json, Message, Reaction
from adapters.sandbox.discord.payload import Payloads, emoji, iso, thread_member

_DIRECT_TWIN: Final = {
    Intents.GUILD_MESSAGES: Intents.DIRECT_MESSAGES,
    Intents.GUILD_MESSAGE_REACTIONS: Intents.DIRECT_MESSAGE_REACTIONS,
    Intents.GUILD_MESSAGE_TYPING: Intents.DIRECT_MESSAGE_TYPING,
    Intents.GUILDS: Intents.DIRECT_MESSAGES,
}


EventName = Literal[
    "CHANNEL_PINS_UPDATE",
    "GUILD_CREATE",
    "INTERACTION_CREATE",
    "MESSAGE_CREATE",
    "MESSAGE_DELETE",
    "MESSAGE_REACTION_ADD",
    "MESSAGE_REACTION_REMOVE",
    "MESSAGE_REACTION_REMOVE_ALL",
    "MESSAGE_REACTION_REMOVE_EMOJI",
    "MESSAGE_UPDATE",
    "THREAD_CREATE",
    "THREAD_MEMBERS_UPDATE",
    "THREAD_UPDATE",
    "TYPING_START",
]

PUBLISHED: Final = frozenset(get_args(EventName)) - {"GUILD_CREATE"}
"""The events that tell of changes; GUILD_CREATE comes with the handshake alone."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One event. `body(privileged)` writes it with all content or only what anybody may read.

    Without an `intent` every session of its shard gets it.
    """

    name: EventName
    intent: Intents | None
    in_guild: bool
    body: Callable[[bool], Json]
    channel_id: int | None = None


def dispatch_of(change: Change, payloads: Payloads) -> Dispatch:
    """The event that tells a bot of the change."""
    match change:
        case MessageCreated(message):
            return _message_event("MESSAGE_CREATE", message, payloads)
        case MessageChanged(message):
            return _message_event("MESSAGE_UPDATE", message, payloads)
        case MessageDeleted(message):
            body: Json = {"id": str(message.id), "channel_id": str(message.channel_id)}
            return _event(
                "MESSAGE_DELETE", Intents.GUILD_MESSAGES, message.channel_id, body, payloads
            )
        case ReactionAdded() | ReactionRemoved() | ReactionsCleared():
            return _reaction_event(change, payloads)
        case ThreadCreated(thread):
            body = {**payloads.channel(thread), "newly_created": True}
            return _event("THREAD_CREATE", Intents.GUILDS, thread.id, body, payloads)
        case ThreadChanged(thread):
            body = payloads.channel(thread)
            return _event("THREAD_UPDATE", Intents.GUILDS, thread.id, body, payloads)
        case ThreadJoined(thread, user_id):
            joined_at = dict(thread.members)[user_id]
            body = {
                "id": str(thread.id),
                "member_count": len(thread.members),
                "added_members": [thread_member(thread, user_id, joined_at)],
            }
            # Who else joined is told only with the members intent (Thread Members Update).
            intent = Intents.GUILDS if user_id == BOT_USER_ID else Intents.GUILD_MEMBERS
            return _event("THREAD_MEMBERS_UPDATE", intent, thread.id, body, payloads)
        case TypingStarted(channel, user_id, at):
            body = {"channel_id": str(channel.id), "user_id": str(user_id), "timestamp": int(at)}
            if payloads.in_guild(channel.id):
                body["member"] = payloads.full_member(user_id)
            return _event("TYPING_START", Intents.GUILD_MESSAGE_TYPING, channel.id, body, payloads)
        case PinsChanged(channel, last_pin_at):
            body = {
                "channel_id": str(channel.id),
                "last_pin_timestamp": None if last_pin_at is None else iso(last_pin_at),
            }
            return _event("CHANNEL_PINS_UPDATE", Intents.GUILDS, channel.id, body, payloads)


def place_of(change: Change) -> int:
    """The id of the channel that the change happened in."""
    match change:
        case ThreadCreated() | ThreadChanged() | ThreadJoined():
            return change.thread.id
        case TypingStarted() | PinsChanged():
            return change.channel.id
        case _:
            return change.message.channel_id


def _message_event(name: EventName, message: Message, payloads: Payloads) -> Dispatch:
    # Written now, not when asked for: a later change must not reach back into this event.
    full = payloads.message_event(message, privileged=True)
    blank = payloads.message_event(message, privileged=False)
    if name == "MESSAGE_CREATE" and message.nonce is not None:
        full["nonce"] = blank["nonce"] = message.nonce
    in_guild = payloads.in_guild(message.channel_id)
    intent = Intents.GUILD_MESSAGES if in_guild else Intents.DIRECT_MESSAGES
    return Dispatch(
        name,
        intent,
        in_guild,
        lambda privileged: full if privileged else blank,
        message.channel_id,
    )


def _reaction_event(
    change: ReactionAdded | ReactionRemoved | ReactionsCleared, payloads: Payloads
) -> Dispatch:
    message = change.message
    body: Json = {"channel_id": str(message.channel_id), "message_id": str(message.id)}
    name: EventName
    match change:
        case ReactionAdded(_, reaction):
            name = "MESSAGE_REACTION_ADD"
            body |= _reaction(reaction)
            body["message_author_id"] = str(message.author_id)
            if reaction.burst:
                body["burst_colors"] = ["#fbcb57"]
            if payloads.in_guild(message.channel_id):
                body["member"] = payloads.full_member(reaction.user_id)
        case ReactionRemoved(_, reaction):
            name = "MESSAGE_REACTION_REMOVE"
            body |= _reaction(reaction)
        case ReactionsCleared(_, None):
            name = "MESSAGE_REACTION_REMOVE_ALL"
        case ReactionsCleared(_, str(cleared)):
            name = "MESSAGE_REACTION_REMOVE_EMOJI"
            body["emoji"] = emoji(cleared)
    return _event(name, Intents.GUILD_MESSAGE_REACTIONS, message.channel_id, body, payloads)


def _reaction(reaction: Reaction) -> Json:
    return {
        "user_id": str(reaction.user_id),
        "emoji": emoji(reaction.emoji),
        "burst": reaction.burst,
        "type": int(reaction.burst),
    }


def _event(
    name: EventName, intent: Intents, channel_id: int, body: Json, payloads: Payloads
) -> Dispatch:
    """An event whose body is the same for all; `guild_id` is absent in direct messages."""
    if payloads.in_guild(channel_id):
        body["guild_id"] = str(GUILD_ID)
        return Dispatch(name, intent, True, lambda _: body, channel_id)
    return Dispatch(name, _DIRECT_TWIN[intent], False, lambda _: body, channel_id)
