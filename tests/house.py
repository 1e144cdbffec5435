"""A whole house for end-to-end tests: sandbox, scripted model, and a bot that can be killed."""

import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.process import Candor, Seat, candor, seat, votes
from tests.scripted_model import ScriptedModel, scripted_model

TOKENS = {
    "CANDOR_DISCORD_TOKEN": "discord-token-of-a-test",
    "CANDOR_SLACK_BOT_TOKEN": "xoxb-token-of-a-test",
    "CANDOR_SLACK_APP_TOKEN": "xapp-token-of-a-test",
    "CANDOR_SLACK_SIGNING_SECRET": "signing-secret-of-a-test",
}
URLS = ("CANDOR_DISCORD_API_URL", "CANDOR_DISCORD_GATEWAY_URL", "CANDOR_SLACK_API_URL")


@dataclass
class House:
    """A bot over a scripted model, the sandbox as a process of its own, and a person at it."""

    bot: Candor
    seat: Seat
    model: ScriptedModel
    settings: dict[str, str]
    said: Path
    _stack: AsyncExitStack
    _lives: int = field(default=1)

    @property
    def state_dir(self) -> Path:
        """Where the bot keeps its store."""
        return Path(self.settings["CANDOR_STATE_DIR"])

    async def votes(self) -> list[tuple[str, str, int]]:
        return [
            (vote["platform"], vote["person"]["name"], vote["value"])
            for vote in await votes(self.settings)
        ]

    async def kill(self) -> None:
        """End the bot as a crash would."""
        self.bot.process.send_signal(signal.SIGKILL)
        await self.bot.ends()

    async def start(self, **more: str) -> None:
        """Start the bot again; back once it says that it is ready."""
        self._lives += 1
        self.said = self.said.with_name(f"bot-{self._lives}.log")
        running = candor("run", said=self.said, settings={**self.settings, **more})
        self.bot = await self._stack.enter_async_context(running)
        await self.bot.says("Candor is ready on Slack and Discord")


@asynccontextmanager
async def house(
    tmp_path: Path, model: ScriptedModel | None = None, more: dict[str, str] | None = None
) -> AsyncIterator[House]:
    """Everything up, and connected."""
    async with AsyncExitStack() as stack:
        scripted = await stack.enter_async_context(scripted_model(model))
        given = {**TOKENS, **(more or {}), "CANDOR_SANDBOX_PORT": "0"}
        sandbox = await stack.enter_async_context(
            candor("sandbox", said=tmp_path / "sandbox.log", settings=given)
        )
        page = (await sandbox.says(r"is ready: (http://\S+)"))[1]
        urls = {name: (await sandbox.says(rf"export {name}=(\S+)"))[1] for name in URLS}
        settings = {
            **TOKENS,
            **urls,
            **(more or {}),
            "CANDOR_STATE_DIR": str(tmp_path / "state"),
            "CANDOR_MODEL_URL": scripted.url,
        }
        bot = await stack.enter_async_context(
            candor("run", said=tmp_path / "bot.log", settings=settings)
        )
        await bot.says("Candor is ready on Slack and Discord")
        person = await stack.enter_async_context(seat(page))
        yield House(bot, person, scripted, settings, tmp_path / "bot.log", stack)
