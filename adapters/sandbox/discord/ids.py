"""Snowflakes: the fixed ids of this world, and the minting of new ones.

Ids made by one `Snowflakes` strictly grow, so that their order is the order of creation.
"""

from collections.abc import Callable
from typing import Final

from adapters.sandbox.interactive import AWAY
from adapters.sandbox.people import MAX_PEOPLE, handles
from adapters.sandbox.platform import CHANNELS

EPOCH_MS: Final = 1_420_070_400_000
"""Discord's epoch, 2015-01-01, in milliseconds of Unix time."""

FOUNDED_MS: Final = 1_704_067_200_000
FOUNDED_ISO: Final = "2024-01-01T00:00:00.000000+00:00"
"""When the guild, its roles, its channels and its members came to be."""


def _founding_id(number: int) -> int:
    return ((FOUNDED_MS - EPOCH_MS) << 22) + number


GUILD_ID: Final = _founding_id(1)
"""The guild; also the id of its @everyone role, as on Discord."""

# Old applications have a bot user of another id than their own: the stricter case of the two.
APPLICATION_ID: Final = _founding_id(2)
BOT_USER_ID: Final = _founding_id(3)
BOT_ROLE_ID: Final = _founding_id(4)
PEOPLE_ROLE_ID: Final = _founding_id(5)
MODERATOR_ROLE_ID: Final = _founding_id(6)
AWAY_GUILD_ID: Final = _founding_id(7)
"""A guild that the bot is not in."""
PEOPLE_IDS: Final[dict[str, int]] = {
    handle: _founding_id(100 + number) for number, handle in enumerate(handles(MAX_PEOPLE))
}
"""The id of everybody whom a world could have."""

CHANNEL_IDS: Final[dict[str, int]] = {
    name: _founding_id(50 + number) for number, name in enumerate(CHANNELS)
}

AWAY_IDS: Final[dict[str, int]] = {
    name: _founding_id(70 + number) for number, name in enumerate(AWAY)
}
MODERATOR_ID: Final = PEOPLE_IDS["alice"]
"""Who may handle other people's messages, when she is there."""


class Snowflakes:
    """Mints ids from a clock that gives seconds of Unix time."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last = 0

    def mint(self) -> int:
        """A new id, greater than all before, even when the clock stands still or steps back."""
        now = (int(self._clock() * 1000) - EPOCH_MS) << 22
        self._last = max(now, self._last + 1)
        return self._last
