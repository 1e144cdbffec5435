"""What an answer is made of, as it comes: the events from the chat core to an adapter."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bot.domain import FinishReason

Problem = Literal[
    "busy",
    "too_long",
    "model_unavailable",
    "model_refuses",
    "interrupted",
    "withdrawn",
    "full",
    "error",
]
"""Why there is no whole answer; an adapter has the words. `interrupted`: too much time went by to
go on with it; `withdrawn`: its question was deleted; `full`: it was to go on, and there is no room
for more of it in the model's context."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The answer has to wait: for the model, which is starting or restarting, or for the store."""

    reason: Literal["model", "store"]


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer."""

    delta: str


@dataclass(frozen=True, slots=True)
class Anew:
    """What came so far counts no more: the answer begins again."""


@dataclass(frozen=True, slots=True)
class Note:
    """What people should know of how the answer was made, such as a file that was not read.

    Shown once, under the answer, and no part of it.
    """

    text: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is over; always the last event. `problem` is None when it is whole."""

    finish: FinishReason
    problem: Problem | None = None


Event: TypeAlias = Waiting | Text | Anew | Note | Ended
Events: TypeAlias = AsyncGenerator[Event, None]
