"""OpenAI's API over the engine, with vLLM's words where OpenAI has none.

Translates and nothing more: bodies to requests, deltas to chunks, errors to statuses. A stream's
headers go out with its first text, so that whatever refuses a request still has its own status. A
connection that closes cancels its handler, and with it the request.
"""

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict
from ipaddress import ip_address

import orjson
import structlog
from aiohttp import web

from bot.engine.adapter_file import AdapterError
from bot.engine.adapters import UnknownRelease
from bot.engine.answer import DONE, Answer, ApiError, Json, Kind, event
from bot.engine.body import (
    BodyError,
    ChatBody,
    CompletionBody,
    GenerationBody,
    LoadAdapterBody,
    TokenizeBody,
    UnloadAdapterBody,
    parse,
)
from bot.engine.encoder import PromptError
from bot.engine.engine import Engine
from bot.engine.request import Delta, Request
from bot.errors import Busy, ModelUnavailable, RefusedError, TooLong

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 4 * 1024 * 1024
"""About a million tokens of text: more than any context here, and parsed in milliseconds."""

_IS_STREAMING = web.RequestKey("is_streaming", bool)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The routes over one engine. With `api_key`, all but `/health` ask for it.

    With `checks_host`, requests must name the server by an address or as localhost: a web page
    can make its own host name lead to this machine, but cannot make that an address.
    """

    def __init__(self, engine: Engine, *, api_key: str | None, checks_host: bool) -> None:
        self._engine = engine
        self._model = engine.loaded.id
        self._api_key = api_key.encode() if api_key else None
        self._checks_host = checks_host

    def app(self) -> web.Application:
        """The application; serve it with `handler_cancellation=True`."""
        app = web.Application(
            client_max_size=MAX_BODY_BYTES, middlewares=[_shape_errors, self._authorize]
        )
        app.router.add_get("/health", self._health)
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
        if self._checks_host and not _is_local_name(request.url.host):
            raise ApiError(403, "unknown host name", code="host_not_allowed")
        return await handler(request)

    async def _health(self, request: web.Request) -> web.StreamResponse:
        engine = self._engine
        state = "ok" if engine.is_alive else "unavailable"
        detail = {"status": state, "model": self._model, **asdict(engine.stats)}
        return _json(detail, status=200 if engine.is_alive else 503)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        rows: list[tuple[str, str, str | None]] = [(self._model, self._model, None)]
        rows += [(one.name, one.path, self._model) for one in self._engine.adapters.listed()]
        models = [
            {
                "id": name,
                "object": "model",
                "created": 0,
                "owned_by": "candor",
                "root": root,
                "parent": parent,
                "max_model_len": self._engine.context,
            }
            for name, root, parent in rows
        ]
        return _json({"object": "list", "data": models})

    async def _load_adapter(self, request: web.Request) -> web.StreamResponse:
        body = parse(LoadAdapterBody, await _read(request))
        await self._engine.adapters.load(body.lora_name, body.lora_path, body.sha256)
        return web.Response(text=f"Success: LoRA adapter '{body.lora_name}' added successfully.")

    async def _unload_adapter(self, request: web.Request) -> web.StreamResponse:
        body = parse(UnloadAdapterBody, await _read(request))
        self._engine.adapters.unload(body.lora_name)
        return web.Response(text=f"Success: LoRA adapter '{body.lora_name}' removed successfully.")

    async def _tokenize(self, request: web.Request) -> web.StreamResponse:
        body = parse(TokenizeBody, await _read(request))
        self._release(body.model)
        encoder = self._engine.loaded.encoder
        if body.messages is not None:
            messages = [message.message() for message in body.messages]
            tokens = await asyncio.to_thread(encoder.encode_chat, messages)
        else:
            tokens = await asyncio.to_thread(encoder.encode_text, body.prompt or "")
        length = {"count": len(tokens), "max_model_len": self._engine.context}
        return _json({**length, "tokens": list(tokens)})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = parse(ChatBody, await _read(request))
        release = self._release(body.model)
        messages = [message.message() for message in body.messages]
        tokens = await asyncio.to_thread(self._engine.loaded.encoder.encode_chat, messages)
        return await self._answer(request, body, tokens, release, "chat")

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = parse(CompletionBody, await _read(request))
        release = self._release(body.model)
        tokens = body.text_or_ids()
        if isinstance(tokens, str):
            tokens = await asyncio.to_thread(self._engine.loaded.encoder.encode_text, tokens)
        return await self._answer(request, body, tokens, release, "text")

    def _release(self, name: str | None) -> str:
        """The release that a body's `model` means: "" for the model itself."""
        if name is None or name == self._model:
            return ""
        return self._engine.adapters.find(name).name

    async def _answer(
        self,
        request: web.Request,
        body: GenerationBody,
        tokens: tuple[int, ...],
        release: str,
        kind: Kind,
    ) -> web.StreamResponse:
        answer = Answer(kind, release or self._model)
        room = self._engine.context - len(tokens)
        sampling = body.sampling(self._engine.loaded.defaults, room)
        deltas = self._engine.generate(Request(answer.id, tokens, sampling, release))
        async with aclosing(deltas), self._refusals(kind):
            if body.stream:
                return await _stream(request, answer, deltas, has_usage=body.wants_usage)
            texts = []
            async for delta in deltas:
                texts.append(delta.text)
                if delta.finish is not None:
                    _raise_broken(delta)
                    break
        return _json(answer.whole("".join(texts), delta))

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


async def _stream(
    request: web.Request, answer: Answer, deltas: AsyncIterator[Delta], *, has_usage: bool
) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
        }
    )
    async for delta in deltas:
        if not response.prepared:
            _raise_broken(delta)
            request[_IS_STREAMING] = True
            await response.prepare(request)
            if start := answer.first(has_usage=has_usage):
                await response.write(start)
        if delta.text:
            await response.write(answer.grown(delta.text, has_usage=has_usage))
        if delta.finish is None:
            continue
        if broken := _broken(delta):
            # The status is out; without [DONE] nobody takes the answer for whole.
            await response.write(event(broken.body()))
            break
        await response.write(answer.last(delta, has_usage=has_usage))
        if has_usage:
            await response.write(answer.counts(delta))
        await response.write(DONE)
        break
    await response.write_eof()
    return response


def _broken(delta: Delta) -> ApiError | None:
    """The error that an answer ended with, if it did not end by itself."""
    match delta.finish:
        case "error":
            return ApiError(503, delta.error or "failed", code="engine_error", retry_after_s=1)
        case "shutdown" | "cancelled":
            return ApiError(503, "the server shuts down", code="unavailable", retry_after_s=1)
        case _:
            return None


def _raise_broken(delta: Delta) -> None:
    if broken := _broken(delta):
        raise broken


def _is_local_name(host: str | None) -> bool:
    if host is None or host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def _read(request: web.Request) -> bytes:
    # A browser sends no JSON to a foreign server without asking first, which is never granted:
    # so no web page that somebody visits can put questions to a server on their machine.
    if request.content_type != "application/json":
        raise ApiError(415, "the body must be application/json")
    return await request.read()


@web.middleware
async def _shape_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in OpenAI's shape, as long as nothing has been sent."""
    try:
        return await handler(request)
    except ApiError as error:
        return _error(error)
    except BodyError as error:
        return _error(ApiError(400, str(error), param=error.param))
    except UnknownRelease as error:
        name = "lora_name" if request.path.endswith("_lora_adapter") else "model"
        return _error(ApiError(404, str(error), code="model_not_found", param=name))
    except AdapterError as error:
        status = 404 if error.is_missing else 400
        return _error(ApiError(status, str(error), code="invalid_adapter", param="lora_path"))
    except PromptError as error:
        return _error(ApiError(400, str(error), code="invalid_prompt", param="messages"))
    except web.HTTPException as error:
        shaped = _error(ApiError(error.status, error.reason.lower()))
        if allowed := error.headers.get("Allow"):
            shaped.headers["Allow"] = allowed
        return shaped
    except (asyncio.CancelledError, ConnectionError):
        raise
    except Exception:
        log.exception("api.failed", path=request.path)
        if _IS_STREAMING in request:
            raise  # the status is out: all that can be done is to break the connection off
        return _error(ApiError(500, "the server failed; its log says more"))


def _error(error: ApiError) -> web.Response:
    response = _json(error.body(), status=error.status)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _json(body: Json, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
