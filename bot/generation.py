"""From a turn to what the model says: the prompt, the stream, and patience with both."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final

import structlog

from bot.domain import Release, Sampling, Turn
from bot.errors import (
    Busy,
    ModelError,
    ModelUnavailable,
    StoreUnavailable,
    TooLong,
)
from bot.events import Anew, Ended, Events, Text, Waiting
from bot.model import Delta, Model
from bot.persona import Persona, sampling_of, system_prompt
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
        first: str | None = None
        while True:
            try:
                if first is not None:
                    await self._set_window(turn, first)
                held = ()
                persona = await self._personas.get(turn.persona)
                sampling = await self._sampling(turn, persona)
                prompt = await self._prompt(turn, persona, sampling.max_tokens, first)
                held = prompt.turns
                stream = self._model.stream(
                    prompt.messages, sampling, user=turn.asker.key, begun=begun
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
                    yield Ended("error", "full" if turn.kept else "too_long")
                    return
                # The server counts more than we estimate: half of the memory is enough.
                first = (*held, turn)[(len(held) + 1) // 2].first
            except Busy:
                yield Ended("error", "busy")
                return
            except ModelError as error:
                log.error("model refuses", turn=turn.id, error=str(error))
                yield Ended("error", "model_refuses")
                return

    async def _sampling(self, turn: Turn, persona: Persona) -> Sampling:
        """The channel's; what an answer had when it was continued is not of its new allowance."""
        sampling = sampling_of(self.release, persona)
        if not turn.kept:
            return sampling
        had = await self._model.count_begun(turn.kept_text.rstrip())
        return replace(sampling, max_tokens=sampling.max_tokens + had)

    async def _prompt(
        self, turn: Turn, persona: Persona, most_tokens: int, first: str | None
    ) -> Prompt:
        """The prompt for an answer of so many tokens; the memory begins with `first`, if given."""
        served = await self._model.served()
        budget = (served.context or DEFAULT_CONTEXT) - most_tokens
        past = await self._memory(turn, first)
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
            await self._set_window(turn, (*prompt.turns, turn)[0].first)
        return prompt

    async def _memory(self, turn: Turn, first: str | None) -> list[Turn]:
        """The turns before this one's question that the conversation's memory holds, oldest first.

        Looks one turn further back than the memory goes.
        """
        history = await self._turns.before(turn, self._settings.history_turns + 1)
        ids = [past.id for past in history]
        window = first or await self._turns.window(turn.conversation)
        if window in (turn.id, turn.first):
            return []
        past = history[ids.index(window) :] if window in ids else history
        return await self._since_anew(turn, past)

    async def _since_anew(self, turn: Turn, past: list[Turn]) -> list[Turn]:
        """What of the past was asked since the memory began anew, if that was before the question:
        one that was asked before it and is answered now keeps its memory."""
        anew_at = await self._turns.began_anew(turn.conversation)
        if not anew_at or not past:
            return past
        asked = turn if turn.retry_of is None else await self._turns.get(turn.retry_of)
        if asked is None or asked.created_at <= anew_at:
            return past
        return [one for one in past if one.created_at > anew_at]

    async def _set_window(self, turn: Turn, first: str) -> None:
        """Let the conversation's memory begin there, unless the turn looks back into it."""
        if turn.retry_of is None and not turn.continued:
            await self._turns.set_window(turn.conversation, first)


def _ended(delta: Delta) -> Ended:
    finish = delta.finish or "stop"
    return Ended(finish, None if finish in WHOLE else "model_unavailable")
