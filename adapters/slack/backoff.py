"""Pauses that grow with each failure in a row."""

import random
from dataclasses import dataclass


@dataclass(slots=True)
class Backoff:
    """From `first_s` seconds up to `most_s`, doubled each time, and spread by a quarter."""

    first_s: float
    most_s: float
    failures: int = 0

    def failed(self, *, at_least_s: float | None = None) -> float:
        """Count a failure; the seconds to wait now."""
        # Bounded, for a float overflows after a thousand failures in a row.
        pause_s = self.first_s * 2.0 ** min(self.failures, 30)
        self.failures += 1
        spread = random.uniform(1.0, 1.25)  # noqa: S311 - so that callers part, no secret
        return max(min(pause_s, self.most_s), at_least_s or 0.0) * spread

    def succeeded(self) -> None:
        """Begin again with the first pause."""
        self.failures = 0
