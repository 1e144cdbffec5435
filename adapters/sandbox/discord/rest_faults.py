"""Faults of the REST API: what happens to a request before the work and to its answer after it."""

import asyncio
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from adapters.sandbox.discord.limits import RateLimited, Scope
from adapters.sandbox.faults import Faults, Passing

_SCOPES: Mapping[str, Scope] = {"user": "user", "shared": "shared", "global": "global"}


class Unauthorized(Exception):
    """The token was revoked."""


class Broken(Exception):
    """The server fails with that status."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(f"{status} {status.phrase}")
        self.status = status


class RestFaults:
    """Asks `faults` at both ends of a request; `name_of` gives the name of a channel's id."""

    def __init__(self, faults: Faults, name_of: Callable[[int | None], str | None]) -> None:
        self._faults = faults
        self._name_of = name_of

    def before(self, route: str, request: web.Request) -> None:
        """Let a request through, or raise RateLimited, Unauthorized or Broken."""
        hits = self._faults.strike("call", self._passing(route, request))
        if (limited := hits.get("rate_limit")) is not None:
            raise RateLimited(limited.seconds or 0.0, _SCOPES[limited.variant or "user"])
        if "revoke_token" in hits:
            raise Unauthorized
        if (broken := hits.get("server_error")) is not None:
            raise Broken(HTTPStatus(int(broken.variant or "500")))

    async def after(self, route: str, request: web.Request) -> None:
        """What befalls the answer to work that went well."""
        hits = self._faults.strike("answer", self._passing(route, request))
        if (late := hits.get("delay_answer")) is not None:
            await asyncio.sleep(late.seconds or 0.0)
        if "lose_reply" in hits and request.transport is not None:
            request.transport.abort()

    def _passing(self, route: str, request: web.Request) -> Passing:
        channel = request.match_info.get("channel_id", "")
        is_id = channel.isascii() and channel.isdecimal() and len(channel) <= 20
        return Passing(route, self._name_of(int(channel) if is_id else None))
