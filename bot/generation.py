"""From a turn to what the model says: the stream, and patience with the model and the store."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from bot.composing import Composer
from bot.context.gathering import Context
from bot.context.source import Source
from bot.domain import Release, Turn
from bot.errors import (
    Busy,
    ModelError,
    ModelUnavailable,
    StoreUnavailable,
    TooLong,
)
from bot.events import Anew, Ended, Events, Note, Text, Waiting
from bot.model import Delta, Model

log = structlog.get_logger()

RETRY_S: Final = 0.5

LEAST_SHARE: Final = 1 / 64
"""Of a question's files: less is not tried where a server finds even that too long."""

WHOLE: Final = frozenset({"stop", "length", "cancelled", "deadline"})
"""Ends of an answer that are no problem of the model's server."""


class Generation:
    """Makes the text of answers, with one release."""

    def __init__(
        self,
        composer: Composer,
        model: Model,
        *,
        wait_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """A model that is not there is waited for `wait_s` seconds."""
        self._composer = composer
        self._model = model
        self._wait_s = wait_s
        self._clock = clock

    @property
    def release(self) -> Release:
        """What answers."""
        return self._composer.release

    async def events(self, turn: Turn, begun: str, source: Source | None = None) -> Events:
        """The events of an answer, of which `begun` is there already.

        `source` is where the question's files and what was said before it are read. Foreign trouble
        becomes the problem of the last one; the store is waited for.
        """
        deadline = self._clock() + self._wait_s
        told: str | None = None
        new_text = False
        held: tuple[Turn, ...] = ()
        first: str | None = None
        context: Context | None = None
        share = 1.0
        while True:
            try:
                held = ()
                context = context or await self._composer.gather(turn, source)
                ask = await self._composer.compose(turn, context, first, share)
                held, notes = ask.turns, ask.notes
                stream = self._model.stream(
                    ask.messages, ask.sampling, user=turn.asker.key, begun=begun
                )
                async with aclosing(stream) as deltas:
                    async for delta in deltas:
                        for note in notes:  # not before the server has taken the prompt
                            yield Note(note)
                        notes = ()
                        if delta.restart:
                            begun = ""
                            yield Anew()
                        if delta.text:
                            new_text = True
                            yield Text(delta.text)
                        if delta.finish:
                            yield _ended(delta)
                            return
            except ModelUnavailable as error:
                log.warning("model unavailable", turn=turn.id, error=str(error), begun=new_text)
                if new_text or self._clock() >= deadline:
                    yield Ended("error", "model_unavailable")
                    return
                if told != "model":
                    yield Waiting("model")
                told = "model"
                await asyncio.sleep(RETRY_S)
            except StoreUnavailable as error:
                log.warning("the answer waits for the store", turn=turn.id, error=str(error))
                if told != "store":
                    yield Waiting("store")
                told = "store"
                await asyncio.sleep(RETRY_S)
            except TooLong:
                # The server counts more than we estimate: half of the memory is enough, or of
                # what the question came with.
                if held:
                    first = (*held, turn)[(len(held) + 1) // 2].first
                elif context is not None and context.can_shrink and share > LEAST_SHARE:
                    share /= 2
                else:
                    yield Ended("error", "full" if turn.kept else "too_long")
                    return
            except Busy:
                yield Ended("error", "busy")
                return
            except ModelError as error:
                log.error("model refuses", turn=turn.id, error=str(error))
                yield Ended("error", "model_refuses")
                return


def _ended(delta: Delta) -> Ended:
    finish = delta.finish or "stop"
    return Ended(finish, None if finish in WHOLE else "model_unavailable")
