"""The ids of a second workspace: those of the first with another digit, put on at the wire.

Inside, every workspace has the ids of `directory`, so nothing else there has to know which it is.
What goes out is renamed, and what comes in is named back, in texts of people too: `U0ALICE` of the
second workspace is `U2ALICE` to the app. The app's own id stays, for it is one app.
"""

import re
from collections.abc import Callable
from typing import Any

from adapters.sandbox.slack.messages import Json

_INSIDE = re.compile(r"\b([TUCDB])0(?=[A-Z0-9]{3,}\b)")
_OUTSIDE = re.compile(r"\b([TUCDB])2(?=[A-Z0-9]{3,}\b)")


class Renaming:
    """The names of one workspace at the wire; this one leaves everything as it is."""

    def outward(self, value: Json) -> Json:
        """What the app is to see."""
        return value

    def inward(self, value: dict[str, Any]) -> dict[str, Any]:
        """What the app sent, by our names."""
        return value


class Abroad(Renaming):
    """The names of the second workspace."""

    def outward(self, value: Json) -> Json:
        renamed: Json = _each(value, lambda text: _INSIDE.sub(r"\g<1>2", text))
        return renamed

    def inward(self, value: dict[str, Any]) -> dict[str, Any]:
        named: dict[str, Any] = _each(value, lambda text: _OUTSIDE.sub(r"\g<1>0", text))
        return named


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every text in it changed, keys included: they may be ids."""
    match value:
        case str():
            return change(value)
        case dict():
            return {change(key): _each(inner, change) for key, inner in value.items()}
        case list() | tuple():
            return [_each(inner, change) for inner in value]
        case _:
            return value
