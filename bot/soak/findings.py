"""What the audit looks at, and what it says: a world, and the breaches found in it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

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

    def as_json(self) -> dict[str, Any]:
        """All that was asked, that stands there and that is stored, for who looks into a breach."""
        votes = self.stored.votes
        return {
            "questions": [asdict(question) for question in self.questions],
            "messages": [asdict(message) for message in self.messages],
            "turns": [{**asdict(t), "votes": votes.get(t.id, {})} for t in self.stored.turns],
        }


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that must not be, with where to look for it. `asked` is the question's message and
    where it stands."""

    kind: BreachKind
    platform: str
    detail: str
    question: str = ""
    asked: str = ""
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
