"""An OpenAI-compatible server on loopback that says what a test wrote for it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

Wait = Callable[[], Awaitable[object]]
Piece = str | bytes | Wait | Exception


@dataclass
class ScriptedModel:
    """Answers with `answer(messages)`: the pieces to stream, or waits (called between pieces).

    A piece that is an Exception breaks the connection off; one that is bytes is sent as it is.
    `refuse` is a status and an OpenAI error code to answer instead. With an `api_key`, only who
    shows it is served; with `longest`, a prompt of more messages is refused for its length, and
    with `longest_text` one of more characters. Fields
    named in `unknown` are refused, as OpenAI refuses fields that it does not know. One that `sees`
    tells so as OpenRouter does.

    Asked to go on with half an answer, it gives what `answer`, called without that half, has left
    after it: waits and faults that stand before the next word are behind it too. Half of another
    answer is a fault of the test, and answered with status 500. Unless it `continues`, it passes
    over the request, and `answer` is called with all messages.
    """

    # What was said before a question stands above its own words, which are one paragraph here.
    answer: Callable[[list[dict[str, str]]], Sequence[Piece]] = lambda messages: (
        "I heard: ",
        messages[-1]["content"].rpartition("\n\n")[2],
    )
    context: int | None = 4096
    tokenize: bool = True
    finish: str = "stop"
    refuse: tuple[int, str] | None = None
    requests: list[dict[str, Any]] = field(default_factory=list)
    api_key: str | None = None
    longest: int | None = None
    longest_text: int | None = None
    unknown: tuple[str, ...] = ()
    continues: bool = True
    sees: bool = False
    counted: int = 0
    running: int = 0
    url: str = ""

    async def models(self, _: web.Request) -> web.Response:
        model: dict[str, Any] = {"id": "scripted", "object": "model"}
        if self.sees:
            model["architecture"] = {"input_modalities": ["text", "image"]}
        return web.json_response(
            {"data": [{**model, "max_model_len": self.context} if self.context else model]}
        )

    async def count(self, request: web.Request) -> web.Response:
        """One token a word, and one a message; a plain prompt has its words alone."""
        self.counted += 1
        if not self.tokenize:
            return web.json_response({"detail": "Not Found"}, status=404)
        body = await request.json()
        if "prompt" in body:
            count = len(body["prompt"].split())
        else:
            count = sum(1 + len(message["content"].split()) for message in body["messages"])
        return web.json_response({"count": count, "max_model_len": self.context, "tokens": []})

    async def chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        if found := [name for name in self.unknown if name in body]:
            message = f"Unrecognized request argument supplied: {found[0]}"
            return self._refused(400, message)
        messages, half = body["messages"], ""
        if self.continues and body.get("continue_final_message"):
            if body.get("add_generation_prompt", True) or messages[-1]["role"] != "assistant":
                return self._refused(400, "continue_final_message: there is nothing to go on with")
            *messages, last = messages
            half = last["content"]
        refuse = self.refuse
        size = sum(len(message["content"]) for message in messages)
        if (self.longest is not None and len(messages) > self.longest) or (
            self.longest_text is not None and size > self.longest_text
        ):
            refuse = 400, "context_length_exceeded"
        if refuse is not None:
            status, code = refuse
            error = {"message": "refused by the test", "type": "test", "code": code}
            return web.json_response({"error": error}, status=status)
        pieces = _after(half, self.answer(messages))
        if pieces is None:
            return self._refused(500, f"no answer of this test begins with {half!r}")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        self.running += 1
        try:
            for piece in pieces:
                if isinstance(piece, Exception):
                    assert request.transport is not None
                    request.transport.abort()
                    return response
                if callable(piece):
                    await piece()
                    continue
                if isinstance(piece, bytes):
                    await response.write(piece)
                    continue
                await self._send(response, {"delta": {"content": piece}, "finish_reason": None})
                await asyncio.sleep(0)
            await self._send(response, {"delta": {}, "finish_reason": self.finish})
            await response.write(b"data: [DONE]\n\n")
        finally:
            self.running -= 1
        return response

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.api_key and request.headers.get("Authorization") != f"Bearer {self.api_key}":
            error = {"message": "wrong key", "type": "test", "code": "invalid_api_key"}
            return web.json_response({"error": error}, status=401)
        return await handler(request)

    def _refused(self, status: int, message: str) -> web.Response:
        error = {"message": message, "type": "invalid_request_error", "param": None}
        return web.json_response({"error": error}, status=status)

    async def _send(self, response: web.StreamResponse, choice: dict[str, Any]) -> None:
        chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
        await response.write(b"data: " + orjson.dumps(chunk) + b"\n\n")


def _after(half: str, pieces: Sequence[Piece]) -> list[Piece] | None:
    """What of an answer's pieces is left after its beginning; None if it begins otherwise."""
    if not half:
        return list(pieces)
    left: list[Piece] = []
    has_word = False
    for piece in pieces:
        if not isinstance(piece, str):
            if has_word:
                left.append(piece)
            continue
        num_begun = min(len(half), len(piece))
        if piece[:num_begun] != half[:num_begun]:
            return None
        half, rest = half[num_begun:], piece[num_begun:]
        if rest:
            left.append(rest)
            has_word = has_word or not rest.isspace()
    return None if half else left


@asynccontextmanager
async def scripted_model(
    model: ScriptedModel | None = None, *, port: int = 0, socket: Path | None = None
) -> AsyncIterator[ScriptedModel]:
    """Serve a scripted model; its `url` ends in /v1."""
    model = model or ScriptedModel()
    app = web.Application(middlewares=[model.guard])
    app.router.add_get("/v1/models", model.models)
    app.router.add_post("/v1/chat/completions", model.chat)
    app.router.add_post("/tokenize", model.count)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    try:
        if socket is not None:
            await web.UnixSite(runner, socket).start()
            model.url = "http://localhost/v1"
        else:
            await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
            model.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
        yield model
    finally:
        await runner.cleanup()
