"""What the bot did to a platform, for whoever measures it: what its messages showed, and when, and
the calls that it made.

Silent until `begin`, since it keeps whole texts. Bounded; what gives way is counted.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

MAX_VERSIONS: Final = 20_000
"""Versions of messages that are kept; the oldest give way."""


@dataclass(frozen=True, slots=True)
class Version:
    """What a message of the bot showed from `at` on, in seconds of Unix time."""

    id: str
    at: float
    text: str


class Journal:
    """The journal of one platform. `clock` gives seconds of Unix time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._versions: deque[Version] = deque(maxlen=MAX_VERSIONS)
        self._num_versions = 0
        self._calls: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self.is_open = False

    def begin(self) -> None:
        """Keep what comes from now on, and forget what was kept."""
        self._versions.clear()
        self._num_versions = 0
        self._calls.clear()
        self._refused.clear()
        self.is_open = True

    def shown(self, message: str, text: str) -> None:
        """A message of the bot shows a text."""
        if self.is_open:
            self._versions.append(Version(message, self._clock(), text))
            self._num_versions += 1

    def called(self, name: str, *, is_limited: bool) -> None:
        """The bot made a call, which a rate limit may have refused."""
        if self.is_open:
            self._calls[name] += 1
            self._refused[name] += is_limited

    def as_json(self) -> dict[str, Any]:
        """All that is kept."""
        return {
            "versions": [{"id": one.id, "at": one.at, "text": one.text} for one in self._versions],
            "num_versions": self._num_versions,
            "calls": dict(self._calls),
            "limited": {name: number for name, number in self._refused.items() if number},
        }
