"""Reactions: a set of (emoji, user, kind) under each message, at most twenty different emoji.

A repeat of what is already so is no event. Clearing tells no user ids, as on Discord.
"""

import unicodedata
from dataclasses import replace
from typing import Final

from adapters.sandbox.discord import threads
from adapters.sandbox.discord.changes import ReactionAdded, ReactionRemoved, ReactionsCleared
from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.model import Message, Reaction
from adapters.sandbox.discord.state import State

MAX_EMOJI: Final = 20
_MAX_CODE_POINTS: Final = 16
_KEYCAP: Final = "\u20e3"
_AS_EMOJI: Final = "\ufe0f"


def emoji_of(raw: str) -> str:
    """The emoji as it is stored; raises 10014 for what is none.

    The guild has no custom emoji, so only Unicode is left: told by its characters' categories,
    not by a table of all emoji.
    """
    is_emoji = any(
        char in {_KEYCAP, _AS_EMOJI} or unicodedata.category(char) == "So" for char in raw
    )
    keycap = _KEYCAP in raw
    is_text = any(char.isalpha() or (char.isascii() and not keycap) for char in raw)
    if not is_emoji or is_text or len(raw) > _MAX_CODE_POINTS:
        raise ApiError(Refusal.UNKNOWN_EMOJI)
    return raw


def add(state: State, message: Message, reaction: Reaction) -> None:
    """Put a reaction under the message; raises 30010 for a 21st emoji, 50083 when archived."""
    threads.require_not_archived(state.channel(message.channel_id))
    if reaction in message.reactions:
        return
    used = {other.emoji for other in message.reactions}
    if reaction.emoji not in used and len(used) >= MAX_EMOJI:
        raise ApiError(Refusal.TOO_MANY_REACTIONS)
    changed = replace(message, reactions=(*message.reactions, reaction))
    state.put_message(changed)
    state.emit(ReactionAdded(changed, reaction))


def remove(state: State, message: Message, reaction: Reaction) -> None:
    """Take a reaction away; nothing happens if it is not there."""
    threads.require_not_archived(state.channel(message.channel_id))
    if reaction not in message.reactions:
        return
    left = tuple(other for other in message.reactions if other != reaction)
    changed = replace(message, reactions=left)
    state.put_message(changed)
    state.emit(ReactionRemoved(changed, reaction))


def clear(state: State, message: Message, emoji: str | None = None) -> None:
    """Take away all reactions, or all with one emoji."""
    threads.require_not_archived(state.channel(message.channel_id))
    left = tuple(other for other in message.reactions if emoji is not None and other.emoji != emoji)
    if left == message.reactions:
        return
    changed = replace(message, reactions=left)
    state.put_message(changed)
    state.emit(ReactionsCleared(changed, emoji))
