"""The control API's faults: arm, list, take back, and what has fired."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from adapters.sandbox.bodies import Body, json_answer, one_of, validated
from adapters.sandbox.errors import ControlError
from adapters.sandbox.faults import MAX_FIRED, Fault, Faults
from adapters.sandbox.platform import CHANNELS, DM, Platform


def _closing(code: int) -> int:
    # What RFC 6455 lets stand in a close frame; a client takes others for a broken one.
    if code in {1000, 1001, 1002, 1003, *range(1007, 1015)} or 3000 <= code <= 4999:
        return code
    raise PydanticCustomError("code", "must be a code that may stand in a close frame")


_Short = Annotated[str, Field(min_length=1, max_length=120)]


class ArmFault(Body):
    """Body of `POST /control/{platform}/faults`; `times` null is without end.

    Without `times` a fault strikes once, and with a `probability` below 1 without end.
    """

    kind: _Short
    on: _Short | None = None
    channel: Annotated[str, one_of((*CHANNELS, DM))] | None = None
    variant: _Short | None = None
    seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] | None = None
    code: Annotated[int, AfterValidator(_closing)] | None = None
    times: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    skip: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0

    def fault(self) -> Fault:
        """The fault that it asks for."""
        is_once = self.probability == 1 and "times" not in self.model_fields_set
        return Fault(**{**self.model_dump(), "times": 1 if is_once else self.times})


class LedgerQuery(Body):
    """Query of `GET /control/{platform}/faults`: how many of what has fired to list."""

    # Lax, since all values of a query are text.
    newest: Annotated[int, Field(ge=0, le=MAX_FIRED, strict=False)] = MAX_FIRED


class FaultRoutes:
    """The handlers; `platform_of` finds the platform in a request's path."""

    def __init__(self, platform_of: Callable[[web.Request], Platform]) -> None:
        self._platform_of = platform_of

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [
            web.get("/{platform}/faults", self._list, allow_head=False),
            web.get("/{platform}/faults/kinds", self._kinds, allow_head=False),
            web.post("/{platform}/faults", self._arm),
            web.delete("/{platform}/faults", self._clear),
            web.delete("/{platform}/faults/{id}", self._disarm),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        faults = self._platform_of(request).faults
        query = validated(LedgerQuery, dict(request.query))
        newest = tuple(faults.fired)[-query.newest :] if query.newest else ()
        return json_answer(
            {
                "armed": [
                    {**asdict(one.fault), "id": one.id, "num_fired": one.num_fired}
                    for one in faults.armed
                ],
                "fired": [asdict(one) for one in newest],
                "num_fired": faults.num_fired,
            }
        )

    async def _kinds(self, request: web.Request) -> web.StreamResponse:
        return json_answer(_kinds(self._platform_of(request).faults))

    async def _arm(self, request: web.Request) -> web.StreamResponse:
        faults = self._platform_of(request).faults
        body = validated(ArmFault, await request.read())
        return json_answer({"id": faults.arm(body.fault())})

    async def _clear(self, request: web.Request) -> web.StreamResponse:
        self._platform_of(request).faults.clear()
        return json_answer({})

    async def _disarm(self, request: web.Request) -> web.StreamResponse:
        text = request.match_info["id"]
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise ControlError("fault: the id must be a number")
        self._platform_of(request).faults.disarm(int(text))
        return json_answer({})


def _kinds(faults: Faults) -> list[dict[str, Any]]:
    """The kinds of a platform, for whoever offers a choice of them."""
    return [
        {
            "name": name,
            "about": kind.about,
            "at_once": kind.is_act,
            "on": faults.targets(kind),
            "variants": kind.variants,
            "seconds": kind.seconds,
            "code": kind.code,
        }
        for name, kind in faults.kinds.items()
    ]
