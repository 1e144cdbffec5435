"""The two tokens of the app and what each may do."""

import hmac
from dataclasses import dataclass
from typing import Literal

_APP_SCOPES = frozenset({"authorizations:read", "connections:write"})


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: the bot's token or the app's, with its scopes."""

    kind: Literal["bot", "app"]
    scopes: frozenset[str]


class Tokens:
    """Knows the valid tokens; everything else is nobody.

    Raises ValueError for tokens of the wrong form: the client library tells bots by `xoxb-`.
    """

    def __init__(self, *, bot_token: str, app_token: str, scopes: frozenset[str]) -> None:
        if not bot_token.startswith("xoxb-"):
            raise ValueError("the bot token must start with xoxb-")
        if not app_token.startswith("xapp-"):
            raise ValueError("the app token must start with xapp-")
        self._known = (
            (bot_token.encode(), Caller("bot", scopes)),
            (app_token.encode(), Caller("app", _APP_SCOPES)),
        )

    def caller(self, credentials: str) -> Caller | None:
        """Whose `credentials` these are: an Authorization header, or a bare token."""
        token = credentials.removeprefix("Bearer ").strip().encode("utf-8", "surrogatepass")
        found = [caller for known, caller in self._known if hmac.compare_digest(known, token)]
        return found[0] if found else None
