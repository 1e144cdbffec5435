"""What can go wrong while measuring."""

from bot.errors import CandorError


class BenchError(CandorError):
    """A part cannot be measured: one line that says why. The other parts go on."""
