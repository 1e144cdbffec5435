"""A sandbox as a process of its own, and what a bot needs to reach it."""

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bot.domain import Platform
from bot.soak.processes import running

_START_S: Final = 60.0
_URLS: Final = (
    "CANDOR_DISCORD_API_URL",
    "CANDOR_DISCORD_GATEWAY_URL",
    "CANDOR_SLACK_API_URL",
)


@dataclass(frozen=True, slots=True)
class SandboxProcess:
    """A running sandbox: the page's address, and the connection as variables of the environment."""

    url: str
    connection: Mapping[str, str]

    def settings(self, platforms: Sequence[Platform]) -> dict[str, str]:
        """The settings of a bot on these platforms of it."""
        wanted = tuple(f"CANDOR_{platform.upper()}_" for platform in platforms)
        return {name: value for name, value in self.connection.items() if name.startswith(wanted)}


@asynccontextmanager
async def sandbox_process(folder: Path, people: int) -> AsyncIterator[SandboxProcess]:
    """Run a sandbox with so many people for as long as the context is open; its log and state are
    in the folder. Raises SoakError when it does not start."""
    tokens = {
        "CANDOR_DISCORD_TOKEN": secrets.token_hex(16),
        "CANDOR_SLACK_BOT_TOKEN": f"xoxb-{secrets.token_hex(16)}",
        "CANDOR_SLACK_APP_TOKEN": f"xapp-{secrets.token_hex(16)}",
        "CANDOR_SLACK_SIGNING_SECRET": secrets.token_hex(16),
    }
    settings = {
        **tokens,
        "CANDOR_SANDBOX_PORT": "0",
        "CANDOR_STATE_DIR": str(folder / "sandbox"),
        "CANDOR_SANDBOX_PEOPLE": str(people),
    }
    said = folder / "sandbox.log"
    async with running("sandbox", folder=folder, said=said, settings=settings) as process:
        url = (await process.says(r"is ready: (http://\S+)", _START_S))[1]
        urls = {name: (await process.says(rf"export {name}=(\S+)", _START_S))[1] for name in _URLS}
        yield SandboxProcess(url, tokens | urls)
