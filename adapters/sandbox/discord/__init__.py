"""A loopback Discord, REST and gateway, for discord.py as it is.

Point a bot at `http://127.0.0.1:PORT/discord/api/v10` and `ws://127.0.0.1:PORT/discord/gateway`.
"""

from adapters.sandbox.discord.flags import ALL_PERMISSIONS, Intents, Permission
from adapters.sandbox.discord.gateway import GatewaySettings
from adapters.sandbox.discord.ids import (
    APPLICATION_ID,
    BOT_ROLE_ID,
    BOT_USER_ID,
    CHANNEL_IDS,
    GUILD_ID,
    PEOPLE_IDS,
    PEOPLE_ROLE_ID,
)
from adapters.sandbox.discord.limits import Limits, Window
from adapters.sandbox.discord.world import DiscordWorld

__all__ = [
    "DiscordWorld",
    "GatewaySettings",
    "Limits",
    "Window",
    "Intents",
    "Permission",
    "ALL_PERMISSIONS",
    "APPLICATION_ID",
    "BOT_USER_ID",
    "BOT_ROLE_ID",
    "GUILD_ID",
    "CHANNEL_IDS",
    "PEOPLE_IDS",
    "PEOPLE_ROLE_ID",
]
