"""The settings of the platforms: the apps that the bot is, and who is answered there."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from bot.setting_types import Ids, Secret, Section, SocketUrl, VaultKeys, WebUrl


class DiscordSettings(Section):
    """The Discord application that the bot is."""

    token: Secret | None = Field(default=None, description="Bot token; unset: no Discord")
    token_file: Path | None = Field(default=None, description="A file that holds `token`")
    message_content: bool = Field(
        default=True,
        description="Ask for the privileged message content intent, which follow-ups in threads "
        "without a mention need",
    )
    sharded: bool = Field(
        default=False,
        description="One connection for each shard that Discord recommends, in place of one for "
        "all servers; needed from 2,500 servers on",
    )
    api_url: WebUrl = Field(
        default="https://discord.com/api/v10", description="Base URL of the REST API"
    )
    gateway_url: SocketUrl = Field(
        default="wss://gateway.discord.gg/", description="URL of the Gateway"
    )


class SlackSettings(Section):
    """The Slack app that the bot is."""

    bot_token: Secret | None = Field(default=None, description="xoxb-… token; unset: no Slack")
    bot_token_file: Path | None = Field(default=None, description="A file that holds `bot_token`")
    app_token: Secret | None = Field(default=None, description="xapp-… token, for Socket Mode")
    app_token_file: Path | None = Field(default=None, description="A file that holds `app_token`")
    signing_secret: Secret | None = Field(
        default=None, description="Signing secret, for events over HTTP"
    )
    signing_secret_file: Path | None = Field(
        default=None, description="A file that holds `signing_secret`"
    )
    mode: Literal["socket", "http"] = Field(
        default="socket", description="How events arrive: Socket Mode, or signed HTTP requests"
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address for events over HTTP, and for installing",
    )
    port: int = Field(
        default=8020, ge=0, le=65535, description="Port for events over HTTP, and for installing"
    )
    client_id: str | None = Field(
        default=None,
        min_length=1,
        description="The app's client id, in place of bot_token: any workspace that the app is "
        "shared with installs it at /slack/install, see docs/slack.md",
    )
    client_secret: Secret | None = Field(default=None, description="The app's client secret")
    client_secret_file: Path | None = Field(
        default=None, description="A file that holds `client_secret`"
    )
    token_key: VaultKeys | None = Field(
        default=None,
        description="Key that the workspaces' tokens are encrypted with in Redis, made by `candor "
        "slack key`; of several with commas between them the first encrypts, and all decrypt",
    )
    token_key_file: Path | None = Field(default=None, description="A file that holds `token_key`")
    redirect_url: WebUrl | None = Field(
        default=None,
        description="Where Slack sends people back to after installing, such as "
        "https://your-host/slack/oauth_redirect; unset: the first that the app's settings list",
    )
    stream: bool = Field(
        default=True,
        description="Let answers in direct messages grow by Slack's native streams, in a thread "
        "under the question; where Slack gives none, and when off, they grow by edits",
    )
    api_url: WebUrl = Field(default="https://slack.com/api", description="Base URL of the Web API")
    authorize_url: WebUrl = Field(
        default="https://slack.com/oauth/v2/authorize",
        description="Page on which people let the app into their workspace",
    )

    @property
    def is_configured(self) -> bool:
        """Whether there is an app to be."""
        return self.bot_token is not None or self.client_id is not None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.bot_token is not None and self.client_id is not None:
            raise ValueError(
                "give bot_token, for one workspace, or client_id, for all that install the app"
            )
        if not self.is_configured:
            return self
        if self.bot_token and not self.bot_token.get_secret_value().startswith("xoxb-"):
            raise ValueError("bot_token should start with xoxb-")
        if self.client_id is not None and self.client_secret is None:
            raise ValueError("client_id needs client_secret")
        if self.client_id is not None and self.token_key is None:
            raise ValueError("client_id needs token_key: make one with `candor slack key`")
        if self.mode == "socket" and self.app_token is None:
            raise ValueError("mode socket needs app_token")
        if self.app_token and not self.app_token.get_secret_value().startswith("xapp-"):
            raise ValueError("app_token should start with xapp-")
        if self.mode == "http" and self.signing_secret is None:
            raise ValueError("mode http needs signing_secret")
        return self


class SandboxSettings(Section):
    """The loopback Discord and Slack for newcomers and tests."""

    port: int = Field(
        default=8765, ge=0, le=65535, description="Port of the page, on 127.0.0.1; 0 takes any"
    )
    people: int = Field(default=4, ge=1, le=200, description="How many people sit at it")


class AccessSettings(Section):
    """Who is answered, and where, by the platforms' own ids; deny wins, allow means only those."""

    allow_workspaces: Ids = Field(
        default=(),
        description="Slack teams and Discord servers; `dm` is Discord's direct messages",
    )
    deny_workspaces: Ids = Field(default=(), description="Teams and servers never answered in")
    allow_channels: Ids = Field(
        default=(), description="Channels answered in, with their threads; not direct messages"
    )
    deny_channels: Ids = Field(default=(), description="Channels never answered in")
    allow_people: Ids = Field(
        default=(), description="People who are answered, beside those with one of allow_roles"
    )
    deny_people: Ids = Field(default=(), description="People who are never answered")
    allow_roles: Ids = Field(
        default=(),
        description="Roles of Discord and user groups of Slack whose people are answered; a "
        "direct message on Discord tells no roles",
    )
    deny_roles: Ids = Field(default=(), description="Roles whose people are never answered")
    dms: bool = Field(default=True, description="Answer direct messages")
    outside: bool = Field(
        default=False, description="Answer people of other workspaces (Slack Connect)"
    )
    bots: Ids = Field(default=(), description="Bots and webhooks that are answered like people")
    bots_in_a_row: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="Questions of bots answered in a conversation or channel with no person's in "
        "between, so that two bots do not talk for ever",
    )
    moderators: Ids = Field(
        default=(),
        description="People who count as moderators, beside those who may manage messages "
        "(Discord) and the workspace's admins (Slack)",
    )
    moderator_roles: Ids = Field(default=(), description="Roles whose people count as moderators")
    contact: str = Field(
        default="",
        max_length=200,
        description="Whom people ask about access and privacy, as it is shown to them; unset: "
        "whoever runs me",
    )
