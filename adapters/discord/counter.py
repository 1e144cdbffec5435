"""Where interactions arrive: each is answered in time, whatever the store does meanwhile.

Discord wants a first answer within three seconds. What the desk has to say by then is that answer;
what takes longer is deferred and told afterwards; what fails is told honestly. Two presses are two
interactions, and the desk makes no more of the second than it should.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import discord
import structlog

from adapters import wording
from adapters.discord.controls import Interaction
from adapters.discord.forms import modal_of, text_in
from adapters.discord.private import parent_of, person, safely, tell, where
from adapters.discord.questions import Questions
from adapters.discord.standing import of_interaction
from adapters.interaction import Command, Desk, Form, Press, Said, form_of
from bot.domain import Control, Quote
from bot.errors import StoreUnavailable

log = structlog.get_logger()

SOON_S: Final = 1.5
"""Within this the desk's word is the first answer; the rest of the three seconds is for the way."""
DESK_S: Final = 60.0
"""Longer nobody waits for a line that only they see."""


class Counter:
    """The handlers of one adapter's interactions. Without a desk there are questions alone."""

    def __init__(self, desk: Desk | None, questions: Questions) -> None:
        self._desk = desk
        self._questions = questions

    @property
    def has_desk(self) -> bool:
        """Whether there is more than questions."""
        return self._desk is not None

    async def ask(
        self, interaction: Interaction, question: str, about: Quote | None = None
    ) -> None:
        """A question came by a command."""
        await self._bordered(interaction, self._questions.ask(interaction, question, about))

    async def about(self, interaction: Interaction, message: discord.Message) -> None:
        """Somebody wants to ask about a message."""
        await self._bordered(interaction, self._questions.about(interaction, message))

    async def press(self, interaction: Interaction, control: Control, turn: str) -> None:
        """A button under an answer was pressed."""
        press = Press(turn, control, person(interaction), of_interaction(interaction))

        async def at(desk: Desk) -> Said | None:
            await self._questions.renew(interaction, turn)
            return await desk.press(press)

        await self._answered(interaction, at, quietly=True)

    async def open_form(self, interaction: Interaction, form: Form) -> None:
        """The button of a form was pressed."""
        await safely(interaction, interaction.response.send_modal(modal_of(form)))

    async def filled(self, interaction: Interaction) -> None:
        """A form came in."""
        data: Any = interaction.data or {}
        form = form_of(str(data.get("custom_id", "")))
        if form is None:
            await self._bordered(interaction, self._questions.filled(interaction, data))
            return
        who, text = person(interaction), text_in(data)
        await self._answered(interaction, lambda desk: desk.filled(form, who, text))

    async def command(self, interaction: Interaction, name: str, text: str = "") -> None:
        """A command was given."""
        who, standing = person(interaction), of_interaction(interaction)
        parent = parent_of(interaction)
        command = Command(name, text.strip(), who, where(interaction), standing, parent)
        await self._answered(interaction, lambda desk: desk.command(command))

    async def _answered(
        self,
        interaction: Interaction,
        call: Callable[[Desk], Awaitable[Said | None]],
        *,
        quietly: bool = False,
    ) -> None:
        """Answer with what the desk says; `quietly` shows nothing while that takes its time."""
        if self._desk is None:
            return
        asking = asyncio.create_task(_asked(call(self._desk), interaction))
        try:
            done, _ = await asyncio.wait({asking}, timeout=SOON_S)
            if not done:
                thinking = not quietly
                deferring = interaction.response.defer(ephemeral=thinking, thinking=thinking)
                await safely(interaction, deferring)
            said = await asking
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        await self._bordered(interaction, tell(interaction, said))

    async def _bordered(self, interaction: Interaction, call: Awaitable[None]) -> None:
        """The border of what is no desk's: whatever happens is logged and told."""
        try:
            await call
        except Exception:
            log.exception("interaction failed", interaction=interaction.id)
            if not interaction.response.is_done():
                await tell(interaction, Said(wording.problem("error")))


async def _asked(call: Awaitable[Said | None], interaction: Interaction) -> Said | None:
    """What the desk says; whatever happens there becomes an honest line."""
    try:
        async with asyncio.timeout(DESK_S):
            return await call
    except (StoreUnavailable, TimeoutError) as error:
        log.warning("interaction not done", interaction=interaction.id, error=repr(error))
        return Said(wording.NOTHING_CAME)
    except Exception:
        log.exception("interaction failed", interaction=interaction.id)
        return Said(wording.problem("error"))
