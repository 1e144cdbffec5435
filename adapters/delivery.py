"""How a growing answer gets into the channel: a slot at a time, and whole at the end."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, suppress

import structlog

from adapters.draft import Draft
from adapters.pacing import Pacing
from adapters.reply import Reply
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
    draft = Draft(votes=votes)
    async with aclosing(events):
        try:
            await reply.settle()
            async with surface.busy():
                writer = asyncio.create_task(_write(draft, reply, surface, pacing))
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
                await _finish(draft, reply, surface, pacing)
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


async def _write(draft: Draft, reply: Reply, surface: Surface, pacing: Pacing) -> None:
    """Show the growing text until the answer has ended. Raises MessageGone."""
    while not draft.over.is_set():
        await draft.changed.wait()
        draft.changed.clear()
        if not draft.shown() or not await _slot_before(draft.over, surface, pacing):
            continue
        try:
            await reply.show(draft.shown(), controls=draft.controls(), is_note=draft.is_bare)
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
            await reply.show(draft.shown(), controls=draft.controls(), final=True)
        except PlatformUnavailable as error:
            tries = tries + 1 if reply.steps == steps else 1
            if tries == FINAL_TRIES:
                raise
            log.warning("final text not shown yet", error=str(error), tries=tries)
            pause = error.retry_after_s or BACKOFF_S * 2 ** (tries - 1)
            await asyncio.sleep(min(pause, BACKOFF_MAX_S))
        else:
            return
