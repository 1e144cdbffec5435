"""The gate that discord.py closes while a limit of the whole bot lasts."""

import asyncio

LONGEST_S = 30.0
"""The longest that discord.py waits for a limit itself; it raises RateLimited for more."""


class Gate(asyncio.Event):
    """An event that is set again at the latest after `longest_s` seconds.

    The call that met the limit closes discord.py's gate, sleeps, and opens it. When that call is
    cancelled in its sleep nobody opens it, and no call of this client ever goes out again.
    """

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        super().__init__()
        self._longest_s = longest_s
        self._timer: asyncio.TimerHandle | None = None
        self.set()

    def clear(self) -> None:
        """Close the gate, for `longest_s` seconds at most."""
        super().clear()
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(self._longest_s, self.set)

    def set(self) -> None:
        """Open the gate."""
        self._stop_timer()
        super().set()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
