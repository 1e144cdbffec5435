"""Interactions as Discord's JSON: the event that tells of one, and what its answers carry."""

from typing import Final

from adapters.sandbox.discord.identity import user
from adapters.sandbox.discord.ids import APPLICATION_ID, BOT_USER_ID
from adapters.sandbox.discord.interactions import COMPONENT, MODAL, Interaction
from adapters.sandbox.discord.model import AwayChannel, Channel, Json, Message, TextChannel, Thread
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.state import State

ATTACHMENT_LIMIT: Final = 10 << 20


def guild_of(payloads: Payloads, channel: Channel) -> str | None:
    """The id of the guild that the channel belongs to, ours or another."""
    if isinstance(channel, AwayChannel):
        return None if channel.guild_id is None else str(channel.guild_id)
    if isinstance(channel, TextChannel | Thread):
        return str(payloads.channel(channel)["guild_id"])
    return None


def interaction_event(
    state: State, payloads: Payloads, interaction: Interaction, source: Message | None
) -> Json:
    """INTERACTION_CREATE; `source` is the message whose component was used, with all its content,
    as is that of the target of a command of its menu, whatever the intents."""
    channel = state.channel(interaction.channel_id)
    guild = guild_of(payloads, channel)
    allowed = str(int(state.permissions_of(interaction.user_id, channel)))
    body: Json = {
        "id": str(interaction.id),
        "application_id": str(APPLICATION_ID),
        "type": interaction.kind,
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel": {**payloads.channel(channel), "permissions": allowed},
        "channel_id": str(channel.id),
        "app_permissions": str(int(state.permissions_of(BOT_USER_ID, channel))),
        "authorizing_integration_owners": interaction.owners,
        "attachment_size_limit": ATTACHMENT_LIMIT,
        "context": interaction.context,
        "entitlements": [],
        "locale": "en-US",
    }
    if guild is None:
        body["user"] = user(state.users[interaction.user_id])
    else:
        body["guild_id"] = guild
        body["guild"] = {"id": guild, "locale": "en-US", "features": []}
        body["guild_locale"] = "en-US"
        body["member"] = {**payloads.full_member(interaction.user_id), "permissions": allowed}
    if source is not None:
        body["message"] = payloads.message(source, privileged=True)
    return body


def metadata(state: State, interaction: Interaction, *, original_id: int | None = None) -> Json:
    """What a message carries of the interaction that it answers; `original_id` for follow-ups."""
    body: Json = {
        "id": str(interaction.id),
        "type": interaction.kind,
        "user": user(state.users[interaction.user_id]),
        "authorizing_integration_owners": interaction.owners,
    }
    if interaction.target_id is not None:
        body["target_message_id"] = str(interaction.target_id)
    if interaction.kind == COMPONENT and interaction.source_id is not None:
        body["interacted_message_id"] = str(interaction.source_id)
    if interaction.kind == MODAL and interaction.trigger is not None:
        body["triggering_interaction_metadata"] = metadata(state, interaction.trigger)
    if original_id is not None:
        body["original_response_message_id"] = str(original_id)
    return body
