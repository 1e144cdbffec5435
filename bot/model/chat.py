"""What is asked of a model, and what comes back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypedDict

from bot.domain import FinishReason


class Message(TypedDict):
    """One message of a prompt; `images` are data URLs, for models that see."""

    role: Literal["system", "user", "assistant"]
    content: str
    images: NotRequired[list[str]]


def in_parts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """Messages in OpenAI's form: a content that has images is a list of parts."""
    return [
        {
            "role": message["role"],
            "content": [
                *({"type": "image_url", "image_url": {"url": url}} for url in message["images"]),
                {"type": "text", "text": message["content"]},
            ],
        }
        if message.get("images")
        else {"role": message["role"], "content": message["content"]}
        for message in messages
    ]


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer; `finish` comes with the last one.

    `restart` comes alone, and only first, in place of an answer's continuation: what was begun is
    void, for the server cannot go on with it, and the deltas after this one are the whole answer.
    """

    text: str = ""
    finish: FinishReason | None = None
    restart: bool = False
