"""The tokens of the app in one workspace, and what each may do."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

_APP_SCOPES = frozenset({"authorizations:read", "connections:write"})

Refusal = Literal["token_revoked", "account_inactive"]
"""What a call is told whose token was taken back, or whose workspace took the app out."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: the bot's token or the app's, with its scopes."""

    kind: Literal["bot", "app"]
    scopes: frozenset[str]


class Tokens:
    """Knows the valid tokens; everything else is nobody.

    Without a `bot_token` the app is not installed until one is issued. Raises ValueError for tokens
    of the wrong form: the client library tells bots by `xoxb-`.
    """

    def __init__(self, *, bot_token: str | None, app_token: str, scopes: frozenset[str]) -> None:
        if bot_token is not None and not bot_token.startswith("xoxb-"):
            raise ValueError("the bot token must start with xoxb-")
        if not app_token.startswith("xapp-"):
            raise ValueError("the app token must start with xapp-")
        self._known = {app_token.encode(): Caller("app", _APP_SCOPES)}
        self._taken_back: dict[bytes, Refusal] = {}
        if bot_token is not None:
            self._known[bot_token.encode()] = Caller("bot", scopes)

    @property
    def is_installed(self) -> bool:
        """Whether the app has a token of the workspace."""
        return any(caller.kind == "bot" for caller in self._known.values())

    def issue(self, scopes: frozenset[str]) -> str:
        """A new token of the bot."""
        token = f"xoxb-{secrets.token_hex(16)}"
        self._known[token.encode()] = Caller("bot", scopes)
        return token

    def take_back(self, refusal: Refusal) -> None:
        """Take all tokens of the bot back."""
        for token, caller in list(self._known.items()):
            if caller.kind == "bot":
                del self._known[token]
                self._taken_back[token] = refusal

    def caller(self, credentials: str) -> Caller | None:
        """Whose `credentials` these are: an Authorization header, or a bare token."""
        token = _bare(credentials)
        found = [one for known, one in self._known.items() if hmac.compare_digest(known, token)]
        return found[0] if found else None

    def refusal(self, credentials: str) -> Refusal | None:
        """Why credentials that were good once are not any more; None for others."""
        return self._taken_back.get(_bare(credentials))


def _bare(credentials: str) -> bytes:
    return credentials.removeprefix("Bearer ").strip().encode("utf-8", "surrogatepass")
