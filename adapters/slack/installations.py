"""The workspaces that installed the app: what Slack gave us for each, encrypted in Redis.

Owns the record and its keeping; `teams` makes workspaces that are served of it. The id of a
workspace is unique over all organisations, so it alone is the name of the record.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Self

import orjson
import structlog

from bot.errors import ConfigError
from bot.platform_settings import SlackSettings
from bot.store import keys
from bot.store.connection import Client
from bot.store.passes import Passes
from bot.store.vault import Sealed, Vault

log = structlog.get_logger()

PASS_S: Final = 600
"""Seconds that a person may take on Slack's page."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One workspace's: the bot's user, its id as a bot, and its token. `at` is our clock's."""

    team: str
    name: str
    user: str
    bot: str
    installer: str
    at: float
    token: str = field(repr=False)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The installation that `content` holds. Raises ValueError."""
        try:
            values: Mapping[str, Any] = orjson.loads(content)
            return cls(**values)
        except TypeError as error:
            raise ValueError("not an installation") from error


class Installations:
    """The installations in a vault."""

    def __init__(self, vault: Vault, clock: Callable[[], float] = time.time) -> None:
        self._vault = vault
        self.clock = clock

    async def check(self) -> None:
        """See at the start that every installation opens, and seal it with the newest key.

        Raises ConfigError with one line, and StoreUnavailable.
        """
        for sealed in (await self._vault.entries()).values():
            if self.open(sealed) is None:
                raise ConfigError(
                    f"slack.token_key does not open the installation of {sealed.name}: add the key "
                    "that it was encrypted with, after a comma"
                )
            await self._vault.renew(sealed)

    async def listed(self) -> Mapping[str, Sealed]:
        """All installations by workspace; `open` them."""
        return await self._vault.entries()

    async def find(self, team: str) -> Sealed | None:
        """The installation of a workspace, or None."""
        return await self._vault.get(team)

    def open(self, sealed: Sealed) -> Installation | None:
        """What is sealed; None when no key opens it."""
        content = self._vault.open(sealed)
        try:
            found = None if content is None else Installation.of(content)
        except ValueError:
            return None
        return found if found is not None and found.team == sealed.name else None

    async def save(self, installation: Installation) -> None:
        """Keep an installation, in place of an earlier one of its workspace."""
        await self._vault.put(installation.team, orjson.dumps(asdict(installation)))
        log.info("Slack app installed", team=installation.team, name=installation.name)

    async def drop(self, sealed: Sealed) -> bool:
        """Forget an installation; False when there is a newer one, or none."""
        return await self._vault.drop(sealed)


@dataclass(frozen=True, slots=True)
class Store:
    """What is kept for installing: who did, and the passes of those who are about to."""

    installations: Installations
    passes: Passes


def store_of(settings: SlackSettings, client: Client) -> Store | None:
    """The store that the settings ask for; None where one workspace's token stands in them."""
    if settings.token_key is None or settings.client_id is None:
        return None
    vault_keys = [key.strip() for key in settings.token_key.get_secret_value().split(",")]
    vault = Vault(client, keys.SLACK_INSTALLATIONS, vault_keys)
    return Store(Installations(vault), Passes(client, "slack-install", PASS_S))
