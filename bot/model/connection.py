"""HTTP to one model's server: calls, one stream a question, and every foreign error converted.

Knows addresses, the key and what an error's body looks like; not what is asked, nor what the
server can do. The key is in no error.
"""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
import orjson
from pydantic import BaseModel, ValidationError

from bot.errors import Busy, ModelError, ModelUnavailable, TooLong

CONNECT_S: Final = 5.0
SHORT_CALL_S: Final = 30.0
"""Seconds for a call that computes nothing long: models, tokenize, health."""

_JSON: Final = {"Content-Type": "application/json"}

_Answer = TypeVar("_Answer", bound=BaseModel)


class Connection:
    """One server at `url`, which ends in /v1; with `socket`, its host is only a name.

    `root` is the same without /v1, where vLLM has what OpenAI lacks. Use it as an async context
    manager.
    """

    def __init__(self, url: str, *, socket: Path | None, api_key: str | None) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self.root = f"{parts.scheme}://{parts.netloc}{parts.path.removesuffix('/v1')}"
        self._socket = socket
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
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

    async def call(
        self, kind: type[_Answer], method: str, url: str, body: object = None
    ) -> _Answer:
        """A short call's answer. Raises ModelUnavailable, ModelError, TooLong, Busy."""
        timeout = aiohttp.ClientTimeout(total=SHORT_CALL_S, sock_connect=CONNECT_S)
        with self.converted():
            async with self._opened().request(
                method,
                url,
                data=None if body is None else orjson.dumps(body),
                headers=None if body is None else _JSON,
                timeout=timeout,
            ) as response:
                raw = await response.read()
                if response.status != 200:
                    raise self.refusal(response.status, raw)
        try:
            return kind.model_validate_json(raw)
        except ValidationError as error:
            raise ModelError(f"the server at {url} does not speak OpenAI's API") from error

    @asynccontextmanager
    async def asked(
        self, body: object, *, timeout: aiohttp.ClientTimeout, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response to a chat, whatever its status; its errors are still aiohttp's."""
        async with self._opened().post(
            f"{self.url}/chat/completions",
            data=orjson.dumps(body),
            headers={**_JSON, **headers},
            timeout=timeout,
        ) as response:
            yield response

    @contextmanager
    def converted(self) -> Iterator[None]:
        """Make what aiohttp raises a ModelUnavailable."""
        try:
            yield
        except TimeoutError as error:
            raise ModelUnavailable(f"the model server at {self.url} takes too long") from error
        except (aiohttp.ClientError, OSError) as error:
            raise ModelUnavailable(
                f"the model server at {self.url} cannot be reached: {error}"
            ) from error

    def refusal(self, status: int, raw: bytes) -> Exception:
        """The error that a response stands for which is no answer."""
        try:
            body = orjson.loads(raw)
        except orjson.JSONDecodeError:
            body = {}
        error = body.get("error") if isinstance(body, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        said = message_of(error)
        if code == "context_length_exceeded":
            return TooLong("the prompt is longer than the model's context allows")
        if status == 429:
            return Busy(f"the model's server has too much to do: {said}")
        if status >= 500:
            return ModelUnavailable(f"the model server at {self.url} answers {status}: {said}")
        if status in {401, 403}:
            return ModelError(f"the model server at {self.url} refuses model.api_key ({status})")
        return ModelError(f"the model server at {self.url} refuses a request ({status}): {said}")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("open the model's client with `async with` first")
        return self._session


def message_of(error: object) -> str:
    """What an error's object says, as one line of at most 300 characters."""
    said = error.get("message") if isinstance(error, dict) else error
    return " ".join(str(said or "no reason given").split())[:300]
