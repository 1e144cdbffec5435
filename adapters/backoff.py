"""How long to wait before the next try: quick at first, then longer each time, with jitter."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Counts tries that failed in a row.

    The first pause is up to `first_s` seconds, later ones double up to `most_s`; what lived for
    `steady_s` seconds was no failed try. `chance` gives numbers from 0 to 1.
    """

    first_s: float
    most_s: float
    steady_s: float = math.inf
    chance: Callable[[], float] = field(default=random.random)
    failures: int = 0

    def failed(self, *, lived_s: float = 0.0, at_least_s: float | None = None) -> float:
        """Count a try that failed after `lived_s` seconds; the seconds to wait now."""
        if lived_s >= self.steady_s:
            self.failures = 0
        # The exponent is bounded: an outage of days must not overflow a float.
        longest = min(self.first_s * 2.0 ** min(self.failures, 32), self.most_s)
        self.failures += 1
        chance = self.chance()
        # Spread, so that those who failed together do not come back together.
        return max(longest * (0.5 + 0.5 * chance), (at_least_s or 0.0) * (1.0 + 0.25 * chance))

    def succeeded(self) -> None:
        """Begin again with the first pause."""
        self.failures = 0
