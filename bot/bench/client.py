"""The one client that measures every server: streams over HTTP, and notes when bytes came.

What came is only parsed once an answer is over, so that the client takes no time from the server
while it is measured.
"""

import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bot.bench.errors import BenchError
from bot.bench.timing import Answer
from bot.bench.workload import Question

Json = dict[str, Any]

_GREEDY = {"temperature": 0, "repetition_penalty": 1, "frequency_penalty": 0}
"""The likeliest token each time, in vLLM's words: no server's defaults make the work unequal."""

_CONNECT_S = 10.0
_SILENT_S = 600.0
"""Seconds without a byte before a request is given up: a long queue is silent for minutes."""


class Client:
    """One server, by its base URL with or without `/v1`; `opened` makes one."""

    def __init__(self, url: str, http: aiohttp.ClientSession) -> None:
        self._root = url.rstrip("/").removesuffix("/v1")
        self._http = http

    async def models(self) -> list[str]:
        """The names of the models it serves."""
        answer = await self._get("/v1/models")
        return [str(model["id"]) for model in answer["data"]]

    async def tokenize(self, **body: Any) -> tuple[int, ...]:
        """Token ids, as vLLM's `/tokenize`. Raises BenchError where there is none."""
        answer = await self._post("/tokenize", body)
        tokens = answer.get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise BenchError("its /tokenize gives no token ids")
        return tuple(tokens)

    async def load_adapter(self, name: str, path: Path) -> None:
        """Load an adapter from a directory, as vLLM's. It must lie where the server may read."""
        await self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(path)})

    async def complete(self, question: Question, *, model: str, user: str) -> Answer:
        """Answer greedily with exactly the tokens asked for.

        Raises BenchError when it ends early: engines are compared on equal work.
        """
        body = {"prompt": question.prompt, "max_tokens": question.new_tokens, "ignore_eos": True}
        answer = await self._stream("/v1/completions", model, user, body)
        if answer.num_tokens != question.new_tokens:
            raise BenchError(
                f"an answer had {answer.num_tokens} tokens in place of {question.new_tokens}: "
                "the server does not honour ignore_eos"
            )
        return answer

    async def chat(self, messages: list[Json], *, max_tokens: int, model: str, user: str) -> Answer:
        """The next message of a chat, greedily."""
        body = {"messages": messages, "max_tokens": max_tokens}
        return await self._stream("/v1/chat/completions", model, user, body)

    async def _stream(self, path: str, model: str, user: str, body: Json) -> Answer:
        asked = {
            "model": model,
            "user": user,
            **_GREEDY,
            "stream": True,
            "stream_options": {"include_usage": True},
            **body,
        }
        sent = time.perf_counter()
        async with self._http.post(self._root + path, json=asked) as response:
            if response.status != 200:
                raise BenchError(_line(response.status, await response.read()))
            reads = [(time.perf_counter(), data) async for data in response.content.iter_any()]
        return _answer(sent, reads)

    async def _get(self, path: str) -> Json:
        async with self._http.get(self._root + path) as response:
            return _checked(response.status, await response.read())

    async def _post(self, path: str, body: Json) -> Json:
        async with self._http.post(self._root + path, json=body) as response:
            return _checked(response.status, await response.read())


@asynccontextmanager
async def opened(
    url: str, *, socket: Path | None = None, api_key: str | None = None
) -> AsyncIterator[Client]:
    """A client of a server, by a Unix socket if `socket` is given."""
    connector = (
        # A connection for each request: llama.cpp's server closes them without a word.
        aiohttp.UnixConnector(str(socket), limit=0, force_close=True)
        if socket
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    async with aiohttp.ClientSession(
        connector=connector,
        headers={"Authorization": f"Bearer {api_key}"} if api_key else None,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S),
        json_serialize=lambda body: orjson.dumps(body).decode(),
    ) as http:
        yield Client(url, http)


def events(reads: Iterable[tuple[float, bytes]]) -> Iterator[tuple[float, bytes]]:
    """The data of each server-sent event, and when its last byte came."""
    left = b""
    for when, data in reads:
        *lines, left = (left + data).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield when, line[5:].strip()


def _answer(sent: float, reads: list[tuple[float, bytes]]) -> Answer:
    pieces: list[float] = []
    texts: list[str] = []
    usage: Json = {}
    ended: float | None = None
    is_whole = False
    for when, data in events(reads):
        if data == b"[DONE]":
            is_whole = True
            continue
        event = orjson.loads(data)
        if "error" in event:
            raise BenchError(_line(200, data))
        usage = event.get("usage") or usage
        for choice in event["choices"]:
            text = choice.get("text") or (choice.get("delta") or {}).get("content")
            if text:
                pieces.append(when)
                texts.append(text)
            if choice.get("finish_reason"):
                ended = when
    if not is_whole or ended is None:
        raise BenchError("an answer broke off")
    if not pieces:
        pieces.append(ended)  # the model drew nothing but its own end, and that came now
    return Answer(
        sent=sent,
        pieces=tuple(pieces),
        num_tokens=usage.get("completion_tokens", len(pieces)),
        num_prompt=usage.get("prompt_tokens", 0),
        text="".join(texts),
    )


def _checked(status: int, raw: bytes) -> Json:
    if status != 200:
        raise BenchError(_line(status, raw))
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return {}  # vLLM's adapter routes answer with a plain sentence
    return body if isinstance(body, dict) else {}


def _line(status: int, raw: bytes) -> str:
    """What a server's error says, in one line."""
    try:
        error = orjson.loads(raw)
        error = error.get("error", error)
        message = error["message"] if isinstance(error, dict) else error
    except (orjson.JSONDecodeError, AttributeError, KeyError):
        message = raw.decode(errors="replace")
    lines = str(message).strip().splitlines() or [""]
    return f"the server said {status}: {lines[0][:200]}"
