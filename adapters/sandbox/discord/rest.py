"""The REST API's border: who may ask, how often, and how every answer is written.

One middleware sees all requests under `/discord/api/v10`: it answers unknown routes as Discord
does, checks the bot's token where the path carries none of an interaction, counts rate limits, and
turns what handlers raise into Discord's bodies.
`_finish` is the single place where a response goes out.
"""

import logging
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from adapters.sandbox.discord.account import Account
from adapters.sandbox.discord.errors import ApiError
from adapters.sandbox.discord.limits import (
    Buckets,
    Limits,
    RateLimited,
    Standing,
    Window,
    standing_headers,
)
from adapters.sandbox.discord.rest_faults import Broken, RestFaults, Unauthorized
from adapters.sandbox.faults import error_page
from adapters.sandbox.journal import Journal

_log = logging.getLogger(__name__)

PREFIX: Final = "/discord/api/v10"
_MAJOR: Final = ("channel_id", "guild_id", "webhook_id", "webhook_token")


def reply(data: Any, status: int = 200) -> web.Response:
    """A JSON response. Its Content-Type has no charset: discord.py compares the whole value."""
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def nothing() -> web.Response:
    """204 with an empty body."""
    return web.Response(status=204)


async def unknown_route(request: web.Request) -> web.StreamResponse:
    """What is none of ours, other versions of the API included."""
    return _plain(404, "Not Found")


class Rest:
    """The API as an application to be mounted at `PREFIX`."""

    def __init__(
        self,
        *,
        account: Account,
        buckets: Buckets,
        limits: Limits,
        faults: RestFaults,
        journal: Journal,
        routes: Iterable[web.RouteDef],
    ) -> None:
        self._account = account
        self._buckets = buckets
        self._limits = limits
        self._faults = faults
        self._journal = journal
        self.application: Final = web.Application(middlewares=[self._middleware()])
        self.application.add_routes(routes)

    def _middleware(self) -> Middleware:
        # A bound method cannot carry the mark that `web.middleware` sets.
        @web.middleware
        async def border(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._border(request, handler)

        return border

    async def _border(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.match_info.http_exception is not None:
            status = request.match_info.http_exception.status
            reason = "Not Found" if status == 404 else "Method Not Allowed"
            return self._finish(_plain(status, reason), {})
        route = self._route(request)
        by_token = request.match_info.get("webhook_token") is not None
        if not (by_token or self._account.authorizes(request.headers.get("Authorization"))):
            return self._finish(_plain(401, "Unauthorized"), {})
        standing: Standing | None = None
        try:
            self._faults.before(route, request)
            standing = self._count(request, route)
            response = await handler(request)
            await self._faults.after(route, request)
        except ApiError as error:
            response = reply(error.body(), error.refusal.status)
        except RateLimited as limited:
            response = reply(limited.body(), 429)
            response.headers.update(limited.headers())
            if standing is None and limited.scope == "user":
                standing = self._spent(request, route, limited.retry_after_s)
        except Unauthorized:
            response = _plain(401, "Unauthorized")
        except Broken as broken:
            response = _broken(broken.status)
        except web.HTTPException:
            raise
        except Exception:  # noqa: BLE001 - the border: a client gets 500, the log the trace
            _log.exception("request failed: %s", route)
            response = _plain(500, "Internal Server Error")
        self._journal.called(route, is_limited=response.status == HTTPStatus.TOO_MANY_REQUESTS)
        if standing is None:
            standing = self._buckets.look(self._key(request, route), self._window(route))
        return self._finish(response, standing_headers(standing, route))

    def _finish(self, response: web.StreamResponse, headers: dict[str, str]) -> web.StreamResponse:
        response.headers.update(headers)
        return response

    def _count(self, request: web.Request, route: str) -> Standing:
        # Interactions are not under the global limit (Receiving and Responding).
        if "webhook_token" not in request.match_info:
            everything = self._buckets.take("everything", self._limits.everything)
            if not everything.allowed:
                raise RateLimited(everything.reset_after_s, "global")
        standing = self._buckets.take(self._key(request, route), self._window(route))
        if not standing.allowed:
            raise RateLimited(standing.reset_after_s, "user")
        return standing

    def _spent(self, request: web.Request, route: str, for_s: float) -> Standing:
        """The bucket as a refusal shows it: nothing remains, for so many seconds."""
        now = self._buckets.look(self._key(request, route), self._window(route))
        reset_at = max(now.reset_at - now.reset_after_s + for_s, now.reset_at)
        return replace(now, allowed=False, remaining=0, reset_at=reset_at, reset_after_s=for_s)

    def _route(self, request: web.Request) -> str:
        resource = request.match_info.route.resource
        # Only unknown routes have no resource, and they were answered before.
        template = "" if resource is None else resource.canonical.removeprefix(PREFIX)
        return f"{request.method} {template}"

    def _key(self, request: web.Request, route: str) -> str:
        major = "+".join(request.match_info.get(name, "") for name in _MAJOR)
        return f"{route}:{major}"

    def _window(self, route: str) -> Window:
        return self._limits.routes.get(route, self._limits.routes_default)


def _broken(status: HTTPStatus) -> web.Response:
    """A failure of the API itself is JSON, one of the proxy before it a page."""
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        return _plain(status, status.phrase)
    text = error_page(status, status.phrase)
    return web.Response(status=status, text=text, content_type="text/html")


def _plain(status: int, reason: str) -> web.Response:
    return reply({"message": f"{status}: {reason}", "code": 0}, status)
