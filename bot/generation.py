"""From a turn to what the model says: the prompt, the stream, and patience with both."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Final, Literal

import structlog

from bot.context import notes
from bot.context.gathering import Context, Gathering
from bot.context.material import NO_TALK
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
from bot.model import Delta, Model, Served
from bot.prompt import Prompt, fit
from bot.settings import ChatSettings
from bot.store.turns import Turns

log = structlog.get_logger()

RETRY_S: Final = 0.5
DEFAULT_CONTEXT: Final = 4096
"""Tokens assumed where the model's server does not tell its context."""

LEAST_SHARE: Final = 1 / 64
"""Of a question's files: less is not tried where a server finds even that too long."""

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
        window: Turn | None = None
        context: Context | None = None
        share = 1.0
        while True:
            try:
                if window is not None:
                    await self._turns.set_window(turn.conversation, window.id)
                held = ()
                context = context or await self._gathered(turn, source)
                prompt, to_tell = await self._prompt(turn, context, share)
                held = prompt.turns
                stream = self._model.stream(
                    prompt.messages, self.release.sampling, user=turn.asker.key, begun=begun
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
                # The server counts more than we estimate: half of the memory is enough, or of
                # what the question came with.
                if held:
                    window = (*held, turn)[(len(held) + 1) // 2]
                elif context is not None and context.can_shrink and share > LEAST_SHARE:
                    share /= 2
                else:
                    yield Ended("error", "too_long")
                    return
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

    async def _prompt(
        self, turn: Turn, context: Context, share: float
    ) -> tuple[Prompt, tuple[str, ...]]:
        """The prompt of a turn, and the notes on what is not in it.

        With a `share` under 1, so much of the question's files, and nothing from before it.
        """
        served = await self._model.served()
        budget = (served.context or DEFAULT_CONTEXT) - self.release.sampling.max_tokens
        past = await self._memory(turn)
        most = self._settings.history_turns
        kept = past if len(past) <= most else past[len(past) - most // 2 :]
        is_whole = share == 1 and len(kept) == len(past)
        has_talk = is_whole and await self._turns.window(turn.conversation) is None
        prompt = await fit(
            system=self.release.system_prompt,
            history=kept,
            question=turn.text,
            quotes=turn.quotes,
            material=context.material.cut(share),
            materials=await self._context.past(kept) if self._context else {},
            talk=context.talk if has_talk else NO_TALK,
            budget=budget,
            count=self._model.count_tokens,
        )
        if prompt.trimmed or len(kept) < len(past):
            first = prompt.turns[0] if prompt.turns else turn
            await self._turns.set_window(turn.conversation, first.id)
        if self._context is not None:
            await self._context.shorten(
                turn, context, prompt.material, prompt.materials, prompt.talk
            )
        left_out = notes.lost(context.material, prompt.material)
        told = (
            *notes.of_material(prompt.material, left_out),
            *context.notes,
            *prompt.notes,
            *(() if is_whole else (notes.OLDER,)),
        )
        return prompt, tuple(dict.fromkeys(told))

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
        return history[start : ids.index(turn.id)] if turn.id in ids else []


def _ended(delta: Delta) -> Ended:
    finish = delta.finish or "stop"
    return Ended(finish, None if finish in WHOLE else "model_unavailable")
