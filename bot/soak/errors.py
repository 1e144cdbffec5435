"""What can go wrong with a soak itself; a breach that it finds is no error but its result."""

from bot.errors import FatalError


class SoakError(FatalError):
    """The soak cannot be set up, or not go on: one line that says why."""
