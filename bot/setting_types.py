"""What settings are made of: tables that are frozen, and values that are checked."""

import base64
import binascii
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, model_validator

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
