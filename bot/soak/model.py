"""A model whose answers are known beforehand: an OpenAI-compatible server on loopback.

Speaks what the bot asks of a server: models, streamed chats, token counts, and vLLM's
`continue_final_message`, which goes on with a half answer and refuses one that is not the
beginning of its own. What it says, and how fast, is its speaker's; the soak's is here.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson
from aiohttp import web

from bot.soak.answers import answer_to, pieces

_NAME: Final = "soak"
_CONTEXT: Final = 1_000_000
"""Tokens; no conversation of a soak comes near."""
_BODY_BYTES: Final = 32 * 1024 * 1024
_PIECES_S: Final = 12.0
"""Pieces a second of one answer: enough to cut it anywhere, few enough for a small machine."""
_LEAST_S: Final = 0.3
_MOST_S: Final = 4.0


class Speaker(Protocol):
    """What a model says."""

    def answer_to(self, question: str) -> str:
        """The whole answer; raises ValueError where there is none."""

    def pieces(self, question: str, rest: str) -> AsyncGenerator[str, None]:
        """What is left of the answer, piece by piece, as time goes by."""


class Soaked:
    """The soak's speaker: a function of the question, in a few seconds."""

    def answer_to(self, question: str) -> str:
        """The whole answer."""
        return answer_to(question)

    async def pieces(self, question: str, rest: str) -> AsyncGenerator[str, None]:
        """What is left of it."""
        seconds = random.Random(rest).uniform(_LEAST_S, _MOST_S)  # noqa: S311
        size = max(1, round(len(rest) / (seconds * _PIECES_S)))
        for piece in pieces(rest, size):
            yield piece
            await asyncio.sleep(1 / _PIECES_S)


_SOAKED: Final = Soaked()


@dataclass(slots=True)
class ModelServer:
    """What the server did so far. `url` ends in /v1."""

    speaker: Speaker
    url: str = ""
    num_asked: int = 0
    num_continued: int = 0
    num_refused: int = 0

    async def _models(self, _: web.Request) -> web.Response:
        model = {"id": _NAME, "object": "model", "max_model_len": _CONTEXT}
        return web.json_response({"object": "list", "data": [model]})

    async def _count(self, request: web.Request) -> web.Response:
        """A token for four characters, and four a message; of a chat or of a plain prompt."""
        body = await request.json(loads=orjson.loads)
        texts = [message["content"] for message in body.get("messages", ())]
        count = sum(4 + len(text) // 4 for text in texts) + len(body.get("prompt", "")) // 4
        return web.json_response({"count": count, "max_model_len": _CONTEXT, "tokens": []})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json(loads=orjson.loads)
        try:
            question, rest = rest_of(body, self.speaker)
        except ValueError as error:
            self.num_refused += 1
            refusal = {"message": str(error), "type": "invalid_request_error", "code": None}
            return web.json_response({"error": refusal}, status=400)
        self.num_asked += 1
        self.num_continued += bool(body.get("continue_final_message"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        async with aclosing(self.speaker.pieces(question, rest)) as said:
            async for piece in said:
                await _send(response, {"delta": {"content": piece}, "finish_reason": None})
        await _send(response, {"delta": {}, "finish_reason": "stop"})
        await response.write(b"data: [DONE]\n\n")
        return response


def rest_of(body: Mapping[str, Any], speaker: Speaker = _SOAKED) -> tuple[str, str]:
    """The question of a request's body, and what is to be streamed: the answer, or the rest of it.

    Raises ValueError for a request that has no answer here.
    """
    if not body.get("stream"):
        raise ValueError("this server only streams")
    messages: Sequence[Mapping[str, str]] = body.get("messages") or ()
    if not body.get("continue_final_message"):
        question = _question(messages)
        return question, speaker.answer_to(question)
    if body.get("add_generation_prompt", True):
        raise ValueError("continue_final_message needs add_generation_prompt false")
    if not messages or messages[-1]["role"] != "assistant":
        raise ValueError("continue_final_message needs an assistant's message at the end")
    half = messages[-1]
    question = _question(messages[:-1])
    whole = speaker.answer_to(question)
    if not whole.startswith(half["content"]):
        raise ValueError("the half answer is not the beginning of this question's answer")
    return question, whole[len(half["content"]) :]


@asynccontextmanager
async def model_server(speaker: Speaker = _SOAKED) -> AsyncIterator[ModelServer]:
    """Serve on a free port of loopback for as long as the context is open."""
    server = ModelServer(speaker)
    app = web.Application(client_max_size=_BODY_BYTES)
    app.router.add_get("/v1/models", server._models)
    app.router.add_post("/v1/chat/completions", server._chat)
    app.router.add_post("/tokenize", server._count)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield server
    finally:
        await runner.cleanup()


def _question(messages: Sequence[Mapping[str, str]]) -> str:
    if not messages or messages[-1]["role"] != "user":
        raise ValueError("the question should be a user's message")
    # What was said before stands above a question's own words, which are one paragraph here.
    return messages[-1]["content"].rpartition("\n\n")[2]


async def _send(response: web.StreamResponse, choice: dict[str, Any]) -> None:
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
    await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")
