"""The values that the workspace is made of: messages, reactions, streams, threads, statuses.

Frozen: a change makes a new value, so that an event can carry what was there before.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

from adapters.sandbox.slack.directory import BOT_USER_ID

Json = dict[str, Any]
"""A JSON object on the wire."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """One emoji name and the user ids of those who gave it, in order."""

    name: str
    users: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A message that is being streamed, until it is stopped or `expires_at` comes.

    `mode` is fixed by the first content; `recipient` is the one user who sees it grow, None in a
    direct message; `first_text` is what everybody else sees meanwhile. `by_user` tells that a
    person stopped it.
    """

    expires_at: float
    mode: Literal["text", "chunks"] | None
    recipient: str | None
    size_bytes: int
    first_text: str | None
    by_user: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message. `ts` is its id in the channel; `thread_ts` its parent's, None outside a thread.

    `edited_ts` is when its text was last changed, None if never. `reader` is set for an ephemeral
    message: the only user who sees it.
    """

    channel: str
    ts: str
    user: str
    text: str
    subtype: str | None = None
    thread_ts: str | None = None
    blocks: tuple[Json, ...] = ()
    attachments: tuple[Json, ...] = ()
    files: tuple[Json, ...] = ()
    metadata: Json | None = None
    client_msg_id: str | None = None
    edited_ts: str | None = None
    reader: str | None = None
    stream: Stream | None = None
    reactions: tuple[Reaction, ...] = ()

    @property
    def by_bot(self) -> bool:
        """Whether the bot posted it."""
        return self.user == BOT_USER_ID

    def is_streaming(self, now: float) -> bool:
        """Whether more can be appended to it."""
        stream = self.stream
        return stream is not None and stream.expires_at > now and not stream.by_user

    @property
    def in_channel(self) -> bool:
        """Whether it stands in the channel itself and not only in a thread."""
        return self.thread_ts is None or self.subtype == "thread_broadcast"

    def has_reaction(self, name: str, user: str) -> bool:
        """Whether `user` gave the reaction `name`."""
        return any(one.name == name and user in one.users for one in self.reactions)

    def with_reaction(self, name: str, user: str) -> "Message":
        """The same message with the reaction; its emoji keep the order of their first giver."""
        if any(one.name == name for one in self.reactions):
            reactions = tuple(
                replace(one, users=(*one.users, user)) if one.name == name else one
                for one in self.reactions
            )
        else:
            reactions = (*self.reactions, Reaction(name, (user,)))
        return replace(self, reactions=reactions)

    def without_reaction(self, name: str, user: str) -> "Message":
        """The same message without the reaction; an emoji that nobody gives disappears."""
        fewer = (
            replace(one, users=tuple(giver for giver in one.users if giver != user))
            if one.name == name
            else one
            for one in self.reactions
        )
        return replace(self, reactions=tuple(one for one in fewer if one.users))


@dataclass(frozen=True, slots=True)
class Thread:
    """What a parent message tells about its replies, oldest first."""

    replies: tuple[Message, ...]

    @property
    def users(self) -> tuple[str, ...]:
        """Who replied, in order of their first reply."""
        return tuple(dict.fromkeys(reply.user for reply in self.replies))


@dataclass(frozen=True, slots=True)
class Status:
    """What the bot is said to be doing in a thread, until `expires_at`."""

    text: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Session:
    """An agent session of a thread: one of Slack's four statuses, and its title."""

    status: str
    title: str
