"""What is asked of a model, and what comes back."""

from dataclasses import dataclass
from typing import Literal, TypedDict

from bot.domain import FinishReason


class Message(TypedDict):
    """One message of a prompt, in OpenAI's form."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer; `finish` comes with the last one.

    `restart` comes alone, and only first, in place of an answer's continuation: what was begun is
    void, for the server cannot go on with it, and the deltas after this one are the whole answer.
    """

    text: str = ""
    finish: FinishReason | None = None
    restart: bool = False
