"""The messages of a chat in a body, and how the chat goes on after the last of them.

It goes on with a new message of the assistant's, or, in vLLM's words, with
`continue_final_message`, in the middle of the last one.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from bot.engine.checked import Body, BodyError
from bot.engine.encoder import Message

MAX_MESSAGES = 4096


class TextPart(Body):
    """Part of a message's content; only text is understood."""

    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One message; `developer` is OpenAI's newer word for `system`."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    def message(self) -> Message:
        content = self.content
        text = content if isinstance(content, str) else "\n".join(part.text for part in content)
        return Message("system" if self.role == "developer" else self.role, text)


Messages = Annotated[list[ChatMessage], Field(min_length=1, max_length=MAX_MESSAGES)]


class Ending(Body):
    """How a chat goes on. vLLM's default for `add_generation_prompt` is true, even beside
    `continue_final_message`; here it is what the other one leaves."""

    add_generation_prompt: Annotated[bool, Field(strict=True)] | None = None
    continue_final_message: Annotated[bool, Field(strict=True)] | None = None

    @property
    def is_continued(self) -> bool:
        """Whether the last message is unfinished, and the answer goes on in it."""
        return bool(self.continue_final_message)

    def check_ending(self, messages: Sequence[ChatMessage]) -> None:
        """Raises BodyError unless these messages can go on as the fields say."""
        name = "continue_final_message"
        if not self.is_continued:
            if self.add_generation_prompt is False:
                raise BodyError(
                    f"add_generation_prompt may be false only where {name} is true",
                    "add_generation_prompt",
                )
            return
        if self.add_generation_prompt:
            raise BodyError(f"{name} and add_generation_prompt cannot both be true", name)
        if messages[-1].role != "assistant":
            raise BodyError(f"{name} needs a last message that is the assistant's", name)
