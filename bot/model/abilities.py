"""What a server can do, found out by asking it: its model, whether it counts, what it knows.

Asked once and kept, since it is needed for each question; a server that no longer has the model is
asked anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from pydantic import BaseModel

from bot.errors import ModelError
from bot.model.chat import Message, in_parts
from bot.model.connection import Connection

log = structlog.get_logger(__name__)

BYTES_PER_TOKEN: Final = 3.0
"""Used where the server cannot count; low for English (about 4), so that prompts stay inside, and
a token for each sign of Chinese or Japanese."""
MOST_BYTES_PER_TOKEN: Final = 5.0
"""The same for the beginning of an answer, and high, since what is counted there is cut off."""
IMAGE_TOKENS: Final = 1500
"""Of an image, about: 765 to 1,600 for what the common models make of a screenshot."""
TEMPLATE_TOKENS: Final = 8
"""Tokens that a chat template adds to a message, about; used with BYTES_PER_TOKEN only."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the server serves: the model's name, and its context in tokens where it tells.

    `sees` tells that the server says of it that it takes images; few servers say so.
    """

    name: str
    context: int | None
    sees: bool = False


class _Model(BaseModel):
    """A model of the list. Where and how a server tells of images is not agreed upon."""

    id: str
    max_model_len: int | None = None
    architecture: Any = None  # OpenRouter: {"input_modalities": ["text", "image"]}
    modalities: Any = None
    input_modalities: Any = None
    capabilities: Any = None  # Mistral: {"vision": true}; llama.cpp: ["multimodal"]

    @property
    def sees(self) -> bool:
        """Whether it is said to take images."""
        described = self.architecture if isinstance(self.architecture, dict) else {}
        told = (
            described.get("input_modalities"),
            self.modalities,
            self.input_modalities,
            self.capabilities,
        )
        return any(
            each.get(word) is True if isinstance(each, dict) else word in each
            for each in told
            if isinstance(each, dict | list)
            for word in ("image", "vision", "multimodal")
        )


class _Models(BaseModel):
    data: list[_Model] | None = None


class _Count(BaseModel):
    count: int


class Abilities:
    """Those of the server behind a connection; `name` is the model to ask for (None: its first)."""

    def __init__(self, connection: Connection, name: str | None) -> None:
        self._connection = connection
        self._name = name
        self._served: Served | None = None
        self._counts = True
        self._refused: set[str] = set()

    async def served(self, *, fresh: bool = False) -> Served:
        """The model asked for, or the server's first. Raises ModelUnavailable, ModelError."""
        if self._served is None or fresh:
            url = self._connection.url
            listed = (await self._connection.call(_Models, "GET", f"{url}/models")).data or []
            models = {model.id: model for model in listed}
            if not models:
                raise ModelError(f"the model server at {url} serves no model")
            name = self._name or next(iter(models))
            if name not in models:
                raise ModelError(
                    f"the model server at {url} has no model {name!r}; it has "
                    + ", ".join(sorted(models))
                )
            self._served = Served(name, models[name].max_model_len, models[name].sees)
        return self._served

    def forget_served(self) -> None:
        """Ask before the next question: another model is served by now."""
        self._served = None

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt, template included; an estimate where the server cannot count.

        Of images always an estimate. Raises ModelUnavailable, ModelError.
        """
        texts: list[Message] = [
            {"role": message["role"], "content": message["content"]} for message in messages
        ]
        images = IMAGE_TOKENS * sum(len(message.get("images", ())) for message in messages)
        body = {"messages": in_parts(texts), "add_generation_prompt": True}
        if (count := await self._counted(body)) is not None:
            return count + images
        return images + sum(
            TEMPLATE_TOKENS + int(len(message["content"].encode()) / BYTES_PER_TOKEN) + 1
            for message in messages
        )

    async def count_begun(self, text: str) -> int:
        """Tokens of the beginning of an answer; where the server cannot count, fewer than it has.

        Raises ModelUnavailable, ModelError.
        """
        count = await self._counted({"prompt": text, "add_special_tokens": False})
        return int(len(text.encode()) / MOST_BYTES_PER_TOKEN) if count is None else count

    async def _counted(self, body: Mapping[str, object]) -> int | None:
        """What the server counts; None if it cannot, and then it is never asked again."""
        if not self._counts:
            return None
        served = await self.served()
        url = f"{self._connection.root}/tokenize"
        try:
            return (
                await self._connection.call(_Count, "POST", url, {"model": served.name, **body})
            ).count
        except ModelError:
            self._counts = False  # OpenAI and others have no such endpoint
            return None

    def known(self, fields: Mapping[str, float]) -> dict[str, float]:
        """Those of the fields that the server has not refused yet."""
        return {name: value for name, value in fields.items() if name not in self._refused}

    def refuse(self, names: Iterable[str]) -> None:
        """Leave these fields out from now on."""
        refused = sorted(names)
        log.warning("model.fields_refused", fields=refused, url=self._connection.url)
        self._refused.update(refused)
