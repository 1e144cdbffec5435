"""OpenAI's API over the engine, with vLLM's words where OpenAI has none.

Translates and nothing more: bodies to requests, deltas to answers, errors to statuses. A
connection that closes cancels its handler, and with it the request.
"""

import asyncio
import hmac
import math
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, replace

from aiohttp import web

from bot.engine.adapters import UnknownRelease
from bot.engine.answer import Answer, ApiError, Json, Kind, broken, model_card
from bot.engine.body import (
    ChatBody,
    CompletionBody,
    GenerationBody,
    LoadAdapterBody,
    TokenizeBody,
    UnloadAdapterBody,
)
from bot.engine.border import (
    Handler,
    deadline_of,
    is_local_name,
    json_response,
    read_json,
    shape_errors,
)
from bot.engine.checked import parse
from bot.engine.encoder import BegunChat, Message
from bot.engine.engine import Engine
from bot.engine.messages import Ending
from bot.engine.metrics import CONTENT_TYPE
from bot.engine.request import Delta, Request, Score
from bot.engine.scored import TextLogprobs, chat_logprobs, prompt_logprobs, text_of
from bot.engine.stream import stream
from bot.errors import Busy, ModelUnavailable, RefusedError, TooLong

MAX_BODY_BYTES = 4 * 1024 * 1024
"""About a million tokens of text: more than any context here, and parsed in milliseconds."""


class Api:
    """The routes over one engine. With `api_key`, all but `/health` ask for it.

    The deltas of a stream are joined over `stream_interval_s`. With `checks_host`, requests must
    name the server by an address or as localhost: a web page can make its own host name lead to
    this machine, but cannot make that an address.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        api_key: str | None,
        checks_host: bool,
        stream_interval_s: float = 0.0,
    ) -> None:
        self._engine = engine
        self._encoder = engine.loaded.encoder
        self._model = engine.loaded.id
        self._stream_interval_s = stream_interval_s
        self._api_key = api_key.encode() if api_key else None
        self._checks_host = checks_host

    def app(self) -> web.Application:
        """The application; serve it with `handler_cancellation=True`."""
        app = web.Application(
            client_max_size=MAX_BODY_BYTES, middlewares=[shape_errors, self._authorize]
        )
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_post("/tokenize", self._tokenize)
        app.router.add_post("/v1/load_lora_adapter", self._load_adapter)
        app.router.add_post("/v1/unload_lora_adapter", self._unload_adapter)
        return app

    @web.middleware
    async def _authorize(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._api_key is not None and request.path != "/health":
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            given = token.strip().encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, self._api_key) or scheme.lower() != "bearer":
                raise ApiError(401, "a valid API key is needed", code="invalid_api_key")
        if self._checks_host and not is_local_name(request.url.host):
            raise ApiError(403, "unknown host name", code="host_not_allowed")
        return await handler(request)

    async def _health(self, request: web.Request) -> web.StreamResponse:
        engine = self._engine
        state = "ok" if engine.is_alive else "unavailable"
        detail = {"status": state, "model": self._model, **asdict(engine.stats)}
        return json_response(detail, status=200 if engine.is_alive else 503)

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        text = self._engine.metrics.render()
        return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        context, base = self._engine.context, self._model
        models = [model_card(base, context=context, root=base, parent=None)]
        models += [
            model_card(one.name, context=context, root=one.path, parent=base)
            for one in self._engine.adapters.listed()
        ]
        return json_response({"object": "list", "data": models})

    async def _load_adapter(self, request: web.Request) -> web.StreamResponse:
        body = parse(LoadAdapterBody, await read_json(request))
        await self._engine.adapters.load(body.lora_name, body.lora_path, body.sha256)
        return web.Response(text=f"Success: LoRA adapter '{body.lora_name}' added successfully.")

    async def _unload_adapter(self, request: web.Request) -> web.StreamResponse:
        body = parse(UnloadAdapterBody, await read_json(request))
        self._engine.adapters.unload(body.lora_name)
        return web.Response(text=f"Success: LoRA adapter '{body.lora_name}' removed successfully.")

    async def _tokenize(self, request: web.Request) -> web.StreamResponse:
        body = parse(TokenizeBody, await read_json(request))
        self._release(body.model)
        encoder = self._encoder
        if body.messages is not None:
            messages = [message.message() for message in body.messages]
            tokens = (await asyncio.to_thread(self._encoded, messages, body)).tokens
        else:
            has_special = body.add_special_tokens is not False
            tokens = await asyncio.to_thread(
                encoder.encode_text, body.prompt or "", has_special=has_special
            )
        length = {"count": len(tokens), "max_model_len": self._engine.context}
        return json_response({**length, "tokens": list(tokens)})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = parse(ChatBody, await read_json(request))
        release = self._release(body.model)
        messages = [message.message() for message in body.messages]
        chat = await asyncio.to_thread(self._encoded, messages, body)
        encoder = self._encoder

        def logprobs(delta: Delta) -> Json | None:
            return chat_logprobs(encoder, delta.scores) if body.logprobs else None

        ask = self._request(request, body, chat.tokens, release, num_begun=chat.num_begun)
        answer = Answer("chat", release or self._model, ask.id)
        if body.stream:
            return await self._stream(request, body, ask, answer, logprobs)
        text, last = await self._whole(ask, "chat")
        whole = answer.whole(text, last, logprobs(last))
        if body.prompt_logprobs is not None:
            whole["prompt_logprobs"] = prompt_logprobs(
                encoder, chat.tokens, last.prompt_scores, body.prompt_logprobs
            )
        return json_response(whole)

    def _encoded(self, messages: Sequence[Message], ending: Ending) -> BegunChat:
        """A chat as its body says that it ends. Takes long: for a thread."""
        if ending.is_continued:
            return self._encoder.encode_begun(messages)
        return BegunChat(self._encoder.encode_chat(messages), 0)

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = parse(CompletionBody, await read_json(request))
        release = self._release(body.model)
        encoder, given = self._encoder, body.text_or_ids()
        if isinstance(given, str):
            tokens = await asyncio.to_thread(encoder.encode_text, given)
        else:
            tokens = given
        ask = self._request(request, body, tokens, release)
        answer = Answer("text", release or self._model, ask.id)
        shown = TextLogprobs(encoder, body.logprobs or 0)
        echoed = ""
        if body.echo:
            echoed = given if isinstance(given, str) else text_of(encoder, tokens)

        def logprobs(delta: Delta) -> Json | None:
            if body.logprobs is None:
                return None
            if not body.echo:
                return shown.take(delta.scores)
            return shown.take((*delta.prompt_scores, *delta.scores), first=tokens[:1])

        if body.stream:
            return await self._stream(request, body, ask, answer, logprobs, echoed)
        text, last = await self._whole(ask, "text")
        whole = answer.whole(echoed + text, last, logprobs(last))
        if body.prompt_logprobs is not None:
            whole["choices"][0]["prompt_logprobs"] = prompt_logprobs(
                encoder, tokens, last.prompt_scores, body.prompt_logprobs
            )
        return json_response(whole)

    def _release(self, name: str | None) -> str:
        """The release that a body's `model` means: "" for the model itself."""
        if name is None or name == self._model:
            return ""
        return self._engine.adapters.find(name).name

    def _request(
        self,
        request: web.Request,
        body: GenerationBody,
        tokens: tuple[int, ...],
        release: str,
        *,
        num_begun: int = 0,
    ) -> Request:
        return Request(
            uuid.uuid4().hex,
            tokens,
            body.sampling(self._engine.loaded.defaults, self._engine.context - len(tokens)),
            release=release,
            person=body.person,
            cache_salt=body.cache_salt or "",
            deadline=deadline_of(request),
            num_begun=num_begun,
        )

    async def _stream(
        self,
        request: web.Request,
        body: GenerationBody,
        ask: Request,
        answer: Answer,
        logprobs: Callable[[Delta], Json | None],
        prefix: str = "",
    ) -> web.StreamResponse:
        deltas = self._engine.generate(ask, interval_s=self._stream_interval_s)
        async with aclosing(deltas), self._refusals(answer.kind):
            return await stream(
                request,
                answer,
                deltas,
                has_usage=body.wants_usage,
                logprobs=logprobs,
                position=lambda: self._engine.position(ask.id),
                prefix=prefix,
            )

    async def _whole(self, ask: Request, kind: Kind) -> tuple[str, Delta]:
        """The whole text, and the last delta with all scores."""
        texts: list[str] = []
        scores: list[Score] = []
        deltas = self._engine.generate(ask, interval_s=math.inf)
        async with aclosing(deltas), self._refusals(kind):
            async for delta in deltas:
                texts.append(delta.text)
                scores += delta.scores
            if failure := broken(delta):
                raise failure
        return "".join(texts), replace(delta, scores=tuple(scores))

    @asynccontextmanager
    async def _refusals(self, kind: Kind) -> AsyncIterator[None]:
        """What the engine refuses, in OpenAI's words."""
        try:
            yield
        except UnknownRelease:
            raise
        except TooLong as error:
            raise ApiError(
                400,
                str(error),
                code="context_length_exceeded",
                param="messages" if kind == "chat" else "prompt",
            ) from error
        except Busy as error:
            raise ApiError(
                429,
                f"the server is busy: {error}",
                code="rate_limit_exceeded",
                retry_after_s=self._engine.retry_after_s(),
            ) from error
        except RefusedError as error:
            raise ApiError(400, str(error), code="invalid_prompt", param="prompt") from error
        except ModelUnavailable as error:
            raise ApiError(503, str(error), code="unavailable", retry_after_s=1) from error
