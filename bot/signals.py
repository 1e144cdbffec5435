"""How a process is asked to stop: once for in order, twice for at once."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


class Stop:
    """What the signals asked for so far."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()

    def ask(self) -> None:
        """Take one more request to stop."""
        (self.at_once if self.asked.is_set() else self.asked).set()


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """Let SIGTERM and SIGINT ask for a stop, inside the context."""
    stop = Stop()
    loop = asyncio.get_running_loop()
    kinds = (signal.SIGTERM, signal.SIGINT)
    for kind in kinds:
        loop.add_signal_handler(kind, stop.ask)
    try:
        yield stop
    finally:
        for kind in kinds:
            loop.remove_signal_handler(kind)


async def unless(event: asyncio.Event, work: asyncio.Task[None]) -> bool:
    """Wait for `work`, or cancel it when `event` comes first; whether the work was done.

    Raises what the work raised.
    """
    waiting = asyncio.create_task(event.wait())
    try:
        await asyncio.wait((work, waiting), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            return False
        await work
        return True
    finally:
        waiting.cancel()
        work.cancel()
        await asyncio.gather(waiting, work, return_exceptions=True)
