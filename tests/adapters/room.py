"""A little chat platform in memory: a place where answers are posted and edited."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal, get_args

from adapters.reply import Surface
from bot.core import Event, Events
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable

Call = Literal["post", "posted", "edit", "add_part"]
"""When a fault is met; `posted` is after the platform took a message, before it says so."""

Fault = Exception | Callable[[], Awaitable[object]]
"""What a call meets: an error, or something to wait for first."""


@dataclass
class Room:
    """One channel. It takes what a platform takes, and refuses what a platform refuses."""

    limit: int = 64
    scope: str = "room"
    messages: dict[str, str] = field(default_factory=dict)
    log: list[tuple[str, str]] = field(default_factory=list)
    refs: list[MessageRef] = field(default_factory=list)
    parts: list[tuple[str, MessageRef]] = field(default_factory=list)
    faults: dict[Call, deque[Fault]] = field(
        default_factory=lambda: {call: deque() for call in get_args(Call)}
    )
    posted: int = 0
    busy_now: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def texts(self) -> list[str]:
        """What stands in the channel, from top to bottom."""
        return list(self.messages.values())

    def measure(self, text: str) -> int:
        return len(text)

    async def post(self, text: str, *, turn: str, part: int) -> MessageRef:
        await self._meet("post")
        self._check(text)
        self.posted += 1
        name = f"m{self.posted}"
        self.messages[name] = text
        self._note("post", f"{turn}/{part}")
        ref = MessageRef("slack", "T1", "C1", name)
        self.refs.append(ref)
        await self._meet("posted")
        return ref

    async def edit(self, ref: MessageRef, text: str) -> None:
        await self._meet("edit")
        self._check(text)
        if ref.message not in self.messages:
            raise MessageGone("deleted")
        assert self.messages[ref.message] != text, "an edit that changes nothing"
        self.messages[ref.message] = text
        self._note("edit", ref.message)

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        self.busy_now += 1
        try:
            yield
        finally:
            self.busy_now -= 1

    async def add_part(self, turn: str, ref: MessageRef) -> None:
        await self._meet("add_part")
        self.parts.append((turn, ref))
        self._note("part", ref.message)

    async def shows(self, text: str) -> None:
        """Wait until the channel shows a text."""
        async with asyncio.timeout(5):
            while text not in "\n".join(self.texts()):
                self.changed.clear()
                await self.changed.wait()

    async def _meet(self, call: Call) -> None:
        if self.faults[call]:
            fault = self.faults[call].popleft()
            if isinstance(fault, Exception):
                raise fault
            await fault()

    def _check(self, text: str) -> None:
        assert text.strip(), "an empty message"
        assert len(text) <= self.limit, "a message over the limit"

    def _note(self, what: str, about: str) -> None:
        self.log.append((what, about))
        self.changed.set()


def later(retry_after_s: float | None = 0.01) -> PlatformUnavailable:
    return PlatformUnavailable("not now", retry_after_s)


Step = Event | Exception | Callable[[], Awaitable[object]]
"""What a generator does next: give an event, break, or wait for something."""


@dataclass
class Answer:
    """A generator of answer events, which knows whether it was closed."""

    script: tuple[Step, ...]
    given: int = 0
    over: bool = False

    async def events(self) -> Events:
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if callable(step):
                    await step()
                else:
                    self.given += 1
                    yield step
        finally:
            self.over = True


def _is_a_surface(room: Room) -> Surface:
    return room
