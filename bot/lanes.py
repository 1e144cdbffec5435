"""Lanes: in one conversation one question after the other, different conversations side by side.

Owns who waits for whom in this process. Joining is synchronous, so the order of joining is the
order of the answers, and bounded, in one lane and over all.
"""

import asyncio
from collections import deque

from bot.errors import Busy


class Ticket:
    """A place in a lane. `leave` it in any case, once."""

    def __init__(self, lanes: "Lanes", key: str) -> None:
        self._lanes = lanes
        self._key = key
        self._called = asyncio.Event()

    async def called(self) -> None:
        """Wait until those before have left."""
        await self._called.wait()

    @property
    def ahead(self) -> int:
        """How many questions of this lane come first."""
        return self._lanes.position(self._key, self)

    def call(self) -> None:
        """Let the holder go on."""
        self._called.set()

    def leave(self) -> None:
        """Give up the place, waiting or not; leaving twice changes nothing."""
        self._lanes.remove(self._key, self)


class Lanes:
    """All lanes of one process."""

    def __init__(self, *, total: int, each: int) -> None:
        """At most `total` places in all lanes together and `each` in one."""
        self._lanes: dict[str, deque[Ticket]] = {}
        self._total = total
        self._each = each
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def join(self, key: str) -> Ticket:
        """Take the last place in a lane. Raises Busy when there is none."""
        lane = self._lanes.get(key, deque())
        if self._count >= self._total or len(lane) >= self._each:
            raise Busy("too many questions are waiting")
        ticket = Ticket(self, key)
        lane.append(ticket)
        self._lanes[key] = lane
        self._count += 1
        lane[0].call()
        return ticket

    def position(self, key: str, ticket: Ticket) -> int:
        """How many tickets stand before this one."""
        lane = self._lanes.get(key, deque())
        return lane.index(ticket) if ticket in lane else 0

    def remove(self, key: str, ticket: Ticket) -> None:
        """Take a ticket out of its lane and call the next."""
        lane = self._lanes.get(key)
        if lane is None or ticket not in lane:
            return
        lane.remove(ticket)
        self._count -= 1
        if lane:
            lane[0].call()
        else:
            del self._lanes[key]
