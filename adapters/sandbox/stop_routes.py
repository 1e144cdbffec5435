"""The control API's way to press a client's own Stop, on platforms whose client has one."""

from collections.abc import Callable
from typing import Annotated, Protocol, runtime_checkable

from aiohttp import web
from pydantic import AfterValidator, StringConstraints

from adapters.sandbox.bodies import Body, a_person, json_answer, one_of, validated
from adapters.sandbox.errors import ControlError
from adapters.sandbox.platform import CHANNELS, DM, Platform


@runtime_checkable
class Stoppable(Protocol):
    """A platform whose client shows a Stop button while the bot works."""

    async def stop(self, *, channel: str, user: str, thread: str | None = None) -> None:
        """Press it, in a thread or where it was shown last. Raises ControlError."""


class PressStop(Body):
    """Body of `POST /control/{platform}/stop`."""

    channel: Annotated[str, one_of((*CHANNELS, DM))]
    user: Annotated[str, AfterValidator(a_person)]
    thread: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class StopRoutes:
    """The handler; `platform_of` finds the platform in a request's path."""

    def __init__(
        self, platform_of: Callable[[web.Request], Platform], people: tuple[str, ...]
    ) -> None:
        self._platform_of = platform_of
        self._people = people

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [web.post("/{platform}/stop", self._stop)]

    async def _stop(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform_of(request)
        body = validated(PressStop, await request.read(), people=self._people)
        if not isinstance(platform, Stoppable):
            raise ControlError("that platform's client has no Stop button")
        await platform.stop(channel=body.channel, user=body.user, thread=body.thread)
        return json_answer({})
