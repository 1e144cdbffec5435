"""From a turn to what the model says: the prompt, the stream, and patience with both."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Final, Literal

import structlog

from bot.context import notes
from bot.context.gathering import Context, Gathering
from bot.context.material import NO_TALK
from bot.context.source import Source
from bot.domain import Release, Sampling, Turn
from bot.errors import (
    Busy,
    ModelError,
    ModelUnavailable,
    StoreUnavailable,
    TooLong,
)
from bot.events import Anew, Ended, Events, Note, Text, Waiting
from bot.model import Delta, Model, Served
from bot.prompt import Prompt, fit
from bot.settings import ChatSettings
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
        wait_s: float,
        context: Gathering | None = None,
        images: Literal["auto", "on", "off"] = "auto",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Without `context` nothing but the conversation is read. `images`: as in the settings."""
        self.release = release
        self._turns = turns
        self._model = model
        self._settings = chat
        self._wait_s = wait_s
        self._context = context
        self._images = images
        self._clock = clock

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
        while True:
            try:
                if first is not None:
                    await self._set_window(turn, first)
                held = ()
                sampling = await self._sampling(turn)
                context = context or await self._gathered(turn, source)
                prompt, to_tell = await self._prompt(turn, context, sampling.max_tokens, first)
                held = prompt.turns
                stream = self._model.stream(
                    prompt.messages, sampling, user=turn.asker.key, begun=begun
                )
                async with aclosing(stream) as deltas:
                    async for delta in deltas:
                        for note in to_tell:  # not before the server has taken the prompt
                            yield Note(note)
                        to_tell = ()
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

    async def _gathered(self, turn: Turn, source: Source | None) -> Context:
        if self._context is None or source is None:
            return Context()
        return await self._context.of(turn, source, sees=self._sees(await self._model.served()))

    def _sees(self, served: Served) -> bool:
        return self._images == "on" or (self._images == "auto" and served.sees)

    async def _sampling(self, turn: Turn) -> Sampling:
        """The release's; what an answer had when it was continued is not of its new allowance."""
        sampling = self.release.sampling
        if not turn.kept:
            return sampling
        had = await self._model.count_begun(turn.kept_text.rstrip())
        return replace(sampling, max_tokens=sampling.max_tokens + had)

    async def _prompt(
        self, turn: Turn, context: Context, most_tokens: int, first: str | None
    ) -> tuple[Prompt, tuple[str, ...]]:
        """The prompt for an answer of so many tokens, and the notes on what is not in it.

        The memory begins with `first`, if given.
        """
        served = await self._model.served()
        budget = (served.context or DEFAULT_CONTEXT) - most_tokens
        past = await self._memory(turn, first)
        most = self._settings.history_turns
        kept = past if len(past) <= most else past[len(past) - most // 2 :]
        is_from_the_start = first is None and await self._turns.window(turn.conversation) is None
        prompt = await fit(
            system=self.release.system_prompt,
            history=kept,
            question=turn.text,
            quotes=turn.quotes,
            material=context.material,
            materials=await self._context.past(kept) if self._context else {},
            talk=context.talk if is_from_the_start and len(kept) == len(past) else NO_TALK,
            budget=budget,
            count=self._model.count_tokens,
        )
        if prompt.trimmed or len(kept) < len(past):
            await self._set_window(turn, (*prompt.turns, turn)[0].first)
        if self._context is not None:
            await self._context.shorten(
                turn, context, prompt.material, prompt.materials, prompt.talk
            )
        left_out = notes.lost(context.material, prompt.material)
        told = (
            *notes.of_material(prompt.material, left_out),
            *context.notes,
            *prompt.notes,
            *((notes.OLDER,) if len(kept) < len(past) else ()),
        )
        return prompt, tuple(dict.fromkeys(told))

    async def _memory(self, turn: Turn, first: str | None) -> list[Turn]:
        """The turns before this one's question that the conversation's memory holds, oldest first.

        Looks one turn further back than the memory goes.
        """
        history = await self._turns.before(turn, self._settings.history_turns + 1)
        ids = [past.id for past in history]
        window = first or await self._turns.window(turn.conversation)
        if window in (turn.id, turn.first):
            return []
        return history[ids.index(window) :] if window in ids else history

    async def _set_window(self, turn: Turn, first: str) -> None:
        """Let the conversation's memory begin there, unless the turn looks back into it."""
        if turn.retry_of is None and not turn.continued:
            await self._turns.set_window(turn.conversation, first)


def _ended(delta: Delta) -> Ended:
    finish = delta.finish or "stop"
    return Ended(finish, None if finish in WHOLE else "model_unavailable")
