"""The text of an answer as it grows, and how it ended."""

import asyncio

from adapters import wording
from adapters.markdown import closed
from bot.events import Anew, Ended, Event, Text, Waiting


class Draft:
    """What should stand in the channel now: a function of the events so far."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self.length = 0
        """Characters of the answer so far, about."""
        self._waiting = ""
        self._paused = ""
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

    def shown(self) -> str:
        """The text as it should stand in the channel now."""
        text = "".join(self._text).strip()
        note = self._note(bool(text))
        return f"{closed(text)}\n\n{note}" if text and note else text or note

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
