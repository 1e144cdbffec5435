"""What the model is asked for a turn: the prompt, the sampling, and what is told to be missing.

Puts together the release, the channel's persona, the conversation's memory, and what was read for
the question, inside the model's context.
"""

from dataclasses import dataclass, replace
from typing import Final, Literal

from bot.context import notes
from bot.context.gathering import Context, Gathering
from bot.context.material import NO_TALK
from bot.context.source import Source
from bot.domain import Release, Sampling, Turn
from bot.model import Message, Model, Served
from bot.persona import sampling_of, system_prompt
from bot.prompt import fit
from bot.settings import ChatSettings
from bot.store.personas import Personas
from bot.store.turns import Turns

DEFAULT_CONTEXT: Final = 4096
"""Tokens assumed where the model's server does not tell its context."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What the model is asked: the messages, the earlier turns that they hold, how tokens are
    drawn, and the notes on what is not in it."""

    messages: list[Message]
    turns: tuple[Turn, ...]
    sampling: Sampling
    notes: tuple[str, ...]


class Composer:
    """Composes what the model is asked, for one release."""

    def __init__(
        self,
        *,
        turns: Turns,
        model: Model,
        release: Release,
        chat: ChatSettings,
        personas: Personas,
        context: Gathering | None = None,
        images: Literal["auto", "on", "off"] = "auto",
    ) -> None:
        """Without `context` nothing but the conversation is read. `images`: as in the settings."""
        self.release = release
        self._turns = turns
        self._model = model
        self._settings = chat
        self._personas = personas
        self._context = context
        self._images = images

    async def gather(self, turn: Turn, source: Source | None) -> Context:
        """What is read for a question at `source`: its files, and what was said before it.

        Raises ModelUnavailable, ModelError, StoreUnavailable.
        """
        if self._context is None or source is None:
            return Context()
        return await self._context.of(turn, source, sees=self._sees(await self._model.served()))

    async def compose(
        self, turn: Turn, context: Context, first: str | None = None, share: float = 1.0
    ) -> Ask:
        """What the model is asked for a turn; its memory begins with the turn `first`, if given.

        With a `share` under 1, so much of the question's files, and nothing from before it. Raises
        TooLong, ModelUnavailable, ModelError, StoreUnavailable.
        """
        if first is not None:
            await self._set_window(turn, first)
        persona = await self._personas.get(turn.persona)
        drawn = await self._allowed(turn, sampling_of(self.release, persona))
        served = await self._model.served()
        past = await self._memory(turn, first)
        most = self._settings.history_turns
        kept = past if len(past) <= most else past[len(past) - most // 2 :]
        is_whole = first is None and share == 1 and len(kept) == len(past)
        has_talk = (
            is_whole
            and await self._turns.window(turn.conversation) is None
            and not await self._turns.began_anew(turn.conversation)
        )
        prompt = await fit(
            system=system_prompt(self.release, persona),
            history=kept,
            question=turn.text,
            quotes=turn.quotes,
            material=context.material.cut(share),
            materials=await self._context.past(kept) if self._context else {},
            talk=context.talk if has_talk else NO_TALK,
            budget=(served.context or DEFAULT_CONTEXT) - drawn.max_tokens,
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
            *(() if is_whole else (notes.OLDER,)),
        )
        return Ask(prompt.messages, prompt.turns, drawn, tuple(dict.fromkeys(told)))

    async def _allowed(self, turn: Turn, drawn: Sampling) -> Sampling:
        """What an answer had when it was continued is not of its new allowance."""
        if not turn.kept:
            return drawn
        had = await self._model.count_begun(turn.kept_text.rstrip())
        return replace(drawn, max_tokens=drawn.max_tokens + had)

    async def _memory(self, turn: Turn, first: str | None) -> list[Turn]:
        """The turns before this one's question that the conversation's memory holds, oldest first.

        Looks one turn further back than the memory goes.
        """
        history = await self._turns.before(turn, self._settings.history_turns + 1)
        history = await self._since_anew(turn, history)
        ids = [past.id for past in history]
        window = first or await self._turns.window(turn.conversation)
        if window in (turn.id, turn.first):
            return []
        return history[ids.index(window) :] if window in ids else history

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

    def _sees(self, served: Served) -> bool:
        return self._images == "on" or (self._images == "auto" and served.sees)
