"""Questions that come by a command or by a message's menu, and how their answers get back.

The echo that we post is the question (`echo.py`); where we may post nothing else, the token of the
interaction is kept as the ticket for the answer.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import aiohttp
import discord
import structlog

from adapters import wording
from adapters.discord.controls import Interaction
from adapters.discord.echo import QUESTION_CHARS, asked, echo
from adapters.discord.followup import TOKEN_S
from adapters.discord.forms import question_key, question_modal, text_in
from adapters.discord.private import is_away, person, safely, tell
from adapters.discord.standing import of_interaction
from adapters.discord.translate import AWAY
from adapters.interaction import Said
from bot.domain import Incoming, Quote
from bot.errors import StoreUnavailable
from bot.store.tickets import Ticket, Tickets

log = structlog.get_logger()

LOOKS: Final = 2
"""How often the echo is looked for when the answer to its posting was lost."""


class Questions:
    """What both ways of asking have in common; `take` takes a question in as a message's."""

    def __init__(
        self,
        tickets: Tickets,
        take: Callable[[Incoming], Awaitable[None]],
        missed: Callable[[], None],
    ) -> None:
        """`missed` is called when a question may stand there that was not taken in."""
        self._tickets = tickets
        self._take = take
        self._missed = missed

    async def ask(
        self, interaction: Interaction, question: str, about: Quote | None = None
    ) -> None:
        """Post the question where all see it, and take it in."""
        message = await self._posted(interaction, echo(_name(interaction), question, about))
        me = interaction.client.user
        if message is None or me is None:
            return
        found = asked(message, me)
        if found is None:  # an answer of Discord's that is none of what we posted
            log.error("question not recognised", message=message.id)
            return
        found = replace(
            found, standing=of_interaction(interaction), quotes=(about,) if about else ()
        )
        if is_away(interaction):
            ref = replace(found.ref, workspace=AWAY)
            found = replace(found, ref=ref, place="channel", thread=None)
            await self._keep(found, _ticket(interaction))
        await self._take(found)

    async def about(self, interaction: Interaction, message: discord.Message) -> None:
        """Ask what somebody wants to know about a message; its content comes but this once."""
        text = message.content or "\n".join(
            filter(None, (part.description or part.title for part in message.embeds))
        )
        quote = Quote(message.author.display_name, text or "(no text)")
        key = str(interaction.id)
        try:
            await self._tickets.set_about(key, quote, time.time() + TOKEN_S)
        except StoreUnavailable as error:
            log.warning("menu not answered", interaction=interaction.id, error=str(error))
            await tell(interaction, Said(wording.NOTHING_CAME))
            return
        form = question_modal(key, QUESTION_CHARS)
        await safely(interaction, interaction.response.send_modal(form))

    async def filled(self, interaction: Interaction, data: Mapping[str, Any]) -> None:
        """The form of a question came in."""
        key = question_key(str(data.get("custom_id", "")))
        if key is None:
            return
        try:
            about = await self._tickets.about(key)
        except StoreUnavailable as error:
            log.warning("form not taken", interaction=interaction.id, error=str(error))
            await tell(interaction, Said(wording.NOTHING_CAME))
            return
        if about is None:
            await tell(interaction, Said(wording.NO_QUESTION))
            return
        await self.ask(interaction, text_in(data) or wording.ABOUT_THIS, about)

    async def renew(self, interaction: Interaction, turn: str) -> None:
        """A press is a new way to the place of a turn, where there is no other.

        Raises StoreUnavailable.
        """
        if is_away(interaction):
            await self._tickets.renew(turn, _ticket(interaction))

    async def _posted(self, interaction: Interaction, text: str) -> discord.Message | None:
        """The echo as it stands there; None when it does not, as far as anybody knows."""
        try:
            answer = await interaction.response.send_message(
                text, suppress_embeds=True, allowed_mentions=discord.AllowedMentions.none()
            )
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.warning("question not posted", interaction=interaction.id, error=repr(error))
        else:
            if isinstance(answer.resource, discord.InteractionMessage):
                return answer.resource
        for _ in range(LOOKS):
            try:
                return await interaction.original_response()
            except discord.HTTPException as error:
                if error.status == 404:
                    return None
                log.info("question not found", interaction=interaction.id, error=repr(error))
            except (discord.ClientException, aiohttp.ClientError, OSError) as error:
                log.info("question not found", interaction=interaction.id, error=repr(error))
        self._missed()
        return None

    async def _keep(self, question: Incoming, ticket: Ticket) -> None:
        try:
            await self._tickets.keep(question.ref, ticket)
        except StoreUnavailable as error:  # it is at hand for as long as this process lives
            log.warning("ticket not kept", message=question.ref.key, error=str(error))


def _name(interaction: Interaction) -> str:
    return person(interaction).name


def _ticket(interaction: Interaction) -> Ticket:
    created_at = interaction.created_at.timestamp()
    return Ticket(interaction.application_id, interaction.token, created_at + TOKEN_S)
