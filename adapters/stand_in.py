"""The sandbox by the settings: it stands in for both platforms when none is configured."""

import errno
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from adapters.sandbox.discord import DiscordWorld
from adapters.sandbox.people import handles
from adapters.sandbox.server import Sandbox
from adapters.sandbox.slack import App, SecondWorld, SlackWorld
from bot.errors import PortInUse
from bot.platform_settings import DiscordSettings, SlackSettings
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class StandIn:
    """A running sandbox: its page, and the settings of a bot that talks to it."""

    url: str
    settings: Settings


@asynccontextmanager
async def stand_in(settings: Settings) -> AsyncIterator[StandIn]:
    """Run a sandbox for as long as the context is open.

    Tokens that the settings hold are the sandbox's; those that they lack are made up. Raises
    PortInUse.
    """
    discord_token = settings.discord.token or _made_up("")
    by_installing = settings.slack.client_id is not None
    bot_token = None if by_installing else settings.slack.bot_token or _made_up("xoxb-")
    app_token = settings.slack.app_token or _made_up("xapp-")
    signing_secret = settings.slack.signing_secret or _made_up("")
    http = settings.slack.mode == "http"
    people = handles(settings.sandbox.people)
    at = f"http://{settings.slack.host}:{settings.slack.port}"
    slack_world = SlackWorld(
        bot_token=bot_token.get_secret_value() if bot_token else None,
        app_token=app_token.get_secret_value(),
        signing_secret=signing_secret.get_secret_value(),
        people=people,
        events_url=f"{at}/slack/events" if http else None,
        app=_app(settings.slack, f"{at}/slack/oauth_redirect"),
    )
    if by_installing:
        SecondWorld(slack_world)
    sandbox = Sandbox(
        platforms=(
            slack_world,
            DiscordWorld(token=discord_token.get_secret_value(), people=people),
        ),
        people=people,
        port=settings.sandbox.port,
    )
    try:
        await sandbox.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise PortInUse(
            f"sandbox.port = {settings.sandbox.port} is in use; choose another, or 0 for any"
        ) from error
    try:
        url = sandbox.url
        socket_url = url.replace("http://", "ws://")
        discord = DiscordSettings(
            token=discord_token,
            message_content=settings.discord.message_content,
            sharded=settings.discord.sharded,
            api_url=f"{url}/discord/api/v10",
            gateway_url=f"{socket_url}/discord/gateway",
        )
        slack = SlackSettings(
            **{
                **settings.slack.model_dump(
                    exclude={
                        "bot_token_file",
                        "app_token_file",
                        "client_secret_file",
                        "token_key_file",
                    }
                ),
                "bot_token": bot_token,
                "app_token": app_token,
                "signing_secret": signing_secret,
                "signing_secret_file": None,
                "api_url": f"{url}/slack/api",
                "authorize_url": f"{url}/slack/oauth/v2/authorize",
            }
        )
        yield StandIn(url, settings.model_copy(update={"discord": discord, "slack": slack}))
    finally:
        await sandbox.close()


def configured(settings: Settings) -> bool:
    """Whether any platform is configured."""
    return settings.discord.token is not None or settings.slack.is_configured


def _app(settings: SlackSettings, redirect_url: str) -> App | None:
    """The app that workspaces of the sandbox install; None for one that is there by its token."""
    if settings.client_id is None or settings.client_secret is None:
        return None
    client_secret = settings.client_secret.get_secret_value()
    return App(settings.client_id, redirect_url, client_secret)


def _made_up(prefix: str) -> SecretStr:
    return SecretStr(prefix + secrets.token_hex(16))
