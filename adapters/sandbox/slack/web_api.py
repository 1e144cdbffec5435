"""The Web API over HTTP: arguments in every form, the token, the limits, the answer.

Route `/slack/api/{method}`, GET and POST. Every answer leaves through `_answer`, and every call is
kept in `WebApi.calls`. Arguments are never logged: they hold what people said.
"""

import asyncio
import json
import logging
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from aiohttp import web

from adapters.sandbox.faults import Faults, error_page
from adapters.sandbox.journal import Journal
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.errors import RateLimited, SlackError
from adapters.sandbox.slack.faults import expire_stream
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.methods import METHODS, Method
from adapters.sandbox.slack.passing import call_passing
from adapters.sandbox.slack.rates import RateLimiter
from adapters.sandbox.slack.renaming import Renaming
from adapters.sandbox.slack.tokens import Caller, Tokens

MAX_RECORDED_CALLS = 1_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """A call as it was made and answered.

    `form` is how the arguments came ("json", "form", "query"), `arguments` are without the token,
    `token` is whose it was ("bot", "app", "none" for no valid one), `error` is None when it went
    well, `at` is on the world's clock. Answers are not kept: a page of history is large.
    """

    method: str
    http_method: str
    form: str
    arguments: Mapping[str, Any]
    token: str
    at: float
    status: int
    error: str | None


@dataclass(slots=True)
class _Attempt:
    """What is known so far of a call that is being answered."""

    request: web.Request
    method: str
    form: str = "query"
    caller: Caller | None = None
    credentials: str = ""
    arguments: dict[str, Any] | None = None


class _Broken(Exception):
    """The server fails with that status."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(f"{status} {status.phrase}")
        self.status = status


class WebApi:
    """Answers calls of METHODS against a host."""

    def __init__(
        self,
        host: Host,
        tokens: Tokens,
        faults: Faults,
        journal: Journal,
        renaming: Renaming | None = None,
    ) -> None:
        """`renaming` is how the ids are named at the wire."""
        self._renaming = renaming or Renaming()
        self._others: list[WebApi] = []
        self._host = host
        self._tokens = tokens
        self._faults = faults
        self._journal = journal
        self.limiter = RateLimiter(host.knobs.rate_limits)
        self.calls: deque[ApiCall] = deque(maxlen=MAX_RECORDED_CALLS)

    def add_to(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_route("GET", "/slack/api/{method}", self._handle)
        app.router.add_route("POST", "/slack/api/{method}", self._handle)

    def join(self, other: "WebApi") -> None:
        """Answer calls with the tokens of another workspace by its own Web API."""
        self._others.append(other)

    async def _handle(self, request: web.Request) -> web.Response:
        attempt = _Attempt(request, request.match_info["method"])
        refused: SlackError | None = None
        try:
            await self._read_arguments(attempt)
        except SlackError as error:
            refused = error
        whose = next((one for one in self._others if one.knows(attempt.credentials)), self)
        if refused is not None:
            return whose.refuse(attempt, refused)
        return await whose.answer(attempt)

    def knows(self, credentials: str) -> bool:
        """Whether a token is, or was, of this workspace's bot."""
        caller = self._tokens.caller(credentials)
        is_bot = caller is not None and caller.kind == "bot"
        return is_bot or self._tokens.refusal(credentials) is not None

    def refuse(self, attempt: _Attempt, error: SlackError) -> web.Response:
        """Answer a call that cannot even be read."""
        return self._answer(attempt, error.body())

    async def answer(self, attempt: _Attempt) -> web.Response:
        """Do what a call asks for."""
        try:
            attempt.arguments = self._renaming.inward(attempt.arguments or {})
            method, attempt.caller = self._authorize(attempt)
            self._strike_call(attempt)
            response = self._answer(
                attempt, {"ok": True, **self._run(attempt, method, attempt.caller)}
            )
            await self._strike_answer(attempt)
            return response
        except _Broken as error:
            return self._answer(
                attempt, {"ok": False, "error": "internal_error"}, status=error.status
            )
        except RateLimited as error:
            headers = {"Retry-After": str(error.retry_after_s)}
            return self._answer(attempt, error.body(), status=429, headers=headers)
        except SlackError as error:
            return self._answer(attempt, error.body())
        except web.HTTPException:
            raise
        except Exception:  # noqa: BLE001 - the border: a defect answers as Slack's own would
            _log.exception("slack sandbox: %s failed", attempt.method)
            return self._answer(attempt, {"ok": False, "error": "internal_error"}, status=500)

    async def _read_arguments(self, attempt: _Attempt) -> None:
        """Merge the query and the body; the body wins, and the token is taken out of both."""
        request = attempt.request
        arguments: dict[str, Any] = dict(request.query)
        # Sorted out before the body can be refused, so that a refusal knows its caller.
        attempt.arguments = arguments
        attempt.credentials = request.headers.get("Authorization", "")
        if request.content_type == "application/json":
            attempt.form = "json"
            arguments |= _json_object(await request.read())
        elif request.method == "POST" and request.can_read_body:
            attempt.form = "form"
            posted = await request.post()
            arguments |= {name: value for name, value in posted.items() if isinstance(value, str)}
        token = arguments.pop("token", None)
        if not attempt.credentials and isinstance(token, str):
            attempt.credentials = token

    def _run(self, attempt: _Attempt, method: Method, caller: Caller) -> Json:
        call = Call(attempt.method, attempt.arguments or {}, caller.scopes)
        channel = call.arguments.get("channel")
        retry_after_s = self.limiter.retry_after(
            attempt.method,
            channel if isinstance(channel, str) and self._host.workspace.room(channel) else "",
            self._host.workspace.clock(),
        )
        if retry_after_s is not None:
            raise RateLimited(retry_after_s)
        return method.run(self._host, call)

    def _authorize(self, attempt: _Attempt) -> tuple[Method, Caller]:
        """The method that is called, and the caller, who may."""
        method = METHODS.get(attempt.method)
        if method is None:
            raise SlackError("unknown_method")
        if not attempt.credentials:
            raise SlackError("not_authed")
        caller = self._tokens.caller(attempt.credentials)
        if caller is None:
            raise SlackError(self._tokens.refusal(attempt.credentials) or "invalid_auth")
        if method.caller not in ("any", caller.kind):
            raise SlackError("not_allowed_token_type")
        return method, caller

    def _strike_call(self, attempt: _Attempt) -> None:
        """What faults do before the work: refuse it, or end the stream that it is about."""
        arguments = attempt.arguments or {}
        hits = self._faults.strike("call", call_passing(attempt.method, arguments))
        if (limited := hits.get("rate_limit")) is not None:
            raise RateLimited(math.ceil(limited.seconds or 0.0))
        if (revoked := hits.get("revoke_token")) is not None:
            raise SlackError(revoked.variant or "token_revoked")
        if (broken := hits.get("server_error")) is not None:
            raise _Broken(HTTPStatus(int(broken.variant or "500")))
        if "expire_stream" in hits:
            expire_stream(self._host.workspace, arguments)

    async def _strike_answer(self, attempt: _Attempt) -> None:
        """What befalls the answer to work that went well."""
        passing = call_passing(attempt.method, attempt.arguments or {})
        hits = self._faults.strike("answer", passing)
        if (late := hits.get("delay_answer")) is not None:
            await asyncio.sleep(late.seconds or 0.0)
        if "lose_reply" in hits and attempt.request.transport is not None:
            attempt.request.transport.abort()

    def _answer(
        self,
        attempt: _Attempt,
        body: Json,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> web.Response:
        """Record the call and make its response: the one place where an answer goes out."""
        self.calls.append(
            ApiCall(
                method=attempt.method,
                http_method=attempt.request.method,
                form=attempt.form,
                arguments=attempt.arguments or {},
                token=attempt.caller.kind if attempt.caller else "none",
                at=self._host.workspace.clock(),
                status=status,
                error=body.get("error"),
            )
        )
        self._journal.called(attempt.method, is_limited=status == HTTPStatus.TOO_MANY_REQUESTS)
        if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE):
            # Not the API's own answer but that of a proxy before it.
            page = error_page(status, HTTPStatus(status).phrase)
            return web.Response(status=status, text=page, content_type="text/html")
        response = web.json_response(self._renaming.outward(body), status=status, headers=headers)
        if attempt.caller is not None:
            response.headers["x-oauth-scopes"] = ",".join(sorted(attempt.caller.scopes))
        return response


def _json_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except ValueError as cause:
        raise SlackError("invalid_json") from cause
    if not isinstance(value, dict):
        raise SlackError("json_not_object")
    return value
