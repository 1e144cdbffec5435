"""The worker: hands each turn of one platform's inbox to whoever answers, and holds it meanwhile.

A turn that a dead process of the same name left is taken up at once, another's once it gave no sign
of life for a while. Promises that a turn is in one task of this process at most.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Final

import structlog

from bot.domain import Platform, Turn
from bot.errors import StoreUnavailable
from bot.insist import insist
from bot.store.inbox import Entry, Inbox
from bot.store.turns import Turns

log = structlog.get_logger()

HOLD_S: Final = 4.0
"""How often a sign of life is given for what is held."""
DEAD_S: Final = 20.0
"""After so long without one, a worker's turns are another's."""
PAUSE_S: Final = 0.5

LOST: Final = "another worker has taken the turn up"
"""With this word a task is cancelled whose turn is another's: nothing more is to be shown."""

Respond = Callable[[Turn, bool], Awaitable[None]]
"""Answers a turn, which an earlier process may have begun, to its end."""


class Worker:
    """The worker of one platform in this process; at most `room` turns in hand."""

    def __init__(
        self, inbox: Inbox, turns: Turns, platform: Platform, respond: Respond, *, room: int
    ) -> None:
        self._inbox = inbox
        self._turns = turns
        self._platform = platform
        self._respond = respond
        self._room = room
        self._tasks: dict[Entry, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Answer until cancelled; turns in hand go on until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hold())
            self._reading = group.create_task(self._read())

    async def stop(self, timeout_s: float) -> None:
        """Take no more turns, give those in hand `timeout_s` seconds, and leave the rest."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._tasks and timeout_s > 0:
            log.info("waiting for running answers", count=len(self._tasks))
            await asyncio.wait(self._tasks.values(), timeout=timeout_s)
        left = list(self._tasks.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _read(self) -> None:
        while True:
            try:
                self._start(await self._inbox.left(self._platform), resumed=True)
                while True:
                    self._freed.clear()
                    if (room := self._room - len(self._tasks)) > 0:
                        self._start(await self._inbox.read(self._platform, room), resumed=False)
                    else:
                        await self._freed.wait()
            except StoreUnavailable as error:
                log.warning("the inbox cannot be read", error=str(error))
                await asyncio.sleep(PAUSE_S)

    async def _hold(self) -> None:
        """Give signs of life, and take up what the dead left."""
        loop = asyncio.get_running_loop()
        steady_since = loop.time()
        while True:
            await asyncio.sleep(HOLD_S)
            try:
                lost = await self._inbox.hold(self._platform, self._tasks)
                # After an outage of the store others have to give their sign first.
                if loop.time() - steady_since > DEAD_S and (room := self._room - len(self._tasks)):
                    found = await self._inbox.claim(self._platform, DEAD_S, room)
                    self._start(found, resumed=True)
            except StoreUnavailable as error:
                log.warning("no sign of life could be given", error=str(error))
                steady_since = loop.time()
                continue
            for entry in lost:
                if task := self._tasks.get(entry):
                    log.warning("another worker has taken the turn up", turn=entry.turn)
                    task.cancel(LOST)

    def _start(self, entries: Iterable[Entry], *, resumed: bool) -> None:
        for entry in entries:
            if entry not in self._tasks:
                task = asyncio.create_task(self._answer(entry, resumed=resumed))
                self._tasks[entry] = task
                task.add_done_callback(partial(self._done, entry))

    def _done(self, entry: Entry, task: "asyncio.Task[None]") -> None:
        del self._tasks[entry]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a turn was not answered", turn=entry.turn, exc_info=error)
        self._freed.set()

    async def _answer(self, entry: Entry, *, resumed: bool) -> None:
        turn = await insist(lambda: self._turns.get(entry.turn), "a turn", turn=entry.turn)
        if turn is None:
            log.error("the inbox names a turn that is not there", turn=entry.turn)
            return
        await self._respond(turn, resumed)
