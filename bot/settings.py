"""The settings: one frozen object of tables, each key described and bounded.

What can be set, and nothing of where it comes from: `bot.config` reads files and environment.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "CANDOR_"

DEFAULT_SYSTEM_PROMPT = "You are a helpful AI assistant named Candor."
"""Short on purpose: of four prompts tried with the default model, the only one that it answers
well under; a larger model takes more guidance."""

_ID = re.compile(r"[A-Z][A-Z0-9]{2,30}|[0-9]{5,20}|dm")
"""Slack's ids, Discord's snowflakes, and the name of what stands in no server of Discord."""


def web_url(value: str) -> str:
    """The URL of a web address, without a slash at its end. Raises ValueError for no such."""
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("should be a URL such as https://host/path")
    if parts.username or parts.password:
        raise ValueError("should hold no user or password: it is shown in errors")
    return value.rstrip("/")


def _socket_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"ws", "wss"} or not parts.hostname:
        raise ValueError("should be a URL such as wss://host")
    return value


def _redis_url(value: SecretStr) -> SecretStr:
    try:
        parts = urlsplit(value.get_secret_value())
        # A slash in a password has to be written as %2F: else what is before it is host and port.
        whole = parts.scheme == "unix" or (bool(parts.hostname) and parts.port != 0)
    except ValueError:  # its text holds what was taken for the port
        whole = False
    if not whole or parts.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("should be a URL such as redis://:password@host:6379/0 or unix:///path")
    return value


def _not_empty(value: SecretStr) -> SecretStr:
    if not value.get_secret_value().strip():
        raise ValueError("should not be empty")
    return SecretStr(value.get_secret_value().strip())


def _vault_keys(value: SecretStr) -> SecretStr:
    for key in value.get_secret_value().split(","):
        try:
            size = len(base64.b64decode(key.strip(), altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            size = 0
        if size != 32:
            raise ValueError("should be keys made by `candor slack key`, with commas between them")
    return value


def _of_platform(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(
            "should be an id as the platform gives it (C0123ABCD, 1234567890), no name"
        )
    return value


WebUrl = Annotated[str, AfterValidator(web_url)]
SocketUrl = Annotated[str, AfterValidator(_socket_url)]
Secret = Annotated[SecretStr, AfterValidator(_not_empty)]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url)]
VaultKeys = Annotated[SecretStr, AfterValidator(_not_empty), AfterValidator(_vault_keys)]
Ids = tuple[Annotated[str, AfterValidator(_of_platform)], ...]


class Section(BaseModel):
    """A table of the settings: frozen, and unknown keys are errors.

    A secret `key` may also be given as `key_file`, the path of a file that holds it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _read_secret_files(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        for name in cls.model_fields:
            path = data.get(f"{name}_file") if f"{name}_file" in cls.model_fields else None
            if not isinstance(path, str | Path):
                continue
            if data.get(name) is not None:
                raise ValueError(f"give {name} or {name}_file, not both")
            try:
                data = {**data, name: Path(path).read_text("utf-8").strip()}
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not text"
                raise ValueError(f"{name}_file {path} cannot be read: {reason}") from error
        return data


class LogSettings(Section):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe event that is logged"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="`auto` is console on a terminal and JSON elsewhere"
    )


class RedisSettings(Section):
    """Where all state is kept."""

    url: RedisUrl | None = Field(
        default=None,
        description="Any Redis or Valkey from 7.0 on; unset: an embedded Valkey under state_dir",
    )
    url_file: Path | None = Field(default=None, description="A file that holds `url`")
    timeout_s: float = Field(
        default=5.0, gt=0, le=300, description="Seconds that one command may take"
    )


class ModelSettings(Section):
    """How the bot reaches the model, and how it asks."""

    url: WebUrl | None = Field(
        default=None,
        description="Base URL of any OpenAI-compatible server, such as http://127.0.0.1:8000/v1; "
        "unset: `candor run` starts `candor serve` by itself",
    )
    api_key: Secret | None = Field(default=None, description="Key for that server")
    api_key_file: Path | None = Field(default=None, description="A file that holds `api_key`")
    name: str | None = Field(
        default=None, min_length=1, description="Model to ask for; unset: the server's first"
    )
    system_prompt: str = Field(
        default=DEFAULT_SYSTEM_PROMPT, max_length=20_000, description="What the model is told first"
    )
    temperature: float = Field(default=0.2, ge=0, le=2, description="0 always takes the likeliest")
    top_p: float = Field(default=0.9, gt=0, le=1, description="Share of likely tokens drawn from")
    frequency_penalty: float = Field(
        default=0.3,
        ge=-2,
        le=2,
        description="Above 0, each use of a token in an answer makes it less likely; the default "
        "model goes in circles without, larger models need none",
    )
    repetition_penalty: float = Field(
        default=1.0,
        ge=1,
        le=2,
        description="Above 1, tokens of the prompt and the answer become less likely; small models "
        "then avoid the words of the question; 1 leaves it to the server",
    )
    max_tokens: int = Field(
        default=512, ge=1, le=131_072, description="Length of one answer, in tokens"
    )
    timeout_s: float = Field(
        default=120, gt=0, le=3600, description="Seconds without a new token before giving up"
    )
    answer_s: float = Field(
        default=600,
        gt=0,
        le=86_400,
        description="Seconds that an answer may take, its wait at the server included; then it "
        "ends as it stands",
    )
    wait_s: float = Field(
        default=60,
        ge=0,
        le=3600,
        description="Seconds that a question waits for a model that is starting or restarting",
    )


class ServeSettings(Section):
    """`candor serve`: the model's server."""

    model: str = Field(
        default="smollm2",
        min_length=1,
        description="The model: `smollm2` (the packaged default), or the path or hub name of any "
        "chat model that transformers loads",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on")
    port: int = Field(default=8010, ge=0, le=65535, description="Port to listen on; 0 takes any")
    socket: Path | None = Field(
        default=None, description="Unix socket to listen on instead of host and port"
    )
    api_key: Secret | None = Field(default=None, description="Bearer token that clients must show")
    api_key_file: Path | None = Field(default=None, description="A file that holds `api_key`")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model runs; `auto` takes CUDA when there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Number format; `auto` is bfloat16 on CUDA, float32 on the CPU"
    )
    cpu_weights: Literal["auto", "float16", "float32"] = Field(
        default="auto",
        description="How the CPU keeps the weights of a float32 model: `float16` reads half the "
        "bytes a token, twice as fast for one chat, and computes in float32 all the same; `auto` "
        "is that wherever the CPU can",
    )
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="CPU threads; unset: measured from the machine"
    )
    max_running: int = Field(default=8, ge=1, le=1024, description="Answers that grow in one batch")
    max_waiting: int = Field(
        default=64, ge=0, le=100_000, description="Requests that wait for a place; more are refused"
    )
    max_running_person: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="The same as max_running, of one person; requests that name nobody have no "
        "limit of their own",
    )
    max_waiting_person: int = Field(
        default=16, ge=0, le=100_000, description="The same as max_waiting, of one person"
    )
    context: int | None = Field(
        default=None, ge=256, description="Tokens a request may hold; unset: what the model allows"
    )
    prefill_chunk: int = Field(
        default=256, ge=16, le=65536, description="Prompt tokens computed in one step"
    )
    adapters_dir: Path | None = Field(
        default=None,
        description="Folder that LoRA adapters may be loaded from while serving, and from nowhere "
        "else; unset: adapters under state_dir",
    )
    stream_interval_ms: int = Field(
        default=50,
        ge=0,
        le=10_000,
        description="Milliseconds over which a stream's text is joined, after its first piece; 0 "
        "sends each token by itself",
    )
    kv_memory_mb: int | None = Field(
        default=None,
        ge=1,
        description="Memory, in MiB, for the conversations that the model has in mind; unset: most "
        "of what is free on CUDA, at most 1024 and half of what is free on the CPU",
    )


class ChatSettings(Section):
    """How questions are taken."""

    max_waiting: int = Field(
        default=100, ge=1, le=100_000, description="Questions in hand at once; more are refused"
    )
    max_waiting_conversation: int = Field(
        default=5, ge=1, le=1000, description="The same, in one conversation"
    )
    history_turns: int = Field(
        default=50, ge=0, le=1000, description="Turns of a conversation looked at for its memory"
    )
    stop_s: float = Field(
        default=20,
        ge=0,
        le=600,
        description="Seconds that running answers may take at the stop; the next start goes on "
        "with the others",
    )
    resume_s: float = Field(
        default=900,
        ge=0,
        le=86_400,
        description="After a crash an answer is gone on with while its question is younger than "
        "this, in seconds; an older one is marked as interrupted",
    )
    catch_up_s: float = Field(
        default=900,
        ge=0,
        le=86_400,
        description="Questions asked while the bot was away are answered when they are younger "
        "than this, in seconds",
    )
    votes_back_s: float = Field(
        default=86_400,
        ge=0,
        le=604_800,
        description="After a start, reactions on answers younger than this, in seconds, are read "
        "back from the platform",
    )


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


class ContextSettings(Section):
    """What a question is read with: its files, and what was written before it."""

    thread_messages: int = Field(
        default=100,
        ge=0,
        le=1000,
        description="Messages of a thread, from before the bot was first asked in it, that are "
        "read then, once; 0 reads none",
    )
    files: int = Field(
        default=10, ge=0, le=50, description="Files of one question that are read; 0 reads none"
    )
    file_mb: float = Field(default=5, gt=0, le=100, description="Size of one such file, in MiB")
    file_pages: int = Field(
        default=200, ge=1, le=10_000, description="Pages of one PDF file that are read"
    )
    file_characters: int = Field(
        default=200_000,
        ge=1000,
        le=5_000_000,
        description="Characters of one file that are kept; the prompt holds as many of them as "
        "the model's context has room for",
    )
    images: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="Whether images go to the model, in OpenAI's form; `auto` sends them where the "
        "model's server tells that it takes them",
    )
    read_s: float = Field(
        default=30, gt=0, le=600, description="Seconds that fetching one file may take"
    )
    keep_days: float = Field(
        default=30,
        gt=0,
        le=3650,
        description="Days for which the text of files and threads is kept, for follow-ups",
    )


class SandboxSettings(Section):
    """The loopback Discord and Slack for newcomers and tests."""

    port: int = Field(
        default=8765, ge=0, le=65535, description="Port of the page, on 127.0.0.1; 0 takes any"
    )
    people: int = Field(default=4, ge=1, le=200, description="How many people sit at it")


class VotesSettings(Section):
    """How people vote on answers, besides reactions of their own."""

    buttons: bool = Field(default=True, description="Buttons for a vote under each answer")
    seed_reactions: bool = Field(
        default=False, description="The bot puts both thumbs under each answer, to be clicked"
    )


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


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=False,
    )

    state_dir: Path = Field(
        default=Path("state"), description="Folder for the embedded server's data and the models"
    )
    log: LogSettings = LogSettings()
    redis: RedisSettings = RedisSettings()
    model: ModelSettings = ModelSettings()
    serve: ServeSettings = ServeSettings()
    chat: ChatSettings = ChatSettings()
    discord: DiscordSettings = DiscordSettings()
    slack: SlackSettings = SlackSettings()
    context: ContextSettings = ContextSettings()
    sandbox: SandboxSettings = SandboxSettings()
    votes: VotesSettings = VotesSettings()
    access: AccessSettings = AccessSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file, whose values come as constructor arguments."""
        return env_settings, init_settings


def fields() -> Iterator[tuple[str, str, FieldInfo]]:
    """All settings as (table, key, field), in order; the table is "" at the top level."""
    for name, field in Settings.model_fields.items():
        table = section(name)
        if table is None:
            yield "", name, field
        else:
            yield from ((name, key, inner) for key, inner in table.model_fields.items())


def section(name: str) -> type[Section] | None:
    """The table of that name, or None."""
    field = Settings.model_fields.get(name)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def is_secret(field: FieldInfo) -> bool:
    """Whether a field's value must never be shown."""
    return "SecretStr" in str(field.annotation)
