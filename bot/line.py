"""Who waits for the end of another turn of the same conversation, in this process.

The order itself is the inbox's, over all processes. This only saves those who wait here from
asking it again and again.
"""

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import Final

POLL_S: Final = 1.0
"""How often the inbox is asked where another process may answer."""


class Line:
    """The waiting of one process."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    async def wait(self, conversation: str) -> None:
        """Wait until a turn of the conversation has ended here, or `POLL_S` seconds."""
        moved = asyncio.Event()
        self._waiting[conversation].add(moved)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await moved.wait()
        finally:
            self._waiting[conversation].discard(moved)
            if not self._waiting[conversation]:
                del self._waiting[conversation]

    def moved(self, conversation: str) -> None:
        """A turn of the conversation has ended."""
        for event in self._waiting.get(conversation, ()):
            event.set()
