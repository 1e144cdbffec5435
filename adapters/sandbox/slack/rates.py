"""Rate limits of the Web API: calls per window, by method, and by channel for posts.

Slack publishes numbers a minute and not how it counts them, so there are two ways: a strict window,
and a bucket that is refilled all the time and holds a fifth of the minute.
"""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

_TIER_CALLS = {1: 1, 2: 20, 3: 50, 4: 100}


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `calls` within any `window_s` seconds."""

    calls: int
    window_s: float = 60.0

    def __post_init__(self) -> None:
        if self.calls < 1 or self.window_s <= 0:
            raise ValueError("a rate limit needs at least one call and a window above zero")

    @property
    def bucket(self) -> int:
        """Calls that a refilling bucket holds; a short window is a burst already."""
        return self.calls if self.window_s < 60.0 else max(min(self.calls, 4), self.calls // 5)


def _tier(number: int) -> RateLimit:
    return RateLimit(calls=_TIER_CALLS[number])


# Slack's documented tiers (their lower bounds), for a world that should limit as Slack does.
DOCUMENTED_LIMITS: Mapping[str, RateLimit] = {
    "agents.sessions.rename": _tier(3),
    "agents.sessions.setStatus": _tier(3),
    "apps.connections.open": _tier(3),
    "assistant.threads.setSuggestedPrompts": _tier(4),
    "assistant.threads.setTitle": _tier(4),
    "chat.appendStream": _tier(4),
    "chat.delete": _tier(3),
    "chat.postEphemeral": _tier(4),
    "chat.postMessage": RateLimit(calls=5, window_s=5.0),
    "chat.startStream": _tier(2),
    "chat.stopStream": _tier(2),
    "chat.update": _tier(3),
    "conversations.history": _tier(3),
    "conversations.list": _tier(2),
    "conversations.replies": _tier(3),
    "reactions.add": _tier(3),
    "reactions.get": _tier(3),
    "reactions.remove": _tier(2),
    "usergroups.list": _tier(2),
    "users.conversations": _tier(3),
    "users.info": _tier(4),
    "views.open": _tier(4),
    "views.publish": _tier(4),
    "views.push": _tier(4),
    "views.update": _tier(4),
}


Counting = Literal["window", "bucket"]


class RateLimiter:
    """Counts calls in sliding windows, or by buckets. A method without a limit is never refused."""

    def __init__(self, limits: Mapping[str, RateLimit], counting: Counting = "window") -> None:
        self._limits = limits
        self._counting = counting
        self._calls: dict[tuple[str, str], deque[float]] = {}
        self._full_at: dict[tuple[str, str], float] = {}

    def retry_after(self, method: str, channel: str, now: float) -> int | None:
        """Count a call at `now`; the seconds to wait when it is one too many, else None.

        A refused call is not counted. `channel` matters to `chat.postMessage` alone: its limit is
        for each channel.
        """
        limit = self._limits.get(method)
        if limit is None:
            return None
        key = method, channel if method == "chat.postMessage" else ""
        if self._counting == "bucket":
            return self._from_bucket(key, limit, now)
        calls = self._calls.setdefault(key, deque())
        while calls and calls[0] <= now - limit.window_s:
            calls.popleft()
        if len(calls) >= limit.calls:
            return max(1, math.ceil(calls[0] + limit.window_s - now))
        calls.append(now)
        return None

    def _from_bucket(self, key: tuple[str, str], limit: RateLimit, now: float) -> int | None:
        each_s = limit.window_s / limit.calls
        full_at = max(self._full_at.get(key, now), now)
        wait_s = full_at - (limit.bucket - 1) * each_s - now
        # A call that comes in the very moment may be a rounding error early.
        if wait_s > 1e-6:
            return max(1, math.ceil(wait_s))
        self._full_at[key] = full_at + each_s
        return None
