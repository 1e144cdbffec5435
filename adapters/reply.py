"""How a growing answer becomes platform messages, on both platforms.

`deliver` shows the text so far, a slot at a time, and always ends with the whole text: posted in
parts under the platform's limit, each part recorded as the turn's before anything else happens to
it. What is shown is a function of the text alone, so growing and final answers can't differ.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, aclosing, suppress
from typing import Protocol

import structlog

from adapters import wording
from adapters.markdown import closed, split
from adapters.pacing import Pacing
from bot.core import Accepted, Ended, Event, Events, Text, Waiting
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable

log = structlog.get_logger()

FINAL_TRIES = 6
BACKOFF_S = 1.0
BACKOFF_MAX_S = 30.0
INTERRUPT_S = 5.0
"""Seconds that the last edit of an interrupted answer may take."""

AddPart = Callable[[str, MessageRef], Awaitable[None]]


class Surface(Protocol):
    """One place on a platform where an answer grows."""

    @property
    def limit(self) -> int:
        """The most that one message may hold, by `measure`."""

    @property
    def scope(self) -> str:
        """What shares one edit budget with this place."""

    def measure(self, text: str) -> int:
        """The size of a text as the platform counts it."""

    async def post(self, text: str, *, turn: str, part: int) -> MessageRef:
        """Post a part. Raises PlatformUnavailable, MessageGone."""

    async def edit(self, ref: MessageRef, text: str) -> None:
        """Replace a part's text. Raises PlatformUnavailable, MessageGone."""

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Show that an answer is coming, for as long as the context is open."""


class Reply:
    """One answer as messages: what is shown now."""

    def __init__(self, turn: str, surface: Surface, add_part: AddPart) -> None:
        self._turn = turn
        self._surface = surface
        self._add_part = add_part
        self._refs: list[MessageRef] = []
        self._shown: list[str] = []
        self._adding: asyncio.Task[None] | None = None
        self.steps = 0
        """Posts and edits that the platform took."""

    async def show(self, text: str) -> None:
        """Make the messages show `text`: edit what differs, post what is missing.

        Raises PlatformUnavailable; calling again goes on where it stopped.
        """
        if self._adding is not None:
            await self._added(self._adding)
        parts = split(text, self._surface.limit, self._surface.measure)
        for part, content in enumerate(parts):
            if part >= len(self._refs):
                self._adding = asyncio.create_task(self._add(content, part))
                await self._added(self._adding)
            elif self._shown[part] != content:
                try:
                    await self._surface.edit(self._refs[part], content)
                except MessageGone as error:
                    log.warning("part is gone", turn=self._turn, part=part, error=str(error))
                self._shown[part] = content
                self.steps += 1

    async def close(self) -> None:
        """Give up a post that is under way."""
        if self._adding is not None:
            self._adding.cancel()
            await asyncio.gather(self._adding, return_exceptions=True)

    async def _add(self, content: str, part: int) -> None:
        ref = await self._surface.post(content, turn=self._turn, part=part)
        self._refs.append(ref)
        self._shown.append(content)
        self.steps += 1
        await self._record(ref)

    async def _added(self, adding: asyncio.Task[None]) -> None:
        """Wait for a post; when we are cancelled it goes on, and the next `show` waits for it.

        The platform may have taken it already, and would take it a second time.
        """
        try:
            await asyncio.shield(adding)
        finally:
            if adding.done():
                self._adding = None

    async def _record(self, ref: MessageRef) -> None:
        if not self._turn:
            return  # a refusal: there is no turn to vote on
        try:
            await self._add_part(self._turn, ref)
        except StoreUnavailable as error:
            log.error("part not recorded", turn=self._turn, message=ref.key, error=str(error))


class Draft:
    """The text of an answer as it grows, and how it ended."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._waiting = False
        self.ended: Ended | None = None
        self.changed = asyncio.Event()
        self.over = asyncio.Event()

    def add(self, event: Event) -> None:
        """Take the next event."""
        if isinstance(event, Text):
            self._text.append(event.delta)
            self._waiting = False
        elif isinstance(event, Waiting):
            self._waiting = True
        elif isinstance(event, Ended):
            self.ended = event
            self._waiting = False
            self.over.set()
        self.changed.set()

    def shown(self) -> str:
        """The text as it should stand in the channel now."""
        text = "".join(self._text).strip()
        note = self._note(bool(text))
        return f"{closed(text)}\n\n{note}" if text and note else text or note

    def _note(self, any_text: bool) -> str:
        if self.ended is None:
            return wording.WAITING_FOR_MODEL if self._waiting else ""
        if self.ended.problem is not None:
            return wording.problem(self.ended.problem)
        if self.ended.finish == "cancelled":
            return wording.STOPPED
        if not any_text:
            return wording.EMPTY_ANSWER
        return wording.CUT_BY_LENGTH if self.ended.finish == "length" else ""


async def deliver(events: Events, surface: Surface, pacing: Pacing, add_part: AddPart) -> None:
    """Show an answer from its first event to its last.

    A cancelled task leaves an honest line in the channel before it ends. Raises
    PlatformUnavailable or MessageGone when the platform does not take the answer.
    """
    async with aclosing(events):
        first = await anext(events, None)
        if first is None:
            return
        draft = Draft()
        turn = first.turn if isinstance(first, Accepted) else ""
        reply = Reply(turn, surface, add_part)
        draft.add(first)
        try:
            async with surface.busy():
                writer = asyncio.create_task(_write(draft, reply, surface, pacing))
                try:
                    async for event in events:
                        draft.add(event)
                        if writer.done() and draft.ended is None:
                            break  # the platform refuses the answer: no need to compute the rest
                    await writer
                finally:
                    writer.cancel()
                    await asyncio.gather(writer, return_exceptions=True)
            await _finish(draft, reply, surface, pacing)
        except asyncio.CancelledError:
            if draft.ended is None:
                draft.add(Ended("cancelled"))
            await _interrupted(draft, reply)
            raise
        finally:
            await reply.close()


async def _interrupted(draft: Draft, reply: Reply) -> None:
    """Leave an honest line under what is shown, if the platform takes it in time."""
    try:
        async with asyncio.timeout(INTERRUPT_S):
            await reply.show(draft.shown())
    except (TimeoutError, PlatformUnavailable, MessageGone) as error:
        log.warning("interrupted answer left as it is", error=repr(error))


async def _write(draft: Draft, reply: Reply, surface: Surface, pacing: Pacing) -> None:
    """Show the growing text until the answer has ended. Raises MessageGone."""
    while not draft.over.is_set():
        await draft.changed.wait()
        draft.changed.clear()
        if not draft.shown() or not await _slot_before(draft.over, surface, pacing):
            continue
        try:
            await reply.show(draft.shown())
        except PlatformUnavailable as error:
            log.warning("interim text not shown", error=str(error))
            draft.changed.set()
            if error.retry_after_s:
                await asyncio.sleep(min(error.retry_after_s, BACKOFF_MAX_S))
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(draft.over.wait(), BACKOFF_S)


async def _slot_before(over: asyncio.Event, surface: Surface, pacing: Pacing) -> bool:
    """Wait for a slot, and whether it came before the answer was over."""
    slot = asyncio.create_task(pacing.slot(surface.scope))
    end = asyncio.create_task(over.wait())
    try:
        await asyncio.wait((slot, end), return_when=asyncio.FIRST_COMPLETED)
        return not over.is_set()
    finally:
        slot.cancel()
        end.cancel()
        await asyncio.gather(slot, end, return_exceptions=True)


async def _finish(draft: Draft, reply: Reply, surface: Surface, pacing: Pacing) -> None:
    """Show the whole text, and insist for as long as it goes on.

    Raises PlatformUnavailable, MessageGone.
    """
    tries = 0
    while True:
        await pacing.slot(surface.scope, urgent=True)
        steps = reply.steps
        try:
            await reply.show(draft.shown())
        except PlatformUnavailable as error:
            tries = tries + 1 if reply.steps == steps else 1
            if tries == FINAL_TRIES:
                raise
            log.warning("final text not shown yet", error=str(error), tries=tries)
            pause = error.retry_after_s or BACKOFF_S * 2 ** (tries - 1)
            await asyncio.sleep(min(pause, BACKOFF_MAX_S))
        else:
            return
