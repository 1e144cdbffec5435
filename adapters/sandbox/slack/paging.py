"""Cursor paging as the `conversations.*` methods do it."""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.errors import SlackError

Item = TypeVar("Item")

DEFAULT_LIMIT = 100
MAX_LIMIT = 1000
_PREFIX = "next:"


def page(call: Call, items: Sequence[Item], key: Callable[[Item], str]) -> tuple[list[Item], str]:
    """The page of `items` that the call's `cursor` and `limit` ask for, and the next cursor.

    A cursor names the first item of its page by `key`, so that new items do not shift the pages.
    The next cursor is empty on the last page. Raises SlackError for a cursor that is not ours.
    """
    limit = call.number("limit", DEFAULT_LIMIT, MAX_LIMIT)
    start = 0
    if call.text("cursor"):
        wanted = _decode(call.text("cursor"))
        found = (index for index, item in enumerate(items) if key(item) == wanted)
        start = next(found, -1)
        if start < 0:
            raise SlackError("invalid_cursor")
    end = start + limit
    following = ""
    if end < len(items):
        following = base64.b64encode((_PREFIX + key(items[end])).encode()).decode()
    return list(items[start:end]), following


def _decode(cursor: str) -> str:
    try:
        decoded = base64.b64decode(cursor, validate=True).decode()
    except (binascii.Error, ValueError) as cause:
        raise SlackError("invalid_cursor") from cause
    if not decoded.startswith(_PREFIX):
        raise SlackError("invalid_cursor")
    return decoded.removeprefix(_PREFIX)
