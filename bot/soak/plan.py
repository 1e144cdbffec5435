"""What one soak is to do, and when: people, faults, kills, quiet. Pure, and repeatable by its seed.

People write until `people_s`; kills and faults stop at `rough_s`, so that the last fifth shows how
memory stands in one long life. Then nobody writes any more, and the audit waits until nothing
changes.
"""

import random
from dataclasses import dataclass, field

from bot.domain import PLATFORMS, Platform
from bot.errors import ConfigError

CALM_SHARE = 0.2
"""Of a run with kills: its last part without any."""
FIRST_KILL_S = 2.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of a run. `settle_s` bounds the wait for the end, `patience_s` a person's."""

    people: int = 30
    minutes: float = 30.0
    kills: int = 200
    seed: int = 1
    platforms: tuple[Platform, ...] = field(default=PLATFORMS)
    has_faults: bool = True
    patience_s: float = 90.0
    settle_s: float = 300.0

    def __post_init__(self) -> None:
        if not 1 <= self.people <= 200:
            raise ConfigError(f"--people {self.people} should be from 1 to 200")
        if not 0.05 <= self.minutes <= 24 * 60:
            raise ConfigError(f"--minutes {self.minutes} should be from 0.05 to 1440")
        if self.kills < 0 or self.kills > self.rough_s:
            raise ConfigError(
                f"--kills {self.kills} should be from 0 to {int(self.rough_s)}, one a second, in "
                f"{self.minutes:g} minutes"
            )

    @property
    def people_s(self) -> float:
        """Seconds for which people write."""
        return self.minutes * 60

    @property
    def rough_s(self) -> float:
        """Seconds for which the bot is killed."""
        return self.people_s * (1 - CALM_SHARE)

    def kill_moments(self) -> tuple[float, ...]:
        """Seconds from the start, in order."""
        draw = random.Random(f"{self.seed} kills")  # noqa: S311 - repeatable on purpose
        first = min(FIRST_KILL_S, self.rough_s / 2)
        return tuple(sorted(draw.uniform(first, self.rough_s) for _ in range(self.kills)))
