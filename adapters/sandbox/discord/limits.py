"""Rate limits: fixed windows per route and major parameter, one for everything, and 429s.

Discord's own numbers are not public; the default here is generous enough never to bind, so a test
sets the windows that it needs. The headers are published on every response of a known route.
"""

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from adapters.sandbox.discord.model import Json

OLD_MESSAGE_S: Final = 3600.0
"""Edits of messages older than this have a limit of their own (error 30046)."""


@dataclass(frozen=True, slots=True)
class Window:
    """At most `limit` requests in `seconds`, counted from the first of them."""

    limit: int
    seconds: float


SWEPT_BUCKETS: Final = 1000
"""With so many buckets, those are forgotten whose window ended."""

GENEROUS: Final = Window(1_000_000, 1.0)

OBSERVED: Final[Mapping[str, Window]] = MappingProxyType(
    {
        "POST /channels/{channel_id}/messages": Window(5, 5.0),
        "PATCH /channels/{channel_id}/messages/{message_id}": Window(5, 5.0),
    }
)
"""What bots are seen to run into; Discord publishes no numbers for routes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force.

    `routes` names a window by method and path template, as in
    "POST /channels/{channel_id}/messages"; `routes_default` is for all others.
    """

    routes: Mapping[str, Window] = field(default_factory=lambda: MappingProxyType({}))
    routes_default: Window = GENEROUS
    everything: Window = GENEROUS
    old_edits: Window = GENEROUS
    identify: Window = GENEROUS
    command_creates: Window = Window(200, 86_400.0)
    session_starts: Window = Window(1000, 86_400.0)
    gateway_sends: Window = Window(120, 60.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a bucket stands after a request: whether it was let in, and when it resets."""

    allowed: bool
    limit: int
    remaining: int
    reset_at: float
    reset_after_s: float


class Buckets:
    """Counts requests by bucket. `clock` gives seconds of Unix time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._used: dict[str, tuple[float, int, Window]] = {}
        self._sweep_at = SWEPT_BUCKETS

    def take(self, key: str, window: Window) -> Standing:
        """Count one request in the bucket, unless it is full."""
        begun, used = self._current(key, window)
        allowed = used < window.limit
        if allowed:
            used += 1
            if key not in self._used and len(self._used) >= self._sweep_at:
                self._sweep()
            self._used[key] = (begun, used, window)
        return self._standing(allowed, begun, used, window)

    def look(self, key: str, window: Window) -> Standing:
        """Where the bucket stands, counting nothing."""
        begun, used = self._current(key, window)
        return self._standing(used < window.limit, begun, used, window)

    def _current(self, key: str, window: Window) -> tuple[float, int]:
        now = self._clock()
        begun, used, _ = self._used.get(key, (now, 0, window))
        return (now, 0) if now >= begun + window.seconds else (begun, used)

    def _sweep(self) -> None:
        """Forget the windows that ended; each thread has buckets of its own."""
        now = self._clock()
        self._used = {
            key: (begun, used, window)
            for key, (begun, used, window) in self._used.items()
            if now < begun + window.seconds
        }
        self._sweep_at = max(SWEPT_BUCKETS, 2 * len(self._used))

    def _standing(self, allowed: bool, begun: float, used: int, window: Window) -> Standing:
        reset_at = begun + window.seconds
        return Standing(
            allowed=allowed,
            limit=window.limit,
            remaining=window.limit - used,
            reset_at=reset_at,
            reset_after_s=max(0.0, reset_at - self._clock()),
        )


Scope = Literal["user", "global", "shared"]


class RateLimited(Exception):
    """A request over a limit. `code` is a JSON error code where Discord gives one."""

    def __init__(self, retry_after_s: float, scope: Scope, code: int | None = None) -> None:
        super().__init__(f"rate limited for {retry_after_s:.3f} s")
        self.retry_after_s = retry_after_s
        self.scope = scope
        self.code = code

    def body(self) -> Json:
        """The JSON body of the 429."""
        body: Json = {
            "message": "You are being rate limited.",
            "retry_after": _up_to_ms(self.retry_after_s),
            "global": self.scope == "global",
        }
        if self.code is not None:
            body["code"] = self.code
        return body

    def headers(self) -> dict[str, str]:
        """The headers of the 429; discord.py raises instead of waiting when `Via` is missing."""
        headers = {
            "Via": "1.1 google",
            "Retry-After": str(math.ceil(self.retry_after_s)),
            "X-RateLimit-Scope": self.scope,
        }
        if self.scope == "global":
            headers["X-RateLimit-Global"] = "true"
        return headers


def bucket_hash(route: str) -> str:
    """The opaque name of a route's bucket; its major parameters are not part of it."""
    return hashlib.sha256(route.encode()).hexdigest()[:32]


def standing_headers(standing: Standing, route: str) -> dict[str, str]:
    """The headers that every response of a known route carries."""
    return {
        "X-RateLimit-Limit": str(standing.limit),
        "X-RateLimit-Remaining": str(standing.remaining),
        "X-RateLimit-Reset": f"{standing.reset_at:.3f}",
        "X-RateLimit-Reset-After": str(_up_to_ms(standing.reset_after_s)),
        "X-RateLimit-Bucket": bucket_hash(route),
    }


def _up_to_ms(seconds: float) -> float:
    # Rounded up: a client that waits exactly this long must not come too early.
    return math.ceil(seconds * 1000) / 1000
