"""The shapes of answers and errors, as OpenAI's API has them."""

import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from bot.engine.request import Delta

Kind = Literal["chat", "text"]
Json = dict[str, Any]


class ApiError(Exception):
    """An answer that is an error: status, and OpenAI's four fields."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after_s = retry_after_s

    def body(self) -> Json:
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        if self.status == 429:
            kind = "rate_limit_error"
        fields = {"message": self.message, "type": kind, "param": self.param, "code": self.code}
        return {"error": fields}


@dataclass(frozen=True, slots=True)
class Answer:
    """The envelope of one answer, whole or in chunks."""

    kind: Kind
    model: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, last: Delta) -> Json:
        """The answer in one piece."""
        choice: Json = {"index": 0, "logprobs": None, "finish_reason": last.finish}
        if self.kind == "chat":
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        name = "chat.completion" if self.kind == "chat" else "text_completion"
        return self._envelope(name, [choice]) | {"usage": usage(last)}

    def first(self, *, has_usage: bool) -> bytes | None:
        """The chunk that names the speaker; plain completions have none."""
        if self.kind == "text":
            return None
        return self._chunk({"delta": {"role": "assistant", "content": ""}}, None, has_usage)

    def grown(self, text: str, *, has_usage: bool) -> bytes:
        """The chunk for text that was added."""
        piece: Json = {"delta": {"content": text}} if self.kind == "chat" else {"text": text}
        return self._chunk(piece, None, has_usage)

    def last(self, delta: Delta, *, has_usage: bool) -> bytes:
        """The chunk that says why the answer ended."""
        piece: Json = {"delta": {}} if self.kind == "chat" else {"text": ""}
        return self._chunk(piece, delta.finish, has_usage)

    def counts(self, delta: Delta) -> bytes:
        """The chunk with the counts and no text."""
        return event(self._envelope(self._chunk_name, []) | {"usage": usage(delta)})

    def _chunk(self, piece: Json, finish: str | None, has_usage: bool) -> bytes:
        choice = {"index": 0, **piece, "logprobs": None, "finish_reason": finish}
        body = self._envelope(self._chunk_name, [choice])
        return event(body | {"usage": None} if has_usage else body)

    @property
    def _chunk_name(self) -> str:
        return "chat.completion.chunk" if self.kind == "chat" else "text_completion"

    def _envelope(self, name: str, choices: list[Json]) -> Json:
        prefix = "chatcmpl" if self.kind == "chat" else "cmpl"
        return {
            "id": f"{prefix}-{self.id}",
            "object": name,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def usage(delta: Delta) -> Json:
    """Counts in tokens."""
    return {
        "prompt_tokens": delta.num_prompt,
        "completion_tokens": delta.num_output,
        "total_tokens": delta.num_prompt + delta.num_output,
        "prompt_tokens_details": {"cached_tokens": delta.num_cached},
    }


def event(body: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


DONE = b"data: [DONE]\n\n"
