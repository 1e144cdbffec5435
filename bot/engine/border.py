"""The border of HTTP: what comes in is checked, and every error goes out in OpenAI's shape."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import Final

import orjson
import structlog
from aiohttp import web

from bot.engine.adapter_file import AdapterError
from bot.engine.adapters import UnknownRelease
from bot.engine.answer import ApiError, Json
from bot.engine.checked import BodyError
from bot.engine.encoder import PromptError
from bot.engine.stream import IS_STREAMING

log = structlog.get_logger(__name__)

TIMEOUT_HEADER: Final = "X-Request-Timeout"
"""Seconds after which an answer ends as it stands; neither OpenAI nor vLLM has a word for it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def deadline_of(request: web.Request) -> float | None:
    """When the answer must have ended, as the client's header says, by `time.monotonic()`."""
    given = request.headers.get(TIMEOUT_HEADER)
    if given is None:
        return None
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < math.inf:
        raise ApiError(400, f"{TIMEOUT_HEADER} must be seconds above 0", param=TIMEOUT_HEADER)
    return time.monotonic() + seconds


def is_local_name(host: str | None) -> bool:
    if host is None or host == "localhost":
        return True
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


async def read_json(request: web.Request) -> bytes:
    # A browser sends no JSON to a foreign server without asking first, which is never granted:
    # so no web page that somebody visits can put questions to a server on their machine.
    if request.content_type != "application/json":
        raise ApiError(415, "the body must be application/json")
    return await request.read()


@web.middleware
async def shape_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
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
        if IS_STREAMING in request:
            raise  # the status is out: all that can be done is to break the connection off
        return _error(ApiError(500, "the server failed; its log says more"))


def _error(error: ApiError) -> web.Response:
    response = json_response(error.body(), status=error.status)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def json_response(body: Json, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
