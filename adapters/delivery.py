"""How a growing answer gets into the channel: a call at a time, and whole at the end."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

import structlog

from adapters.draft import Draft
from adapters.pacing import Pacing, Rank, Share, Way
from adapters.reply import Reply, Step
from adapters.surface import Surface
from bot.errors import MessageGone, PlatformUnavailable
from bot.events import Ended, Events
from bot.worker import LOST

log = structlog.get_logger()

FINAL_TRIES = 6
BACKOFF_S = 1.0
BACKOFF_MAX_S = 30.0
PAUSE_S = 5.0
"""Seconds that the last edit of an answer left to the next process may take."""


async def deliver(
    events: Events,
    reply: Reply,
    surface: Surface,
    pacing: Pacing,
    is_hurried: Callable[[], bool] = lambda: False,
    *,
    votes: bool = True,
) -> Ended | None:
    """Show an answer from its first event to its last, and return that; None if there was none.

    A cancelled task says in the channel that the answer goes on later, unless `is_hurried`, or
    another process goes on with it now. With `votes` its buttons are those for a vote, too. Raises
    PlatformUnavailable or MessageGone when the platform does not take the answer.
    """
    draft = Draft(surface.dialect, votes=votes)
    async with aclosing(events):
        try:
            await reply.settle()
            async with surface.busy():
                showing = _Showing(draft, reply, surface, pacing)
                writer = asyncio.create_task(showing.grow())
                try:
                    async for event in events:
                        draft.add(event)
                        if writer.done() and draft.ended is None:
                            break  # the platform refuses the answer: no need to compute the rest
                    if draft.ended is not None or writer.done():
                        await writer
                finally:
                    writer.cancel()
                    await asyncio.gather(writer, return_exceptions=True)
            if draft.ended is None:
                return None
            if not (draft.is_bare and reply.is_empty and draft.ended.problem == "withdrawn"):
                await showing.finish()
            return draft.ended
        except asyncio.CancelledError as cancelled:
            is_silent = is_hurried() or LOST in cancelled.args
            if draft.ended is None and not reply.is_empty and not is_silent:
                draft.pause()
                await _pause(draft, reply)
            raise
        finally:
            await reply.close()


async def _pause(draft: Draft, reply: Reply) -> None:
    """Leave an honest line under what is shown, if the platform takes it in time."""
    try:
        async with asyncio.timeout(PAUSE_S):
            await reply.show(draft.shown(), controls=draft.controls())
    except (TimeoutError, PlatformUnavailable, MessageGone) as error:
        log.warning("half an answer left as it is", error=repr(error))


class _Showing:
    """One answer's way into the channel, call by call: each shows the text of its moment."""

    def __init__(self, draft: Draft, reply: Reply, surface: Surface, pacing: Pacing) -> None:
        self._draft = draft
        self._reply = reply
        self._surface = surface
        self._pacing = pacing
        self._needed: Step | None = None

    async def grow(self) -> None:
        """Show the growing text until the answer has ended. Raises MessageGone."""
        draft = self._draft
        while not draft.over.is_set() and not draft.shown():
            await draft.changed.wait()
            draft.changed.clear()
        draft.changed.set()
        with self._pacing.live(self._surface.scope) as share:
            while not draft.over.is_set():
                if self._needed is None:
                    await draft.changed.wait()
                draft.changed.clear()
                if draft.shown() and await self._turn_before_end(share):
                    await self._step_or_pause()

    async def _step_or_pause(self) -> None:
        """Make a call; one that fails is made again, after a pause."""
        draft = self._draft
        try:
            self._needed = await self._reply.step(
                draft.shown(), self._step, controls=draft.controls(), is_note=draft.is_bare
            )
        except PlatformUnavailable as error:
            log.warning("interim text not shown", error=str(error))
            draft.changed.set()
            if error.retry_after_s:
                await asyncio.sleep(min(error.retry_after_s, BACKOFF_MAX_S))
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(draft.over.wait(), BACKOFF_S)

    async def _turn_before_end(self, share: Share) -> bool:
        """Wait for a call, and whether it came before the answer was over."""
        over = self._draft.over
        call = asyncio.create_task(share.turn(self._way, self._rank, self._draft.length))
        end = asyncio.create_task(over.wait())
        try:
            await asyncio.wait((call, end), return_when=asyncio.FIRST_COMPLETED)
            return not over.is_set()
        finally:
            call.cancel()
            end.cancel()
            await asyncio.gather(call, end, return_exceptions=True)

    async def finish(self) -> None:
        """Show the whole text, and insist for as long as it goes on.

        Raises PlatformUnavailable, MessageGone.
        """
        tries = 0
        with self._pacing.live(self._surface.scope) as share:
            while True:
                try:
                    await share.turn(self._way, Rank.LAST)
                    self._needed = await self._reply.step(
                        self._draft.shown(),
                        self._step,
                        controls=self._draft.controls(),
                        final=True,
                    )
                except PlatformUnavailable as error:
                    tries += 1
                    if tries == FINAL_TRIES:
                        raise
                    log.warning("final text not shown yet", error=str(error), tries=tries)
                    pause = error.retry_after_s or BACKOFF_S * 2 ** (tries - 1)
                    await asyncio.sleep(min(pause, BACKOFF_MAX_S))
                else:
                    if self._needed is None:
                        return
                    tries = 0

    @property
    def _step(self) -> Step:
        """The call that comes next, by all that is known without looking."""
        return self._needed or ("post" if self._reply.is_empty else "edit")

    @property
    def _way(self) -> Way:
        return "post" if self._step == "post" else self._surface.growth

    @property
    def _rank(self) -> Rank:
        if self._reply.is_empty:
            return Rank.FIRST
        is_due = self._needed is not None or self._reply.outgrown(self._draft.length)
        return Rank.PART if is_due else Rank.GROWTH
