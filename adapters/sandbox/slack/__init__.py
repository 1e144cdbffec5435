"""A loopback Slack: Web API, Socket Mode and signed HTTP events, for an unmodified Slack app.

It binds nothing itself: `SlackWorld.attach` adds its routes to an aiohttp application, which must
listen on loopback only.
"""

from adapters.sandbox.slack.abroad import SecondWorld
from adapters.sandbox.slack.directory import (
    APP_ID,
    BOT_ID,
    BOT_USER_ID,
    CHANNEL_IDS,
    IM_IDS,
    TEAM_ID,
    USER_IDS,
)
from adapters.sandbox.slack.http_events import sign
from adapters.sandbox.slack.oauth import App
from adapters.sandbox.slack.rates import DOCUMENTED_LIMITS, RateLimit
from adapters.sandbox.slack.settings import (
    DEFAULT_COMMANDS,
    DEFAULT_SCOPES,
    DEFAULT_SHORTCUTS,
    DEFAULT_SUBSCRIPTIONS,
    Knobs,
)
from adapters.sandbox.slack.world import SlackWorld

__all__ = [
    "SlackWorld",
    "SecondWorld",
    "App",
    "Knobs",
    "RateLimit",
    "sign",
    "DEFAULT_COMMANDS",
    "DEFAULT_SCOPES",
    "DEFAULT_SHORTCUTS",
    "DEFAULT_SUBSCRIPTIONS",
    "DOCUMENTED_LIMITS",
    "APP_ID",
    "BOT_ID",
    "BOT_USER_ID",
    "CHANNEL_IDS",
    "IM_IDS",
    "TEAM_ID",
    "USER_IDS",
]
