"""What Discord says of a person where they spoke: their roles, and whether they moderate there."""

from typing import Any

import discord

from bot.domain import Standing


def of_message(message: discord.Message) -> Standing:
    """The standing of a message's author, by the guild as we know it."""
    author = message.author
    if not isinstance(author, discord.Member):
        return Standing(is_bot=author.bot)
    channel = message.channel
    # A thread that discord.py does not know stands in for its parent's permissions.
    allowed = (
        author.guild_permissions
        if isinstance(channel, discord.PartialMessageable)
        else channel.permissions_for(author)
    )
    return _standing(author, allowed)


def of_interaction(interaction: discord.Interaction[Any]) -> Standing:
    """The standing of whoever acted, as Discord computed it for that channel."""
    if not isinstance(interaction.user, discord.Member):
        return Standing(is_bot=interaction.user.bot)
    return _standing(interaction.user, interaction.permissions)


def _standing(member: discord.Member, allowed: discord.Permissions) -> Standing:
    return Standing(
        # By id, also where the guild and so the roles themselves are unknown.
        roles=frozenset(str(role) for role in member._roles),
        is_moderator=allowed.manage_messages or allowed.administrator,
        is_bot=member.bot,
    )
