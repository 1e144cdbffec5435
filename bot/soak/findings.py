"""What the audit looks at, and what it says: a world, and the breaches found in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from bot.domain import Platform
from bot.soak.diary import MessageKey, Question
from bot.soak.sandbox import Message
from bot.soak.store import Stored

BreachKind = Literal["lost", "doubled", "wrong_votes", "orphans", "stuck", "refused"]
BREACHES: Final[tuple[BreachKind, ...]] = (
    "lost",
    "doubled",
    "wrong_votes",
    "orphans",
    "stuck",
    "refused",
)


@dataclass(frozen=True, slots=True)
class World:
    """Everything at one moment. `deletions` counts the bot's messages that were deleted on
    purpose, by platform and channel; `touched` tells who ever reacted to a message."""

    questions: Sequence[Question]
    messages: Sequence[Message]
    stored: Stored
    deletions: Mapping[tuple[Platform, str], int] = field(default_factory=dict)
    touched: Mapping[MessageKey, set[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be, with where to look for it."""

    kind: BreachKind
    platform: str
    detail: str
    question: str = ""
    turn: str = ""
    messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Findings:
    """What the audit found. `counts` are of questions, by what became of them, and of the rest."""

    breaches: tuple[Breach, ...]
    counts: Mapping[str, int]

    def num(self, kind: BreachKind) -> int:
        """Breaches of one kind."""
        return sum(one.kind == kind for one in self.breaches)
