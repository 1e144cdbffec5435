"""Private words to the person of an interaction, which nobody else sees.

What cannot be said any more is logged and is no failure: the person has Discord's own line then.
"""

from collections.abc import Awaitable
from typing import Any, Final

import aiohttp
import discord
import structlog

from adapters.discord.controls import Interaction, form_button
from adapters.discord.dialect import DISCORD
from adapters.discord.translate import AWAY, workspace
from adapters.interaction import Said
from adapters.markdown import render
from bot.domain import Conversation, Person, Place

log = structlog.get_logger()

PARTS: Final = 4
"""Messages that one private answer may take."""


async def tell(interaction: Interaction, said: Said | None) -> None:
    """Say something, as the first answer or after it; None only takes the press as done."""
    if said is None:
        if not interaction.response.is_done():
            await safely(interaction, interaction.response.defer())
        return
    parts = render(said.text, DISCORD).parts[:PARTS]
    for number, text in enumerate(parts, 1):
        is_last = number == len(parts)
        view = (
            form_button(said.form) if said.form is not None and is_last else discord.utils.MISSING
        )
        options: dict[str, Any] = {"ephemeral": True, "suppress_embeds": True, "view": view}
        if interaction.response.is_done():
            sending: Awaitable[object] = interaction.followup.send(text, **options)
        else:
            sending = interaction.response.send_message(text, **options)
        if not await safely(interaction, sending):
            return


async def safely(interaction: Interaction, call: Awaitable[object]) -> bool:
    """Whether an answer went out; one that came too late, or twice, is past mending."""
    try:
        await call
    except discord.InteractionResponded:
        return False
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        log.warning("interaction not answered", interaction=interaction.id, error=repr(error))
        return False
    return True


def person(interaction: Interaction) -> Person:
    """Who acted."""
    return Person("discord", str(interaction.user.id), interaction.user.display_name)


def where(interaction: Interaction) -> Conversation:
    """Where they acted; which of a channel's conversations that was, nobody can tell."""
    place: Place = "channel"
    if is_away(interaction):
        return Conversation("discord", AWAY, str(interaction.channel_id), place)
    if interaction.guild_id is None:
        place = "dm"
    elif isinstance(interaction.channel, discord.Thread):
        place = "thread"
    root = str(interaction.channel_id) if place == "thread" else ""
    guild = workspace(interaction.guild_id)
    return Conversation("discord", guild, str(interaction.channel_id), place, root)


def parent_of(interaction: Interaction) -> str | None:
    """The channel that the thread hangs in where they acted; None elsewhere."""
    channel = interaction.channel
    return str(channel.parent_id) if isinstance(channel, discord.Thread) else None


def is_away(interaction: Interaction) -> bool:
    """Whether only interactions lead there: we are no member, or may not write."""
    if interaction.guild_id is None:
        return interaction.context.private_channel
    if not interaction.is_guild_integration():
        return True
    allowed = interaction.app_permissions
    is_thread = isinstance(interaction.channel, discord.Thread)
    may_send = allowed.send_messages_in_threads if is_thread else allowed.send_messages
    return not (allowed.administrator or (allowed.view_channel and may_send))
