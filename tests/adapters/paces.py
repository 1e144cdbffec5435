"""Paces so quick that nobody waits, for tests of what is paced."""

from adapters.pacing import Pace, Pacing, Way
from adapters.rates import Rate

QUICK: dict[Way, Pace] = {
    "post": Pace(Rate(1, 0.001)),
    "edit": Pace(Rate(2, 0.001), interval_s=0.001),
    "append": Pace(Rate(2, 0.001), interval_s=0.001),
}


def quick() -> Pacing:
    """Budgets that are never empty for long."""
    return Pacing(QUICK)
