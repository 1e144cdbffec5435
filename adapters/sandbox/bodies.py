"""JSON in and out of the control API: strict bodies in, answers and one-line errors out."""

from collections.abc import Mapping
from typing import Any, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, ValidationInfo
from pydantic_core import PydanticCustomError

from adapters.sandbox.errors import ControlError
from adapters.sandbox.people import named


class Body(BaseModel):
    """A body or a query; unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


_Model = TypeVar("_Model", bound=Body)


def one_of(allowed: tuple[str, ...]) -> AfterValidator:
    """A validator for a string that must be one of `allowed`."""

    def check(value: str) -> str:
        if value not in allowed:
            raise _unknown(value, ", ".join(allowed))
        return value

    return AfterValidator(check)


def a_person(value: str, info: ValidationInfo) -> str:
    """`value`; refuses what is none of the `people` that `validated` was given."""
    people: tuple[str, ...] = info.context["people"] if info.context else ()
    if value not in people:
        raise _unknown(value, named(people))
    return value


def _unknown(value: str, allowed: str) -> PydanticCustomError:
    return PydanticCustomError(
        "unknown_name",
        "{value} is unknown; allowed: {allowed}",
        {"value": shown(value), "allowed": allowed},
    )


def not_blank(value: str) -> str:
    """`value`; refuses white space alone."""
    if not value.strip():
        raise PydanticCustomError("blank", "must hold more than white space")
    return value


def validated(
    model: type[_Model], data: bytes | dict[str, str], *, people: tuple[str, ...] = ()
) -> _Model:
    """`data` as a `model`; raises ControlError with one line that names the first thing wrong.

    `people` are those whom a field for `a_person` may name.
    """
    context = {"people": people}
    try:
        if isinstance(data, bytes):
            return model.model_validate_json(data, context=context)
        return model.model_validate(data, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    match first["type"]:
        case "extra_forbidden":
            line = f"{shown(where)}: unknown key; allowed: {', '.join(model.model_fields)}"
        case "missing":
            line = f"{where}: missing"
        case _:
            line = f"{where or 'body'}: {first['msg']}"
    raise ControlError(line)


def shown(value: str) -> str:
    """A caller's value in an error line: quoted, on one line, not long."""
    return repr(value if len(value) <= 60 else f"{value[:60]}…")


def json_answer(
    data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """An answer that no cache keeps and no browser takes for a page."""
    fixed = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.json_response(data, status=status, headers=fixed | dict(headers or {}))


def error_answer(
    status: int, line: str, *, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A refusal in one line."""
    return json_answer({"error": line}, status=status, headers=headers)
