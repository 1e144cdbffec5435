"""Our nouns as Discord's JSON.

Optional keys are left out rather than sent as null where discord.py chokes on null, ids are
strings, and a message's content is blank for an application that may not read it, whatever way
the message goes out.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from adapters.sandbox.discord.bare_guild import BARE_GUILD
from adapters.sandbox.discord.flags import MessageFlag
from adapters.sandbox.discord.identity import member, roles, user
from adapters.sandbox.discord.ids import (
    APPLICATION_ID,
    BOT_USER_ID,
    FOUNDED_ISO,
    GUILD_ID,
    PEOPLE_IDS,
)
from adapters.sandbox.discord.model import (
    REPLY,
    SPOKEN,
    THREAD_STARTER,
    Attachment,
    AwayChannel,
    Channel,
    DirectChannel,
    Json,
    Message,
    Reaction,
    Reference,
    TextChannel,
    Thread,
)
from adapters.sandbox.discord.state import State

GUILD_NAME: Final = "Sandbox"


def iso(at: float) -> str:
    """A time as Discord writes it: ISO 8601 with microseconds and offset."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def emoji(name: str) -> Json:
    """A Unicode emoji: no id, the characters as its name."""
    return {"id": None, "name": name}


class Payloads:
    """Writes what needs the world's tables: messages, channels, the guild.

    `url_of` signs the address of an attachment at the time of writing.
    """

    def __init__(self, state: State, url_of: Callable[[int, Attachment], str]) -> None:
        self._state = state
        self._url_of = url_of

    def full_member(self, user_id: int) -> Json:
        """A member with its user."""
        return {**member(user_id), "user": user(self._state.users[user_id])}

    def members(self) -> list[Json]:
        """All members of the guild, with their users."""
        return [self.full_member(user_id) for user_id in self._state.users]

    def channel(self, channel: Channel) -> Json:
        """A channel, direct channel or thread."""
        last = self._state.last_message_id(channel.id)
        body: Json = {
            "id": str(channel.id),
            "last_message_id": None if last is None else str(last),
            "flags": 0,
        }
        match channel:
            case DirectChannel():
                recipient = user(self._state.users[channel.recipient_id])
                return {**body, "type": 1, "recipients": [recipient]}
            case TextChannel():
                return {
                    **body,
                    "type": 0,
                    "guild_id": str(GUILD_ID),
                    "name": channel.name,
                    "position": channel.position,
                    "permission_overwrites": [],
                    "parent_id": None,
                    "topic": None,
                    "nsfw": False,
                    "rate_limit_per_user": 0,
                }
            case Thread():
                return {**body, **self._thread(channel)}
            case AwayChannel(guild_id=None):
                people = [user(one) for one in self._state.users.values() if not one.bot]
                owner = people[0]["id"]
                named = {"name": channel.name, "owner_id": owner, "icon": None}
                return {**body, **named, "type": 3, "recipients": people}
            case AwayChannel():
                named = {"name": channel.name, "guild_id": str(channel.guild_id), "position": 0}
                return {**body, **named, "type": 0, "permission_overwrites": []}

    def _thread(self, thread: Thread) -> Json:
        spoken = sum(note.type in SPOKEN for note in self._state.history(thread.id))
        body: Json = {
            "type": 11,
            "guild_id": str(GUILD_ID),
            "parent_id": str(thread.parent_id),
            "owner_id": str(thread.owner_id),
            "name": thread.name,
            "message_count": spoken,
            "member_count": min(len(thread.members), 50),
            "total_message_sent": thread.sent,
            "rate_limit_per_user": thread.slowmode_s,
            "thread_metadata": {
                "archived": thread.archived,
                "auto_archive_duration": thread.auto_archive_minutes,
                "archive_timestamp": iso(thread.archived_changed_at),
                "locked": thread.locked,
                "create_timestamp": iso(thread.created_at),
            },
        }
        for user_id, joined_at in thread.members:
            if user_id == BOT_USER_ID:
                body["member"] = thread_member(thread, user_id, joined_at)
        return body

    def message(self, message: Message, *, privileged: bool, nested: bool = True) -> Json:
        """A message as REST gives it; `privileged` tells that all content may be read.

        With `nested`, the message it answers to stands inside, that one without its own.
        """
        readable = privileged or self._readable_anyway(message)
        mentions = [user(self._state.users[who]) for who in message.mentions]
        flags = message.flags
        thread = self._state.thread(message.id)
        if thread is not None:
            flags |= MessageFlag.HAS_THREAD
        body: Json = {
            "id": str(message.id),
            "type": message.type,
            "channel_id": str(message.channel_id),
            "author": user(self._state.users[message.author_id]),
            "content": message.content if readable else "",
            "attachments": self._attachments(message) if readable else [],
            "embeds": list(message.embeds) if readable else [],
            "components": list(message.components) if readable else [],
            "mentions": mentions,
            "mention_roles": [str(role) for role in message.mention_roles],
            "mention_everyone": message.mention_everyone,
            "pinned": message.pinned_at is not None,
            "tts": message.tts,
            "timestamp": iso(message.created_at),
            "edited_timestamp": None if message.edited_at is None else iso(message.edited_at),
            "flags": int(flags),
        }
        if message.forwarded is not None:
            body["message_snapshots"] = [self._snapshot(message.forwarded)] if readable else []
        if message.interaction is not None:
            body |= _answering(message.interaction)
        if message.reactions:
            body["reactions"] = _reaction_counts(message.reactions)
        if message.reference is not None:
            body["message_reference"] = self._pointer(message.reference)
            if nested and message.type in {REPLY, THREAD_STARTER}:
                body["referenced_message"] = self._referenced(
                    message.reference, privileged=privileged
                )
        if thread is not None:
            body["thread"] = self.channel(thread)
        return body

    def message_event(self, message: Message, *, privileged: bool) -> Json:
        """A message as the gateway gives it: in the guild with its id and the members' parts."""
        body = self.message(message, privileged=privileged)
        if not self.in_guild(message.channel_id):
            return body
        body["guild_id"] = str(GUILD_ID)
        body["member"] = member(message.author_id)
        for mention in body["mentions"]:
            mention["member"] = member(int(mention["id"]))
        return body

    def in_guild(self, channel_id: int) -> bool:
        """Whether the channel belongs to the guild (a thread does)."""
        return isinstance(self._state.channel(channel_id), TextChannel | Thread)

    def guild(self, *, everybody: bool) -> Json:
        """The guild as GUILD_CREATE gives it; `everybody` lists all members and not only the bot.

        Without the presences intent Discord lists the bot alone (Gateway, Guild Create).
        """
        channels = self._state.channels.values()
        listed = self._state.users if everybody else [BOT_USER_ID]
        return {
            **BARE_GUILD,
            "id": str(GUILD_ID),
            "name": GUILD_NAME,
            "owner_id": str(next(iter(PEOPLE_IDS.values()))),
            "roles": roles(self._state.permissions),
            "joined_at": FOUNDED_ISO,
            "member_count": len(self._state.users),
            "members": [self.full_member(user_id) for user_id in listed],
            "channels": [self.channel(one) for one in channels if isinstance(one, TextChannel)],
            "threads": [
                self.channel(one)
                for one in channels
                if isinstance(one, Thread) and not one.archived
            ],
        }

    def _readable_anyway(self, message: Message) -> bool:
        # The exceptions that need no privileged intent (Gateway, Message Content Intent): the
        # app's own messages, direct messages with it, messages that mention it. The fourth, the
        # target of a message command, comes with an interaction and has no message event.
        return (
            message.author_id == BOT_USER_ID
            or not self.in_guild(message.channel_id)
            or BOT_USER_ID in message.mentions
        )

    def _attachments(self, message: Message) -> list[Json]:
        written = []
        for file in message.attachments:
            url = self._url_of(message.channel_id, file)
            body: Json = {
                "id": str(file.id),
                "filename": file.filename,
                "size": len(file.data),
                "content_type": file.content_type,
                "url": url,
                "proxy_url": url,
            }
            if file.description is not None:
                body["description"] = file.description
            written.append(body)
        return written

    def _pointer(self, reference: Reference) -> Json:
        body: Json = {"type": int(reference.is_forward), "channel_id": str(reference.channel_id)}
        if reference.message_id is not None:
            body["message_id"] = str(reference.message_id)
        if self.in_guild(reference.channel_id):
            body["guild_id"] = str(GUILD_ID)
        return body

    def _snapshot(self, message: Message) -> Json:
        """A forwarded message: what it said, and not who said it."""
        whole = self.message(message, privileged=True, nested=False)
        names = "type content attachments embeds components mentions mention_roles timestamp"
        names += " edited_timestamp flags"
        return {"message": {name: whole[name] for name in names.split()}}

    def _referenced(self, reference: Reference, *, privileged: bool) -> Json | None:
        if reference.message_id is None:
            return None
        found = self._state.find_message(reference.channel_id, reference.message_id)
        return None if found is None else self.message(found, privileged=privileged, nested=False)


def thread_member(thread: Thread, user_id: int, joined_at: float) -> Json:
    """A user's membership of a thread."""
    return {
        "id": str(thread.id),
        "user_id": str(user_id),
        "join_timestamp": iso(joined_at),
        "flags": 0,
    }


def _answering(metadata: Json) -> Json:
    """What the answer to an interaction carries: it was sent by the application's webhook."""
    return {
        "webhook_id": str(APPLICATION_ID),
        "application_id": str(APPLICATION_ID),
        "interaction_metadata": metadata,
    }


def _reaction_counts(reactions: Iterable[Reaction]) -> list[Json]:
    by_emoji: dict[str, list[Reaction]] = {}
    for reaction in reactions:
        by_emoji.setdefault(reaction.emoji, []).append(reaction)
    return [
        {
            "emoji": emoji(name),
            "count": len(given),
            "count_details": {
                "burst": sum(one.burst for one in given),
                "normal": sum(not one.burst for one in given),
            },
            "burst_colors": [],
            "me": any(one.user_id == BOT_USER_ID and not one.burst for one in given),
            "me_burst": any(one.user_id == BOT_USER_ID and one.burst for one in given),
        }
        for name, given in by_emoji.items()
    ]
