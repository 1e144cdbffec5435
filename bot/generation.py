"""From a turn to what the model says: the prompt, the stream, and patience with both."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from bot.domain import Release, Turn
from bot.errors import (
    Busy,
    ModelError,
    ModelUnavailable,
    StoreUnavailable,
    TooLong,
)
from bot.events import Anew, Ended, Events, Text, Waiting
from bot.model import Delta, Model
from bot.persona import Persona, sampling, system_prompt
from bot.prompt import Prompt, fit
from bot.settings import ChatSettings
from bot.store.personas import Personas
from bot.store.turns import Turns

log = structlog.get_logger()

RETRY_S: Final = 0.5
DEFAULT_CONTEXT: Final = 4096
"""Tokens assumed where the model's server does not tell its context."""

WHOLE: Final = frozenset({"stop", "length", "cancelled", "deadline"})
"""Ends of an answer that are no problem of the model's server."""


class Generation:
    """Makes the text of answers, with one release."""

    def __init__(
        self,
        *,
        turns: Turns,
        model: Model,
        release: Release,
        chat: ChatSettings,
        personas: Personas,
        wait_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.release = release
        self._turns = turns
        self._model = model
        self._settings = chat
        self._personas = personas
        self._wait_s = wait_s
        self._clock = clock

    async def events(self, turn: Turn, begun: str) -> Events:
        """The events of an answer, of which `begun` is there already.

        Foreign trouble becomes the problem of the last one; the store is waited for.
        """
        deadline = self._clock() + self._wait_s
        told: str | None = None
        new_text = False
        held: tuple[Turn, ...] = ()
        window: Turn | None = None
        while True:
            try:
                if window is not None:
                    await self._turns.set_window(turn.conversation, window.id)
                held = ()
                persona = await self._personas.get(turn.persona)
                prompt = await self._prompt(turn, persona)
                held = prompt.turns
                stream = self._model.stream(
                    prompt.messages,
                    sampling(self.release, persona),
                    user=turn.asker.key,
                    begun=begun,
                )
                async with aclosing(stream) as deltas:
                    async for delta in deltas:
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
                if not held:
                    yield Ended("error", "too_long")
                    return
                # The server counts more than we estimate: half of the memory is enough.
                window = (*held, turn)[(len(held) + 1) // 2]
            except Busy:
                yield Ended("error", "busy")
                return
            except ModelError as error:
                log.error("model refuses", turn=turn.id, error=str(error))
                yield Ended("error", "model_refuses")
                return

    async def _prompt(self, turn: Turn, persona: Persona) -> Prompt:
        served = await self._model.served()
        room = sampling(self.release, persona).max_tokens
        budget = (served.context or DEFAULT_CONTEXT) - room
        past = await self._memory(turn)
        most = self._settings.history_turns
        kept = past if len(past) <= most else past[len(past) - most // 2 :]
        prompt = await fit(
            system=system_prompt(self.release, persona),
            history=kept,
            question=turn.text,
            budget=budget,
            count=self._model.count_tokens,
        )
        if prompt.trimmed or len(kept) < len(past):
            first = prompt.turns[0] if prompt.turns else turn
            await self._turns.set_window(turn.conversation, first.id)
        return prompt

    async def _memory(self, turn: Turn) -> list[Turn]:
        """The turns before this one that the conversation's memory holds, oldest first.

        Looks one turn further back than the memory goes, and past those that wait behind.
        """
        later = self._settings.max_waiting_conversation
        history = await self._turns.history(
            turn.conversation, self._settings.history_turns + 1 + later
        )
        ids = [past.id for past in history]
        window = await self._turns.window(turn.conversation)
        start = ids.index(window) if window in ids else 0
        past = history[start : ids.index(turn.id)] if turn.id in ids else []
        anew_at = await self._turns.began_anew(turn.conversation)
        if turn.created_at <= anew_at:  # asked before, and only answered now
            return past
        return [one for one in past if one.created_at > anew_at]


def _ended(delta: Delta) -> Ended:
    finish = delta.finish or "stop"
    return Ended(finish, None if finish in WHOLE else "model_unavailable")
