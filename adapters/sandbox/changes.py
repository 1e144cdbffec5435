"""Who waits for news of which platform.

Owns the listeners of the live updates. A listener holds names of platforms that changed and not
the changes themselves, so what it keeps is bounded however slowly it reads, and a burst of
changes is one piece of news. Call everything from the event loop's thread.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

MAX_LISTENERS = 64
"""Open pages and tests at once; a page that leaves is noticed at the next write at the latest."""


class TooManyListeners(Exception):
    """`MAX_LISTENERS` are listening already."""


class Listener:
    """One reader's pending news."""

    def __init__(self) -> None:
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._closed = False

    def mark(self, platform: str) -> None:
        """Remember that `platform` changed, and wake the reader."""
        self._changed.add(platform)
        self._wake.set()

    def close(self) -> None:
        """Wake the reader for the last time."""
        self._closed = True
        self._wake.set()

    async def news(self, *, within_s: float) -> tuple[str, ...] | None:
        """The platforms that changed since the last call, sorted; empty when none did in time.

        Waits at most `within_s` seconds. None means that nothing will come any more.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._wake.wait()
        except TimeoutError:
            return ()
        if self._closed:
            return None
        self._wake.clear()
        changed, self._changed = self._changed, set()
        return tuple(sorted(changed))

    async def pause(self, seconds: float) -> None:
        """Wait, so that what happens meanwhile becomes one piece of news; ends early on close."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._closed:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return
            await asyncio.sleep(min(left, 0.05))


class Changes:
    """Tells every listener which platform changed."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._closed = False

    def notify(self, platform: str) -> None:
        """Tell every listener that `platform` changed."""
        for listener in self._listeners:
            listener.mark(platform)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """A listener for as long as the block lasts; raises TooManyListeners."""
        if len(self._listeners) >= MAX_LISTENERS:
            raise TooManyListeners
        listener = Listener()
        if self._closed:
            listener.close()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """End every listener's wait, now and for listeners to come."""
        self._closed = True
        for listener in self._listeners:
            listener.close()
