"""The client of any OpenAI-compatible server: stream an answer, count tokens, ask how it is.

Where OpenAI's API has no word it uses vLLM's (`/tokenize`, `max_model_len`) and does without what
the server lacks. Never imports torch. Foreign errors end here: ModelUnavailable is worth a repeat,
ModelError is not, TooLong and Busy are for the person who asked.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, TypedDict, TypeVar, get_args
from urllib.parse import urlsplit

import aiohttp
import orjson
import structlog
from pydantic import BaseModel, ValidationError

from bot.domain import FinishReason, Sampling
from bot.errors import Busy, ModelError, ModelUnavailable, TooLong

log = structlog.get_logger(__name__)

CONNECT_S = 5.0
SHORT_CALL_S = 30.0
"""Seconds for a call that computes nothing long: models, tokenize, health."""
BYTES_PER_TOKEN = 3.0
"""Used where the server cannot count; low for English (about 4), so that prompts stay inside, and
a token for each sign of Chinese or Japanese."""
TEMPLATE_TOKENS = 8
"""Tokens that a chat template adds to a message, about; used with BYTES_PER_TOKEN only."""
MAX_LINE_BYTES = 4 * 1024 * 1024
"""Of a stream; a server that sends more without an end of line is none."""


class Message(TypedDict):
    """One message of a prompt, in OpenAI's form."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Served:
    """What the server serves: the model's name, and its context in tokens where it tells."""

    name: str
    context: int | None


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of an answer; `finish` comes with the last one."""

    text: str = ""
    finish: FinishReason | None = None


class _Model(BaseModel):
    id: str
    max_model_len: int | None = None


class _Models(BaseModel):
    data: list[_Model] | None = None


class _Count(BaseModel):
    count: int


class _Piece(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Piece | None = None
    finish_reason: str | None = None
    stop_reason: object = None


class _Chunk(BaseModel):
    choices: list[_Choice] | None = None
    error: object = None


_Answer = TypeVar("_Answer", bound=BaseModel)

_FINISH: dict[str, FinishReason] = {reason: reason for reason in get_args(FinishReason)}


class Model:
    """A client of one server. Use it as an async context manager."""

    def __init__(
        self,
        url: str,
        *,
        socket: Path | None = None,
        api_key: str | None = None,
        name: str | None = None,
        timeout_s: float = 120,
    ) -> None:
        """`url` ends in /v1; with `socket`, its host is only a name."""
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        self._root = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}"
        self._socket = socket
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._name = name
        self._timeout_s = timeout_s
        self._served: Served | None = None
        self._counts = True
        self._refused: set[str] = set()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = (
            aiohttp.UnixConnector(path=str(self._socket), limit=0)
            if self._socket
            else aiohttp.TCPConnector(limit=0)
        )
        self._session = aiohttp.ClientSession(connector=connector, headers=self._headers)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def healthy(self) -> bool:
        """Whether the server answers now."""
        try:
            await self.served(fresh=True)
        except (ModelUnavailable, ModelError):
            return False
        return True

    async def served(self, *, fresh: bool = False) -> Served:
        """The model asked for, or the server's first. Raises ModelUnavailable, ModelError."""
        if self._served is None or fresh:
            listed = (await self._call(_Models, "GET", f"{self._url}/models")).data or []
            models = {model.id: model for model in listed}
            if not models:
                raise ModelError(f"the model server at {self._url} serves no model")
            name = self._name or next(iter(models))
            if name not in models:
                raise ModelError(
                    f"the model server at {self._url} has no model {name!r}; it has "
                    + ", ".join(sorted(models))
                )
            self._served = Served(name, models[name].max_model_len)
        return self._served

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of a prompt, template included; an estimate where the server cannot count."""
        if self._counts:
            served = await self.served()
            body = {
                "model": served.name,
                "messages": list(messages),
                "add_generation_prompt": True,
            }
            try:
                return (await self._call(_Count, "POST", f"{self._root}/tokenize", body)).count
            except ModelError:
                self._counts = False  # OpenAI and others have no such endpoint
        return sum(
            TEMPLATE_TOKENS + int(len(message["content"].encode()) / BYTES_PER_TOKEN) + 1
            for message in messages
        )

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, user: str
    ) -> AsyncGenerator[Delta, None]:
        """Yield the answer as it grows; exactly one delta, the last, has `finish`.

        Closing the generator closes the connection, which stops the server's work. Raises
        ModelUnavailable when the server is not there or breaks off, TooLong, Busy, ModelError.
        """
        served = await self.served()
        body = {
            "model": served.name,
            "messages": list(messages),
            "stream": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "user": user,
        }
        with self._converted():
            async with (
                self._asked(body, _penalties(sampling)) as response,
                aclosing(_deltas(response.content)) as deltas,
            ):
                async for delta in deltas:
                    yield delta
                    if delta.finish:
                        return
        raise ModelUnavailable("the model's server broke off in the middle of an answer")

    @asynccontextmanager
    async def _asked(
        self, body: dict[str, object], optional: dict[str, float]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a question; asked again without those `optional` fields that the server
        refuses by name, which are left out from then on."""
        timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_S, sock_read=self._timeout_s)
        while True:
            sent = {name: x for name, x in optional.items() if name not in self._refused}
            async with self._opened().post(
                f"{self._url}/chat/completions",
                data=orjson.dumps(body | sent),
                headers={"Content-Type": "application/json"},
                timeout=timeout,
            ) as response:
                if response.status == 200:
                    yield response
                    return
                raw = await response.read()
            named = {name for name in sent if name.encode() in raw}
            if response.status == 404:
                self._served = None  # another model is served by now: ask before the next question
            if response.status not in {400, 422} or not named:
                raise _refusal(response.status, raw, self._url)
            log.warning("model.fields_refused", fields=sorted(named), url=self._url)
            self._refused |= named

    async def _call(
        self, kind: type[_Answer], method: str, url: str, body: object = None
    ) -> _Answer:
        timeout = aiohttp.ClientTimeout(total=SHORT_CALL_S, sock_connect=CONNECT_S)
        with self._converted():
            async with self._opened().request(
                method,
                url,
                data=None if body is None else orjson.dumps(body),
                headers={"Content-Type": "application/json"} if body is not None else None,
                timeout=timeout,
            ) as response:
                raw = await response.read()
                if response.status != 200:
                    raise _refusal(response.status, raw, self._url)
        try:
            return kind.model_validate_json(raw)
        except ValidationError as error:
            raise ModelError(f"the server at {url} does not speak OpenAI's API") from error

    @contextmanager
    def _converted(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise ModelUnavailable(f"the model server at {self._url} takes too long") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ModelUnavailable(
                f"the model server at {self._url} cannot be reached: {error}"
            ) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("open the model's client with `async with` first")
        return self._session


def _penalties(sampling: Sampling) -> dict[str, float]:
    """The penalties, whose names not every server knows.

    OpenAI has no `repetition_penalty`, and some of its models no `frequency_penalty`.
    """
    asked = {"frequency_penalty": sampling.frequency_penalty}
    if sampling.repetition_penalty != 1:
        asked["repetition_penalty"] = sampling.repetition_penalty
    return asked


async def _lines(stream: aiohttp.StreamReader) -> AsyncGenerator[list[bytes], None]:
    """The lines of a stream, all that one read completes at once."""
    rest = b""
    async for block in stream.iter_any():
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield lines
        if len(rest) > MAX_LINE_BYTES:
            raise ModelUnavailable("the model's server sent a line without an end")
    yield [rest]


async def _deltas(stream: aiohttp.StreamReader) -> AsyncGenerator[Delta, None]:
    """The deltas of a stream of server-sent events, until `[DONE]` or its end."""
    finish: FinishReason | None = None
    async with aclosing(_lines(stream)) as reads:
        async for lines in reads:
            for line in lines:
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    yield Delta(finish=finish or "stop")
                    return
                for choice in _choices(data):
                    if choice.delta is not None and choice.delta.content:
                        yield Delta(choice.delta.content)
                    finish = _finish(choice) or finish
    if finish is not None:
        yield Delta(finish=finish)
    # Else the stream ended without a word: the caller tells that it broke off.


def _choices(data: bytes) -> list[_Choice]:
    """What one event adds. Raises ModelUnavailable if it is an error, or no such event."""
    try:
        chunk = _Chunk.model_validate_json(data)
    except ValidationError as error:
        raise ModelUnavailable("the model's server sent what is no piece of an answer") from error
    if chunk.error is not None:
        raise ModelUnavailable(f"the model's server failed: {_message(chunk.error)}")
    return chunk.choices or []


def _finish(choice: _Choice) -> FinishReason | None:
    if choice.finish_reason is None:
        return None
    if choice.stop_reason == "deadline":  # which OpenAI's finish reasons lack
        return "deadline"
    return _FINISH.get(choice.finish_reason, "error")


def _refusal(status: int, raw: bytes, url: str) -> Exception:
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = {}
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    said = _message(error)
    if code == "context_length_exceeded":
        return TooLong("the prompt is longer than the model's context allows")
    if status == 429:
        return Busy(f"the model's server has too much to do: {said}")
    if status >= 500:
        return ModelUnavailable(f"the model server at {url} answers {status}: {said}")
    if status in {401, 403}:
        return ModelError(f"the model server at {url} refuses model.api_key ({status})")
    return ModelError(f"the model server at {url} refuses a request ({status}): {said}")


def _message(error: object) -> str:
    said = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(said or "no reason given").split())[:300]
