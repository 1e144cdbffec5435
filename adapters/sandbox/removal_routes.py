"""The control API's way to take the bot's application out, on platforms that tell it so."""

from collections.abc import Callable
from typing import Annotated, Literal, Protocol, runtime_checkable

from aiohttp import web
from pydantic import StringConstraints

from adapters.sandbox.bodies import Body, json_answer, validated
from adapters.sandbox.errors import ControlError
from adapters.sandbox.platform import Platform

How = Literal["uninstall", "revoke"]


@runtime_checkable
class Removable(Protocol):
    """A platform whose workspaces can take the application out, or just its tokens back."""

    def remove(self, how: How, *, team: str | None = None) -> None:
        """Do it, in the workspace of that id or in the first. Raises ControlError."""


class Remove(Body):
    """Body of `POST /control/{platform}/remove`."""

    how: How = "uninstall"
    team: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class RemovalRoutes:
    """The handler; `platform_of` finds the platform in a request's path."""

    def __init__(self, platform_of: Callable[[web.Request], Platform]) -> None:
        self._platform_of = platform_of

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [web.post("/{platform}/remove", self._remove)]

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform_of(request)
        body = validated(Remove, await request.read())
        if not isinstance(platform, Removable):
            raise ControlError("on that platform nobody takes the application out")
        platform.remove(body.how, team=body.team)
        return json_answer({})
