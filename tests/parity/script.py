"""What the model says in the parity house: written for a question, and found by its words."""

from collections.abc import Sequence
from typing import Any

from tests.scripted_model import Piece, ScriptedModel


class Script:
    """A model that says what was written for a question's own words, else that it heard them."""

    def __init__(self) -> None:
        self.model = ScriptedModel(answer=self._answer, context=100_000)
        self._written: dict[str, tuple[Piece, ...]] = {}

    def write(self, question: str, *pieces: Piece) -> None:
        """Say `pieces` to a question."""
        self._written[question] = pieces

    def prompts(self, words: str) -> list[list[dict[str, Any]]]:
        """The messages of each request whose question holds `words`, oldest first."""
        return [
            request["messages"]
            for request in self.model.requests
            if words in _question(request["messages"])
        ]

    def _answer(self, messages: list[dict[str, str]]) -> Sequence[Piece]:
        words = _question(messages).rpartition("\n\n")[2]
        return self._written.get(words) or ("I heard: ", words)


def _question(messages: list[dict[str, Any]]) -> str:
    """The last thing that a person says: half an answer may stand behind it."""
    return str(next(each["content"] for each in reversed(messages) if each["role"] == "user"))
