"""The text of an answer as it grows, and how it ended: what stands there, and which buttons."""

import asyncio
from typing import Final

from adapters import wording
from adapters.markdown import Dialect, closed
from bot.domain import Control
from bot.events import Anew, Ended, Event, Note, Text, Waiting

CUT: Final = frozenset({"length", "deadline", "cancelled"})
"""Ends of an answer that it can be continued after."""

VOTES: Final[tuple[Control, ...]] = ("up", "down")


class Draft:
    """What should stand in the channel now: a function of the events so far."""

    def __init__(self, dialect: Dialect, *, votes: bool = True) -> None:
        """`votes`: people vote by buttons, too."""
        self._dialect = dialect
        self._votes = VOTES if votes else ()
        self._text: list[str] = []
        self.length = 0
        """Characters of the answer so far, about."""
        self._waiting = ""
        self._paused = ""
        self._notes: list[str] = []
        self.ended: Ended | None = None
        self.changed = asyncio.Event()
        self.over = asyncio.Event()

    def add(self, event: Event) -> None:
        """Take the next event."""
        self._waiting = wording.waiting(event.reason) if isinstance(event, Waiting) else ""
        if isinstance(event, Text):
            self._text.append(event.delta)
            self.length += len(event.delta)
        elif isinstance(event, Anew):
            self._text.clear()
            self.length = 0
        elif isinstance(event, Note):
            if event.text not in self._notes:
                self._notes.append(event.text)
        elif isinstance(event, Ended):
            self.ended = event
            self.over.set()
        self.changed.set()

    def pause(self) -> None:
        """The answer is left to the next process."""
        self._paused = wording.PAUSED

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing of the answer yet, at most a note."""
        return not "".join(self._text).strip()

    def controls(self) -> tuple[Control, ...]:
        """What people can do with it now; nothing once its question was deleted."""
        ended = self.ended
        if ended is None:
            return ("stop",)
        if ended.problem == "withdrawn":
            return ()
        if self.is_bare:
            return ("again",)
        is_cut = ended.finish in CUT if ended.problem is None else ended.problem != "full"
        return (*self._votes, *(("continue", "again") if is_cut else ("again",)))

    def shown(self) -> str:
        """The text as it should stand in the channel now."""
        text = "".join(self._text).strip()
        notes = [self._note(bool(text))]
        if self.ended is not None and self.ended.problem != "withdrawn":
            notes.append(wording.notes(self._notes))
        note = "\n".join(each for each in notes if each)
        return f"{closed(text, self._dialect)}\n\n{note}" if text and note else text or note

    def _note(self, any_text: bool) -> str:
        if self.ended is None:
            return self._paused or self._waiting
        if self.ended.problem is not None:
            return wording.problem(self.ended.problem)
        if self.ended.finish == "cancelled":
            return wording.STOPPED
        if not any_text:
            return wording.EMPTY_ANSWER
        if self.ended.finish == "length":
            return wording.CUT_BY_LENGTH
        return wording.CUT_BY_TIME if self.ended.finish == "deadline" else ""
