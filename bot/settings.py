"""The settings: one frozen object of tables, each key described and bounded.

What can be set, and nothing of where it comes from: `bot.config` reads files and environment.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bot.model_settings import ModelSettings, ServeSettings
from bot.platform_settings import AccessSettings, DiscordSettings, SandboxSettings, SlackSettings
from bot.setting_types import RedisUrl, Section

ENV_PREFIX = "CANDOR_"


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


class VotesSettings(Section):
    """How people vote on answers, besides reactions of their own."""

    buttons: bool = Field(default=True, description="Buttons for a vote under each answer")
    seed_reactions: bool = Field(
        default=False, description="The bot puts both thumbs under each answer, to be clicked"
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
