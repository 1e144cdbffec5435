"""The nouns of a Discord guild as plain values; state changes replace them by new ones.

Times are seconds of Unix time. Embeds and components are kept as the JSON that came in.
"""

from dataclasses import dataclass, field
from typing import Any, Final, Literal

Json = dict[str, Any]

DEFAULT: Final = 0
PINNED: Final = 6
THREAD_CREATED: Final = 18
REPLY: Final = 19
SLASH_ANSWER: Final = 20
THREAD_STARTER: Final = 21
MENU_ANSWER: Final = 23
"""Message types; the two answers are those to a slash command and to one of a message's menu."""

SPOKEN: Final = frozenset({DEFAULT, REPLY, SLASH_ANSWER, MENU_ANSWER})
"""Message types that somebody wrote; all others are the platform's own notes."""

ArchiveMinutes = Literal[60, 1440, 4320, 10080]


@dataclass(frozen=True, slots=True)
class User:
    """A person, or the bot."""

    id: int
    name: str
    bot: bool = False


@dataclass(frozen=True, slots=True)
class TextChannel:
    """A public text channel of the guild."""

    id: int
    name: str
    position: int


@dataclass(frozen=True, slots=True)
class DirectChannel:
    """The direct message channel between a person and the bot."""

    id: int
    recipient_id: int


@dataclass(frozen=True, slots=True)
class Thread:
    """A public thread; made from a message, it has that message's id.

    `sent` counts what was ever said in it, deleted messages included; `members` are user ids in
    the order of joining, each with its time.
    """

    id: int
    parent_id: int
    owner_id: int
    name: str
    created_at: float
    auto_archive_minutes: ArchiveMinutes
    archived: bool
    locked: bool
    archived_changed_at: float
    slowmode_s: int
    sent: int
    members: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True)
class AwayChannel:
    """Where the bot is not: a channel of a guild without it, or with no guild a group of people.

    It learns of neither by the gateway or by REST; interactions alone come from there.
    """

    id: int
    name: str
    guild_id: int | None


Channel = TextChannel | DirectChannel | Thread | AwayChannel


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file under a message, bytes included."""

    id: int
    filename: str
    content_type: str
    description: str | None
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """What a message points to: a message, or a channel alone (a new thread).

    `is_forward`: the message is forwarded, and not answered.
    """

    channel_id: int
    message_id: int | None
    is_forward: bool = False


@dataclass(frozen=True, slots=True)
class Reaction:
    """One user's emoji under a message; with `burst`, a super reaction, which counts apart."""

    emoji: str
    user_id: int
    burst: bool


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `pinged` are the users who were notified when it was sent, `forwarded` is the
    message that it forwards, as that was then.

    `interaction` is the metadata of the interaction that it answers; `seen_by` the one person who
    sees it, when it is ephemeral.
    """

    id: int
    channel_id: int
    author_id: int
    content: str
    created_at: float
    type: int = DEFAULT
    nonce: str | int | None = None
    reference: Reference | None = None
    attachments: tuple[Attachment, ...] = ()
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    flags: int = 0
    tts: bool = False
    edited_at: float | None = None
    mentions: tuple[int, ...] = ()
    mention_roles: tuple[int, ...] = ()
    mention_everyone: bool = False
    pinged: frozenset[int] = frozenset()
    pinned_at: float | None = None
    reactions: tuple[Reaction, ...] = ()
    forwarded: "Message | None" = None
    interaction: Json | None = None
    seen_by: int | None = None
