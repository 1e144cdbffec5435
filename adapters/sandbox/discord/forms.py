"""Reading what a request carries: JSON or multipart bodies, queries, ids in the path.

Whatever does not fit is an invalid form (50035) with Discord's nested errors.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, TypeVar

import orjson
from aiohttp import BodyPartReader, web
from pydantic import BaseModel, ValidationError

from adapters.sandbox.discord.errors import ApiError, Flaw, Refusal, invalid_form
from adapters.sandbox.discord.model import Json

MAX_REQUEST: Final = 25 << 20
"""A larger request is refused (413, 40005)."""

_FILE_FIELD: Final = re.compile(r"files\[(\d{1,3})\]")
_UNSAFE: Final = re.compile(r"[^\w.\-]+", re.ASCII)

# Pydantic's name of a fault -> Discord's.
_CODES: Final = {
    "missing": "BASE_TYPE_REQUIRED",
    "string_too_long": "BASE_TYPE_MAX_LENGTH",
    "too_long": "BASE_TYPE_MAX_LENGTH",
    "string_too_short": "BASE_TYPE_MIN_LENGTH",
    "too_short": "BASE_TYPE_MIN_LENGTH",
    "literal_error": "BASE_TYPE_CHOICES",
    "int_parsing": "NUMBER_TYPE_COERCE",
    "int_type": "NUMBER_TYPE_COERCE",
    "int_from_float": "NUMBER_TYPE_COERCE",
    "less_than": "NUMBER_TYPE_MAX",
    "less_than_equal": "NUMBER_TYPE_MAX",
    "greater_than_equal": "NUMBER_TYPE_MIN",
    "string_type": "STRING_TYPE_CONVERT",
    "bool_type": "BOOLEAN_TYPE_CONVERT",
    "bool_parsing": "BOOLEAN_TYPE_CONVERT",
    "list_type": "LIST_TYPE_CONVERT",
    "dict_type": "DICT_TYPE_CONVERT",
    "model_type": "DICT_TYPE_CONVERT",
    "model_attributes_type": "DICT_TYPE_CONVERT",
}

Form = TypeVar("Form", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Upload:
    """One file of a multipart request, its name made safe for a URL."""

    filename: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A request's JSON, and its files by their number."""

    data: Json
    files: Mapping[int, Upload]


def checked(form: type[Form], data: object) -> Form:
    """The data as that form; raises 50035 with every flaw at its path."""
    try:
        return form.model_validate(data)
    except ValidationError as error:
        flaws: dict[tuple[str | int, ...], list[Flaw]] = {}
        for flaw in error.errors(include_url=False, include_input=False):
            code = _CODES.get(flaw["type"], "BASE_TYPE_INVALID")
            flaws.setdefault(flaw["loc"], []).append((code, flaw["msg"]))
        raise invalid_form(flaws) from error


def query(form: type[Form], request: web.Request) -> Form:
    """The request's query as that form."""
    return checked(form, dict(request.query))


def path_id(request: web.Request, name: str) -> int:
    """An id in the request's path; raises 50035 for what is none."""
    raw = request.match_info[name]
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 20):
        raise invalid_form({(name,): [("NUMBER_TYPE_COERCE", f'Value "{raw}" is not snowflake.')]})
    return int(raw)


async def read_body(request: web.Request) -> Body:
    """The request's body, JSON or multipart with `payload_json` and `files[n]`."""
    # A clone, because the limit of the application that we are attached to is its own.
    request = request.clone(client_max_size=MAX_REQUEST)
    if (request.content_length or 0) > MAX_REQUEST:
        raise ApiError(Refusal.TOO_LARGE)
    try:
        if request.content_type == "multipart/form-data":
            return await _read_multipart(request)
        if request.content_type != "application/json":
            raise _wrong_content_type()
        return Body(_object(_json(await request.read())), {})
    except web.HTTPRequestEntityTooLarge as error:
        raise ApiError(Refusal.TOO_LARGE) from error


async def read_list(request: web.Request) -> list[object]:
    """The request's JSON body where the route takes an array."""
    request = request.clone(client_max_size=MAX_REQUEST)
    if request.content_type != "application/json":
        raise _wrong_content_type()
    try:
        data = _json(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        raise ApiError(Refusal.TOO_LARGE) from error
    if not isinstance(data, list):
        raise invalid_form({(): [("LIST_TYPE_CONVERT", "Only lists may be used")]})
    return data


async def _read_multipart(request: web.Request) -> Body:
    data: Json = {}
    files: dict[int, Upload] = {}
    left = MAX_REQUEST
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise _wrong_content_type()
            content = bytes(await part.read(decode=True))
            left -= len(content)
            if left < 0:
                raise ApiError(Refusal.TOO_LARGE)
            numbered = _FILE_FIELD.fullmatch(part.name or "")
            if part.name == "payload_json":
                data = _object(_json(content))
            elif numbered is not None:
                files[int(numbered[1])] = Upload(safe_filename(part.filename), content)
            else:
                name = part.name or "_"
                raise invalid_form({(name,): [("BASE_TYPE_INVALID", "Unknown form field")]})
    except (ValueError, RuntimeError) as error:  # as aiohttp tells of a malformed part
        raise _wrong_content_type() from error
    return Body(data, files)


def safe_filename(name: str | None) -> str:
    """The last part of the name with all but letters, digits, `.`, `-` and `_` replaced."""
    return _UNSAFE.sub("_", PurePath((name or "").replace("\\", "/")).name)[-120:] or "file"


def _json(raw: bytes) -> object:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ApiError(Refusal.INVALID_JSON) from error


def _object(data: object) -> Json:
    if not isinstance(data, dict):
        raise invalid_form({(): [("DICT_TYPE_CONVERT", "Only dictionaries may be used")]})
    return data


def _wrong_content_type() -> ApiError:
    expected = "{'application/json', 'multipart/form-data'}"
    text = f'Expected "Content-Type" header to be one of {expected}.'
    return invalid_form({(): [("CONTENT_TYPE_INVALID", text)]})
