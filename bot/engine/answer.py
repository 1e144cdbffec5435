"""The shapes of answers and errors, as OpenAI's API has them."""

import time
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
    id: str
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, text: str, last: Delta, logprobs: Json | None = None) -> Json:
        """The answer in one piece."""
        choice: Json = {"index": 0, "logprobs": logprobs, **_ended(last)}
        if self.kind == "chat":
            choice["message"] = {"role": "assistant", "content": text, "refusal": None}
        else:
            choice["text"] = text
        name = "chat.completion" if self.kind == "chat" else "text_completion"
        return self._envelope(name, [choice]) | {"usage": usage(last)}

    def first(self, *, has_usage: bool) -> bytes:
        """The chunk that names the speaker; plain completions have none."""
        if self.kind == "text":
            return b""
        return self._chunk({"delta": {"role": "assistant", "content": ""}}, has_usage)

    def grown(self, text: str, *, has_usage: bool, logprobs: Json | None = None) -> bytes:
        """The chunk for text that was added."""
        piece: Json = {"delta": {"content": text}} if self.kind == "chat" else {"text": text}
        return self._chunk(piece | {"logprobs": logprobs}, has_usage)

    def last(self, delta: Delta, *, has_usage: bool) -> bytes:
        """The chunk that says why the answer ended."""
        piece: Json = {"delta": {}} if self.kind == "chat" else {"text": ""}
        return self._chunk(piece | _ended(delta), has_usage)

    def counts(self, delta: Delta) -> bytes:
        """The chunk with the counts and no text."""
        return event(self._envelope(self._chunk_name, []) | {"usage": usage(delta)})

    def _chunk(self, piece: Json, has_usage: bool) -> bytes:
        choice = {"index": 0, "logprobs": None, "finish_reason": None, **piece}
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


def broken(delta: Delta) -> ApiError | None:
    """The error that an answer ended with, if it did not end by itself."""
    match delta.finish:
        case "error":
            return ApiError(503, delta.error or "failed", code="engine_error", retry_after_s=1)
        case "shutdown" | "cancelled":
            return ApiError(503, "the server shuts down", code="unavailable", retry_after_s=1)
        case _:
            return None


def _ended(last: Delta) -> Json:
    """Why an answer ended. OpenAI knows no deadline: its clients hear of a length, and who asks
    for vLLM's `stop_reason` hears the rest."""
    if last.finish == "deadline":
        return {"finish_reason": "length", "stop_reason": "deadline"}
    return {"finish_reason": last.finish}


def usage(delta: Delta) -> Json:
    """Counts in tokens."""
    return {
        "prompt_tokens": delta.num_prompt,
        "completion_tokens": delta.num_output,
        "total_tokens": delta.num_prompt + delta.num_output,
        "prompt_tokens_details": {"cached_tokens": delta.num_cached},
    }


def model_card(name: str, *, context: int, root: str, parent: str | None) -> Json:
    """A model, or an adapter of the model `parent`, as vLLM lists them."""
    return {
        "id": name,
        "object": "model",
        "created": 0,
        "owned_by": "candor",
        "root": root,
        "parent": parent,
        "max_model_len": context,
    }


def event(body: Json) -> bytes:
    """One server-sent event."""
    return b"data: " + orjson.dumps(body) + b"\n\n"


def waiting(position: int | None) -> bytes:
    """A comment, which clients pass over, for as long as nothing has come."""
    return b": waiting\n\n" if position is None else b": waiting %d\n\n" % position


DONE = b"data: [DONE]\n\n"
