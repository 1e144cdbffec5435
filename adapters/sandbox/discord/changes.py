"""What can happen in the world, one value a happening; the gateway turns them into dispatches."""

from dataclasses import dataclass

from adapters.sandbox.discord.model import Channel, Message, Reaction, Thread


@dataclass(frozen=True, slots=True)
class MessageCreated:
    message: Message


@dataclass(frozen=True, slots=True)
class MessageChanged:
    """Edited, pinned, or given a thread: only an edit moves `edited_at`."""

    message: Message


@dataclass(frozen=True, slots=True)
class MessageDeleted:
    message: Message


@dataclass(frozen=True, slots=True)
class ReactionAdded:
    message: Message
    reaction: Reaction


@dataclass(frozen=True, slots=True)
class ReactionRemoved:
    message: Message
    reaction: Reaction


@dataclass(frozen=True, slots=True)
class ReactionsCleared:
    """All reactions are gone, or with `emoji` all of that one."""

    message: Message
    emoji: str | None


@dataclass(frozen=True, slots=True)
class ThreadCreated:
    thread: Thread


@dataclass(frozen=True, slots=True)
class ThreadChanged:
    thread: Thread


@dataclass(frozen=True, slots=True)
class ThreadJoined:
    thread: Thread
    user_id: int


@dataclass(frozen=True, slots=True)
class TypingStarted:
    channel: Channel
    user_id: int
    at: float


@dataclass(frozen=True, slots=True)
class PinsChanged:
    channel: Channel
    last_pin_at: float | None


Change = (
    MessageCreated
    | MessageChanged
    | MessageDeleted
    | ReactionAdded
    | ReactionRemoved
    | ReactionsCleared
    | ThreadCreated
    | ThreadChanged
    | ThreadJoined
    | TypingStarted
    | PinsChanged
)
