"""How long to wait before the next try: quick at first, then longer each time, with jitter."""

import random
from collections.abc import Callable


class Backoff:
    """Counts tries that failed in a row.

    The first pause is up to `first_s` seconds, later ones double up to `max_s`; what lived for
    `steady_s` seconds was no failed try. `chance` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        *,
        first_s: float,
        max_s: float,
        steady_s: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._steady_s = steady_s
        self._chance = chance
        self._failures = 0

    def pause(self, lived_s: float) -> float:
        """Seconds to wait after a try that lived for `lived_s`."""
        if lived_s >= self._steady_s:
            self._failures = 0
        # The exponent is bounded: an outage of days must not overflow a float.
        longest = min(self._first_s * 2.0 ** min(self._failures, 32), self._max_s)
        self._failures += 1
        return longest * (0.5 + 0.5 * self._chance())
