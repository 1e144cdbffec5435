"""The chat core of one process: from a message to an answer that outlives crashes.

Knows no platform. A message is taken in once and queued (`intake`), and answered in its turn
(`answer`), by this process or by the one that takes its place. What people wish of an answer that
there is comes before all queues (`hold`).
"""

import time
from collections.abc import Callable
from functools import partial

import structlog

from bot.access import Refused
from bot.answer import Answer
from bot.context.source import Source
from bot.domain import Incoming, MessageRef, Turn
from bot.events import Ended
from bot.gate import Gate
from bot.generation import Generation
from bot.hold import Hold
from bot.insist import insist
from bot.intake import Intake
from bot.line import Line
from bot.settings import ChatSettings
from bot.store.inbox import Inbox, Taken
from bot.store.places import Places
from bot.store.turns import Turns
from bot.store.wishes import Wishes
from bot.words import word_of

log = structlog.get_logger()


class Chat:
    """The chat core of one process."""

    def __init__(
        self,
        *,
        intake: Intake,
        inbox: Inbox,
        turns: Turns,
        wishes: Wishes,
        places: Places,
        generation: Generation,
        chat: ChatSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._intake = intake
        self._inbox = inbox
        self._turns = turns
        self._generation = generation
        self._settings = chat
        self._clock = clock
        self._line = Line()
        self._answers: dict[str, Answer] = {}
        self.hold = Hold(
            wishes,
            turns,
            places,
            generation.release.id,
            intake.gate,
            hush=self._hushed,
            clock=clock,
        )

    @property
    def gate(self) -> Gate:
        """Who may ask."""
        return self._intake.gate

    async def take(
        self, incoming: Incoming, notice: MessageRef | None = None
    ) -> Taken | Refused | None:
        """Accept a message if it is a question for us, or do what it wishes of an answer that there
        is; see `Intake.take`."""
        word = word_of(incoming.text)
        obey = None if word is None else partial(self.hold.obey, word, incoming)
        return await self._intake.take(incoming, notice, obey)

    def answer(self, turn: Turn, *, resumed: bool = False, source: Source | None = None) -> Answer:
        """The answer to a turn of the inbox. Show its events, then `close` it here.

        `source` is where the question's files and what was said before it are read.
        """
        answer = self._answers[turn.id] = Answer(
            turn,
            resumed=resumed,
            inbox=self._inbox,
            turns=self._turns,
            line=self._line,
            generation=self._generation,
            resume_s=self._settings.resume_s,
            source=source,
            clock=self._clock,
        )
        return answer

    async def current(self, turn: Turn) -> Turn:
        """The turn as it stands in the store now."""
        return await insist(lambda: self._turns.get(turn.id), "a turn", turn=turn.id) or turn

    async def close(self, answer: Answer, ended: Ended | None) -> None:
        """The answer was shown to its end, or there was none to show."""
        await answer.close(ended)
        self.leave(answer)

    def leave(self, answer: Answer) -> None:
        """Leave an answer to whoever takes it up."""
        if self._answers.get(answer.turn.id) is answer:
            del self._answers[answer.turn.id]

    async def edited(self, ref: MessageRef, text: str) -> None:
        """A message was edited: a question that still waits is answered as edited."""
        if not text.strip():
            return
        turn = await insist(lambda: self._turns.amend(ref, text), "an edit", message=ref.key)
        if turn is not None:
            log.info("question edited", turn=turn, message=ref.key)

    async def deleted(self, ref: MessageRef) -> None:
        """A message was deleted: a question is withdrawn, a part of an answer is marked."""
        found = await insist(lambda: self._turns.deleted(ref), "a deletion", message=ref.key)
        if found is None:
            return
        turn, what = found
        log.info("message deleted", turn=turn, message=ref.key, what=what)
        if what == "running" and (answer := self._answers.get(turn)):
            answer.stop("withdrawn")

    def _hushed(self, turn: Turn) -> None:
        """Somebody stopped an answer, which may be one of this process."""
        if answer := self._answers.get(turn.id):
            answer.stop("stopped")
        self._line.moved(turn.conversation.key)  # it may be one that waits
