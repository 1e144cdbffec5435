"""Worlds for the audit: a right one, and what makes it wrong."""

from dataclasses import dataclass, field
from typing import Any

from adapters.markdown import Dialect
from bot.domain import Platform
from bot.soak.answers import answer_to
from bot.soak.diary import MessageKey, Question
from bot.soak.findings import World
from bot.soak.sandbox import Message, Place
from bot.soak.store import Stored, StoredTurn
from tests.adapters.markdown_texts import parts_of


@dataclass
class Builder:
    """A world in the making; ids count up, as the platforms' do."""

    questions: list[Question] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    turns: list[StoredTurn] = field(default_factory=list)
    answered_by: dict[MessageKey, str] = field(default_factory=dict)
    votes: dict[str, dict[str, int]] = field(default_factory=dict)
    deletions: dict[tuple[Platform, str], int] = field(default_factory=dict)
    touched: dict[MessageKey, set[str]] = field(default_factory=dict)
    num_waiting: int = 0
    next_id: int = 1000

    def id(self) -> str:
        self.next_id += 1
        return str(self.next_id)

    def ask(self, text: str, *, platform: Platform = "discord", channel: str = "dm") -> Question:
        """Somebody asks; nobody answers yet."""
        place = Place(channel, "alice" if channel == "dm" else None)
        question = Question(platform, self.id(), place, "alice", [text])
        self.questions.append(question)
        return question

    def take(self, question: Question, *, status: str = "done") -> StoredTurn:
        """The bot takes a question."""
        turn = StoredTurn(f"{self.id()}ab" * 4, question.key, question.text, status)
        self.turns.append(turn)
        return turn

    def say(
        self, question: Question, turn: StoredTurn | None, text: str, part: int = 0, **more: Any
    ) -> Message:
        """The bot posts a message, and records it."""
        message = self.post(question, text, (turn.id[:20], part) if turn else None, **more)
        if turn is not None:
            self.record(turn, message.key)
        return message

    def post(
        self, question: Question, text: str, claim: tuple[str, int] | None, **more: Any
    ) -> Message:
        """The bot posts a message, and does not record it."""
        place = question.place
        if question.platform == "slack" and place.channel != "dm":
            place = Place(place.channel, None, question.id)
        message = Message(
            question.platform, self.id(), place, "candor", True, text, claim=claim, **more
        )
        self.messages.append(message)
        return message

    def record(self, turn: StoredTurn, part: MessageKey) -> None:
        """The store knows a part."""
        self.answered_by[part] = turn.id
        at = next(index for index, one in enumerate(self.turns) if one.id == turn.id)
        held = self.turns[at]
        self.turns[at] = StoredTurn(
            held.id, held.question, held.text, held.status, (*held.parts, part)
        )

    def answer(self, question: Question) -> tuple[StoredTurn, list[Message]]:
        """The bot answers as it should."""
        turn = self.take(question)
        parts = parts_of(answer_to(question.text), Dialect(2000))
        return turn, [self.say(question, turn, text, part) for part, text in enumerate(parts)]

    def world(self) -> World:
        """What the audit gets."""
        return World(
            self.questions,
            self.messages,
            Stored(self.turns, self.answered_by, self.votes, self.num_waiting),
            self.deletions,
            self.touched,
        )


def long_question(least: int = 3) -> str:
    """A question whose answer takes so many messages of 2,000 characters."""
    return next(
        text
        for text in (f"Question {number} of alice?" for number in range(1000))
        if len(parts_of(answer_to(text), Dialect(2000))) >= least
    )
