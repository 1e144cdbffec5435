"""One turn's answer in this process: in its order, saved as it grows, taken up where it stopped.

Whoever shows the events closes the answer afterwards: until then another process would take it up.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Final

import structlog

from bot.context.source import Source
from bot.domain import Turn, TurnStatus
from bot.errors import StoreUnavailable
from bot.events import Anew, Ended, Event, Events, Note, Text, Waiting
from bot.generation import Generation
from bot.insist import insist
from bot.line import Line
from bot.store.inbox import Inbox
from bot.store.turns import Hush, Turns
from bot.until import until

log = structlog.get_logger()

SAVE_S: Final = 0.5
"""The least time between two saves of a growing answer; what is lost in between is made again."""

LOOK_S: Final = 2.0
"""How often an answer that does not grow looks whether another process was told to stop it."""

RETRY_S: Final = 0.5


class Answer:
    """The answer to one turn."""

    def __init__(
        self,
        turn: Turn,
        *,
        resumed: bool,
        inbox: Inbox,
        turns: Turns,
        line: Line,
        generation: Generation,
        resume_s: float,
        source: Source | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`resumed`: another process, or an earlier try, may have begun it; half of an answer is
        not taken up after `resume_s` seconds. `source` is where the question's context is read."""
        self.turn = turn
        self._resumed = resumed
        self._inbox = inbox
        self._turns = turns
        self._line = line
        self._generation = generation
        self._resume_s = resume_s
        self._source = source
        self._clock = clock
        self._text: list[str] = []
        self._grown = asyncio.Event()
        self._stopped = asyncio.Event()
        self._hush: Hush = "stopped"

    def stop(self, why: Hush) -> None:
        """Say no more: its question was deleted, or somebody stopped it."""
        if why == "withdrawn" or not self._stopped.is_set():
            self._hush = why
        self._stopped.set()

    async def events(self) -> Events:
        """The events of the answer, what was said before first; none when it has ended already."""
        async with aclosing(self._begun()) as waits:
            async for event in waits:
                yield event
        if not self.turn.is_open:
            if self.turn.status == "withdrawn" and self.turn.parts:
                yield Ended("cancelled", "withdrawn")  # a note promises an answer there
            return
        if self.turn.answer:
            self._text.append(self.turn.answer)
            yield Text(self.turn.answer)
        saving = asyncio.create_task(self._save_growth())
        try:
            ended: Ended | None = None
            async with aclosing(until(self._stopped, self._rest())) as events:
                async for event in events:
                    self._note(event)
                    if isinstance(event, Ended):
                        ended = event
                    else:
                        yield event
        finally:
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)
        if ended is None:
            ended = Ended("cancelled", "withdrawn" if self._hush == "withdrawn" else None)
        await self._save_end(ended)
        yield ended

    async def close(self, ended: Ended | None) -> None:
        """Keep how the turn ended, which takes it out of the inbox; None: it had ended already."""
        if self.turn.is_open:
            status = "withdrawn" if ended is None else _status(ended)
            finish = None if ended is None else ended.finish
            self.turn = replace(self.turn, status=status, finish=finish)
        self.turn = replace(self.turn, answer=self.turn.answer.strip(), finished_at=self._clock())
        mine = await insist(
            lambda: self._inbox.close(self.turn), "the end of a turn", turn=self.turn.id
        )
        self._line.moved(self.turn.conversation.key)
        log.info("answer", turn=self.turn.id, status=self.turn.status, ended=ended, ours=mine)

    async def _begun(self) -> Events:
        """Wait for the turn's time, and take it up as it stands in the store then."""
        told = False
        while True:
            try:
                if await self._inbox.is_first(self.turn):
                    begun = await self._turns.begin(self.turn.id, self._generation.release.id)
                    ended = begun or await self._turns.get(self.turn.id)
                    self.turn = ended or replace(self.turn, status="withdrawn")
                    if self.turn.withdrawn:
                        self.stop("withdrawn")
                    elif self.turn.stopped and self.turn.finish is None:
                        self.stop("stopped")  # one that is whole is shown as it is
                    return
                await self._line.wait(self.turn.conversation.key)
            except StoreUnavailable as error:
                log.warning("the turn waits for the store", turn=self.turn.id, error=str(error))
                if not told:
                    yield Waiting("store")
                told = True
                await asyncio.sleep(RETRY_S)

    async def _rest(self) -> Events:
        """What is still to be said."""
        turn = self.turn
        for note in turn.notes:
            yield Note(note)
        if turn.finish is not None:  # only the showing was left
            yield Ended(turn.finish)
        elif self._resumed and self._clock() - turn.since > self._resume_s:
            yield Ended("error", "interrupted")
        else:
            async with aclosing(self._generation.events(turn, turn.answer, self._source)) as events:
                async for event in events:
                    yield event

    def _note(self, event: Event) -> None:
        if isinstance(event, Text):
            self._text.append(event.delta)
            first = self.turn.first_text_at or self._clock()
            self.turn = replace(self.turn, first_text_at=first)
            self._grown.set()
        elif isinstance(event, Anew):
            self._text.clear()
            self._grown.set()
        elif isinstance(event, Note):
            notes = dict.fromkeys((*self.turn.notes, event.text))
            self.turn = replace(self.turn, notes=tuple(notes))

    async def _save_growth(self) -> None:
        """Save the text so far, again and again, until cancelled, and see whether it has to end
        there, as another process was told."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._grown.wait()
            has_grown = self._grown.is_set()
            self._grown.clear()
            self.turn = replace(self.turn, answer="".join(self._text))
            try:
                if has_grown:
                    hush = await self._turns.progress(self.turn)
                else:
                    hush = await self._turns.hushed(self.turn.id)
                if hush is not None:
                    self.stop(hush)
            except StoreUnavailable as error:
                log.warning("growing answer not saved", turn=self.turn.id, error=str(error))
                if has_grown:
                    self._grown.set()
            await asyncio.sleep(SAVE_S)

    async def _save_end(self, ended: Ended) -> None:
        """Save that all is said, so that whoever takes it up has only to show it."""
        finish = ended.finish if ended.problem is None else None
        self.turn = replace(self.turn, answer="".join(self._text), finish=finish)
        try:
            await self._turns.progress(self.turn)
        except StoreUnavailable as error:  # made again after a crash, else saved by `close`
            log.warning("whole answer not saved yet", turn=self.turn.id, error=str(error))


def _status(ended: Ended) -> TurnStatus:
    if ended.problem == "interrupted":
        return "interrupted"
    if ended.finish == "cancelled":
        return "stopped"
    return "done" if ended.problem is None else "failed"
