"""The bit fields of Discord's API that this world acts upon."""

from enum import IntFlag


class Intents(IntFlag):
    """What a session asks to be told (Gateway, op 2)."""

    GUILDS = 1 << 0
    GUILD_MEMBERS = 1 << 1
    GUILD_PRESENCES = 1 << 8
    GUILD_MESSAGES = 1 << 9
    GUILD_MESSAGE_REACTIONS = 1 << 10
    GUILD_MESSAGE_TYPING = 1 << 11
    DIRECT_MESSAGES = 1 << 12
    DIRECT_MESSAGE_REACTIONS = 1 << 13
    DIRECT_MESSAGE_TYPING = 1 << 14
    MESSAGE_CONTENT = 1 << 15


PRIVILEGED = Intents.GUILD_MEMBERS | Intents.GUILD_PRESENCES | Intents.MESSAGE_CONTENT

# Bits 17-19, 22, 23 and everything over 25 are unassigned; 4013 answers to them.
KNOWN_INTENT_BITS = 0x1FFFF | 1 << 20 | 1 << 21 | 1 << 24 | 1 << 25


def intents_are_valid(value: int) -> bool:
    """Whether only assigned intents are set."""
    return value >= 0 and value & ~KNOWN_INTENT_BITS == 0


class Permission(IntFlag):
    """What the bot's role may do in the guild's channels."""

    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    SEND_MESSAGES_IN_THREADS = 1 << 38
    PIN_MESSAGES = 1 << 51


ALL_PERMISSIONS = Permission(sum(Permission))

MODERATING = Permission.MANAGE_MESSAGES | Permission.MANAGE_THREADS
"""What people may do only where they moderate."""


class MessageFlag(IntFlag):
    """Flags of a message; `SENDABLE` and `EDITABLE` are those that a bot may set."""

    SUPPRESS_EMBEDS = 1 << 2
    HAS_THREAD = 1 << 5
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_VOICE_MESSAGE = 1 << 13
    IS_COMPONENTS_V2 = 1 << 15


SENDABLE = (
    MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.IS_COMPONENTS_V2
)
EDITABLE = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.IS_COMPONENTS_V2


def application_flags(enabled: Intents) -> int:
    """The application's flags that tell which privileged intents its owner switched on.

    The "limited" flags are those of an application in fewer guilds than need a review.
    """
    return (
        (1 << 13 if enabled & Intents.GUILD_PRESENCES else 0)
        | (1 << 15 if enabled & Intents.GUILD_MEMBERS else 0)
        | (1 << 19 if enabled & Intents.MESSAGE_CONTENT else 0)
    )
