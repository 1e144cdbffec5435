"""One call of a Web API method: its arguments, whichever way they came, and who makes it.

Form values are strings and JSON values are not; the accessors make both the same. A value of the
wrong shape raises SlackError.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from adapters.sandbox.slack.errors import SlackError, invalid_arguments
from adapters.sandbox.slack.messages import Json


@dataclass(frozen=True, slots=True)
class Call:
    """A call of `method` by a token that holds `scopes`."""

    method: str
    arguments: Mapping[str, Any]
    scopes: frozenset[str]

    def need(self, scope: str) -> None:
        """Raise SlackError `missing_scope` unless the token has `scope`."""
        if scope not in self.scopes:
            raise SlackError("missing_scope", needed=scope, provided=",".join(sorted(self.scopes)))

    def has(self, name: str) -> bool:
        """Whether the argument was given, be it empty."""
        return self.arguments.get(name) is not None

    def text(self, name: str) -> str:
        """A string argument, empty when it was not given."""
        value = self.arguments.get(name)
        if value is None:
            return ""
        if isinstance(value, str):
            return value
        if isinstance(value, (int, float)):
            return str(value)
        raise invalid_arguments(f"must be a string: {name}")

    def required(self, name: str) -> str:
        """A string argument that must be there."""
        value = self.text(name)
        if not value:
            raise invalid_arguments(f"missing required field: {name}")
        return value

    def flag(self, name: str) -> bool:
        """A boolean argument, false when it was not given; "1" and "true" are true."""
        return self.text(name).lower() in ("1", "true")

    def number(self, name: str, default: int, most: int) -> int:
        """A whole number from 1 to `most`."""
        value = self.text(name)
        if not value:
            return default
        if not value.isdecimal() or not 1 <= int(value) <= most:
            raise SlackError("invalid_limit" if name == "limit" else "invalid_arguments")
        return int(value)

    def items(self, name: str, error: str) -> list[Any] | None:
        """A list, or the JSON text of one; None when it was not given, `error` for others."""
        value = self._json(name, error)
        if value is not None and not isinstance(value, list):
            raise SlackError(error)
        return value

    def object(self, name: str, error: str) -> Json | None:
        """A JSON object, or its text; None when it was not given, `error` for others."""
        value = self._json(name, error)
        if value is not None and not isinstance(value, dict):
            raise SlackError(error)
        return value

    def _json(self, name: str, error: str) -> Any:
        value = self.arguments.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError as cause:
            raise SlackError(error) from cause
