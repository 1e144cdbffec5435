"""An adapter with a recording desk at the loopback Discord, and people who use it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis

from adapters.sandbox.discord import CHANNEL_IDS, PEOPLE_IDS
from adapters.sandbox.platform import MessageView
from adapters.surface import Content
from bot.domain import Conversation, MessageRef, Person
from tests.adapters.core_bench import Core, core_bench
from tests.adapters.discord.adapted import Adapted, adapted, ref
from tests.adapters.discord.desk import RecordingDesk
from tests.adapters.sandbox.discord_bench import Served, served
from tests.waiting import until

BOB = Person("discord", str(PEOPLE_IDS["bob"]), "Bob")


@dataclass
class Bench:
    """An adapter with a recording desk, at the loopback Discord."""

    served: Served
    core: Core
    desk: RecordingDesk
    one: Adapted

    @property
    def world(self) -> Any:
        return self.served.world

    def messages(self, user: str = "bob", channel: str = "general") -> list[MessageView]:
        return list(self.world.messages(channel=channel, user=user))

    def private(self, user: str = "bob", channel: str = "general") -> list[str]:
        return [one.text for one in self.messages(user, channel) if one.private]

    async def command(self, text: str, user: str = "bob", channel: str = "general") -> None:
        await self.world.command(channel=channel, user=user, text=text)

    async def press(self, message: str, button: str, user: str = "bob") -> None:
        await self.world.press(channel="general", message=message, user=user, button=button)

    async def takes(self, *texts: str) -> None:
        """Wait until just these questions wait in the inbox."""
        found: list[str] = []

        async def same() -> bool:
            found[:] = await self.core.texts("discord")
            return found == list(texts)

        await until(same, lambda: f"not {texts} but {found}")

    async def answer(self, *controls: Any, text: str = "It is so.") -> MessageRef:
        """A question, and a part of its answer with buttons."""
        asked = await self.world.post(channel="general", user="alice", text="@candor Why?")
        await until(lambda: self.messages())
        place = Conversation("discord", "", str(CHANNEL_IDS["general"]), "channel", asked)
        surface = self.one.adapter._surface(ref("general", asked), place)
        return await surface.post(Content(text, controls), turn="t1", part=0)


@asynccontextmanager
async def bench(
    client: "Redis", *, content: bool = True, middlewares: Any = (), **options: Any
) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(served(middlewares=middlewares, **options))
        core = await stack.enter_async_context(core_bench(client))
        desk = RecordingDesk()
        one = await stack.enter_async_context(adapted(running, core, desk=desk, content=content))
        await until(lambda: running.world.commands() and running.world.shortcuts())
        yield Bench(running, core, desk, one)
