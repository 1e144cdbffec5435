"""Discord's events as ours."""

import re
from collections.abc import Collection
from dataclasses import replace
from typing import Final

import discord

from adapters.discord import enclosed
from adapters.discord.standing import of_message
from bot.domain import Incoming, MessageRef, Person, Place, Reaction

QUESTIONS: Final = frozenset({discord.MessageType.default, discord.MessageType.reply})
"""All other types are written by Discord itself."""

_CODE = re.compile(r"```.*?```|``.+?``|`[^`\n]+`", re.DOTALL)
_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_CHANNEL = re.compile(r"<#(\d+)>")


def incoming(
    message: discord.Message, me: discord.ClientUser, *, bots: Collection[str] = ()
) -> Incoming | None:
    """A message as a possible question; None when it can be none.

    What the bots of these ids write may be one, but nothing that we wrote ourselves.
    """
    is_bot = message.author.bot or message.webhook_id is not None
    if message.type not in QUESTIONS or message.author.id == me.id:
        return None
    if is_bot and str(message.author.id) not in bots:
        return None
    spoken = _CODE.sub(" ", message.content)  # what looks like a mention in code is none
    users = {int(user) for user in _USER.findall(spoken)}
    roles = {int(role) for role in _ROLE.findall(spoken)}
    ours = _own_roles(message)
    reply, replied = _reply(message)
    # A reply to somebody else is said to them; its ping, and that of one to us, is no mention.
    to_others = replied is not None and replied not in {me.id, message.author.id}
    place = place_of(message)
    return Incoming(
        ref=MessageRef(
            platform="discord",
            workspace=workspace(message.guild.id if message.guild else None),
            channel=str(message.channel.id),
            message=str(message.id),
        ),
        author=Person("discord", str(message.author.id), message.author.display_name),
        text=_plain(message, me, ours),
        place=place,
        sent_at=message.created_at.timestamp(),
        thread=str(message.channel.id) if place == "thread" else None,
        reply_to=reply,
        mentions_bot=me.id in users or bool(roles & ours),
        attachments=enclosed.files(message),
        quotes=enclosed.quotes(message),
        mentions_others=to_others
        or bool(users - {me.id})
        or bool(roles - ours)
        or message.mention_everyone,
        standing=replace(of_message(message), is_bot=is_bot),
        answers_bot=replied == me.id,
        parent=_parent(message),
    )


def reaction(payload: discord.RawReactionActionEvent, *, me: int, name: str, at: float) -> Reaction:
    """A reaction event; `me` is the bot's id, `name` what the person is called, "" if unknown."""
    author = payload.message_author_id  # which only added reactions tell
    return Reaction(
        ref=MessageRef(
            platform="discord",
            workspace=workspace(payload.guild_id),
            channel=str(payload.channel_id),
            message=str(payload.message_id),
        ),
        person=Person("discord", str(payload.user_id), name),
        emoji=emoji_of(payload.emoji),
        present=payload.event_type == "REACTION_ADD",
        at=at,
        kind=payload.type.name,
        ours=None if author is None else author == me,
    )


def emoji_of(emoji: discord.PartialEmoji | discord.Emoji | str) -> str:
    """An emoji as text. A custom one is known by its id: names change and repeat."""
    if isinstance(emoji, str):
        return emoji
    return str(emoji.id) if emoji.id else emoji.name


AWAY: Final = "away"
"""The workspace of places where we are not: only interactions lead there."""


def workspace(guild: int | None) -> str:
    """The name of the workspace that a message stands in."""
    return str(guild) if guild else "dm"


def place_of(message: discord.Message) -> Place:
    """Where a message stands."""
    if message.guild is None:
        return "dm"
    # discord.py knows the guild's channels and active threads: what it does not know is a thread.
    threads = (discord.Thread, discord.PartialMessageable)
    return "thread" if isinstance(message.channel, threads) else "channel"


def _reply(message: discord.Message) -> tuple[str | None, int | None]:
    """The message that one replies to, and who wrote that, where Discord tells it."""
    reference = message.reference
    if (
        reference is None
        or reference.type is not discord.MessageReferenceType.reply
        or reference.message_id is None
    ):
        return None, None
    found = reference.resolved or reference.cached_message
    author = found.author.id if isinstance(found, discord.Message) else None
    return str(reference.message_id), author


def _parent(message: discord.Message) -> str | None:
    """The channel that a thread hangs in, "" where it is not known."""
    if place_of(message) != "thread":
        return None
    return str(message.channel.parent_id) if isinstance(message.channel, discord.Thread) else ""


def _own_roles(message: discord.Message) -> set[int]:
    """The bot's own role, which autocomplete may insert in place of the bot."""
    role = message.guild.self_role if message.guild else None
    return {role.id} if role else set()


def text_of(message: discord.Message, me: discord.ClientUser) -> str:
    """The text of a message as people read it, and without the bot's own mention."""
    return _plain(message, me, _own_roles(message))


def _plain(message: discord.Message, me: discord.ClientUser, ours: set[int]) -> str:
    """The text with mentions as people read them, and without the bot's own."""
    names = {user.id: user.display_name for user in message.mentions}
    guild = message.guild

    def user(match: re.Match[str]) -> str:
        user_id = int(match[1])
        return "" if user_id == me.id else "@" + names.get(user_id, match[1])

    def role(match: re.Match[str]) -> str:
        found = guild.get_role(int(match[1])) if guild else None
        return "" if int(match[1]) in ours else "@" + (found.name if found else match[1])

    def channel(match: re.Match[str]) -> str:
        found = guild.get_channel_or_thread(int(match[1])) if guild else None
        return "#" + (found.name if found else match[1])

    text = _USER.sub(user, message.content)
    return _CHANNEL.sub(channel, _ROLE.sub(role, text)).strip()
