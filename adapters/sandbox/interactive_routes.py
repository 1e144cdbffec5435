"""The control API's interactions: press, command, shortcut, and the form that is open."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, TypeVar

from aiohttp import web
from pydantic import AfterValidator, StringConstraints

from adapters.sandbox.bodies import Body, a_person, json_answer, not_blank, one_of, validated
from adapters.sandbox.errors import ControlError
from adapters.sandbox.interactive import AWAY, Interactive
from adapters.sandbox.platform import CHANNELS, DM, Platform

_Channel = Annotated[str, one_of((*CHANNELS, DM, *AWAY))]
_Person = Annotated[str, AfterValidator(a_person)]
_Id = Annotated[str, StringConstraints(min_length=1, max_length=255)]
_Value = Annotated[str, StringConstraints(max_length=4000)]
_Text = Annotated[str, StringConstraints(max_length=4000), AfterValidator(not_blank)]
_Form = TypeVar("_Form", bound=Body)


class PressButton(Body):
    """Body of `POST /control/{platform}/press`."""

    channel: _Channel
    message: _Id
    user: _Person
    button: _Id


class RunCommand(Body):
    """Body of `POST /control/{platform}/command`; `text` begins with the slash."""

    channel: _Channel
    user: _Person
    text: _Text
    thread: _Id | None = None


class UseShortcut(Body):
    """Body of `POST /control/{platform}/shortcut`."""

    channel: _Channel
    message: _Id
    user: _Person
    name: _Id


class SubmitForm(Body):
    """Body of `POST /control/{platform}/submit`; values by the ids of the fields."""

    user: _Person
    modal: _Id
    values: dict[_Id, _Value]


class DismissForm(Body):
    """Body of `POST /control/{platform}/dismiss`."""

    user: _Person
    modal: _Id


class ModalQuery(Body):
    """Query of `GET /control/{platform}/modal`."""

    user: _Person


class InteractiveRoutes:
    """The handlers; `platform_of` finds the platform in a request's path."""

    def __init__(
        self, platform_of: Callable[[web.Request], Platform], people: tuple[str, ...]
    ) -> None:
        self._platform_of = platform_of
        self._people = people

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [
            web.post("/{platform}/press", self._press),
            web.post("/{platform}/command", self._command),
            web.post("/{platform}/shortcut", self._shortcut),
            web.post("/{platform}/submit", self._submit),
            web.post("/{platform}/dismiss", self._dismiss),
            web.get("/{platform}/modal", self._modal, allow_head=False),
        ]

    async def _press(self, request: web.Request) -> web.Response:
        platform, body = self._platform(request), await self._body(PressButton, request)
        await platform.press(
            channel=body.channel, message=body.message, user=body.user, button=body.button
        )
        return json_answer({})

    async def _command(self, request: web.Request) -> web.Response:
        platform, body = self._platform(request), await self._body(RunCommand, request)
        await platform.command(
            channel=body.channel, user=body.user, text=body.text, thread=body.thread
        )
        return json_answer({})

    async def _shortcut(self, request: web.Request) -> web.Response:
        platform, body = self._platform(request), await self._body(UseShortcut, request)
        await platform.shortcut(
            channel=body.channel, message=body.message, user=body.user, name=body.name
        )
        return json_answer({})

    async def _submit(self, request: web.Request) -> web.Response:
        platform, body = self._platform(request), await self._body(SubmitForm, request)
        await platform.submit(user=body.user, modal=body.modal, values=body.values)
        return json_answer({})

    async def _dismiss(self, request: web.Request) -> web.Response:
        platform, body = self._platform(request), await self._body(DismissForm, request)
        await platform.dismiss(user=body.user, modal=body.modal)
        return json_answer({})

    async def _modal(self, request: web.Request) -> web.Response:
        platform = self._platform(request)
        asked = validated(ModalQuery, dict(request.query), people=self._people)
        form = platform.modal(user=asked.user)
        return json_answer({"modal": None if form is None else asdict(form)})

    async def _body(self, form: type[_Form], request: web.Request) -> _Form:
        return validated(form, await request.read(), people=self._people)

    def _platform(self, request: web.Request) -> Interactive:
        platform = self._platform_of(request)
        if not isinstance(platform, Interactive):
            raise ControlError(f"{platform.name}: interactions are not modelled here")
        return platform


def offered(platform: Platform) -> dict[str, object]:
    """What people are offered beyond writing, for the state: channels, commands, shortcuts."""
    if not isinstance(platform, Interactive):
        return {}
    return {
        "channels": (*CHANNELS, DM, *platform.away),
        "commands": [asdict(command) for command in platform.commands()],
        "shortcuts": tuple(platform.shortcuts()),
    }
