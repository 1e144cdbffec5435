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
    """A piece of an answer; `finish` comes with the last one."""

    text: str = ""
    finish: FinishReason | None = None
