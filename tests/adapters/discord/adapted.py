"""The Discord adapter as it runs, against the loopback Discord, over a real store."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from adapters.discord.adapter import DiscordAdapter
from adapters.interaction import Desk
from adapters.sandbox.discord import CHANNEL_IDS, GUILD_ID
from bot.domain import MessageRef
from bot.platform_settings import DiscordSettings
from tests.adapters.core_bench import Core, Loud
from tests.adapters.sandbox.discord_bench import TOKEN, Served
from tests.waiting import until


def ref(channel: str, message: str) -> MessageRef:
    """A message by its channel's name."""
    return MessageRef("discord", str(GUILD_ID), str(CHANNEL_IDS[channel]), message)


@dataclass(frozen=True, slots=True)
class Adapted:
    """A running adapter."""

    adapter: DiscordAdapter
    catch_up: Loud
    running: asyncio.Task[None]


@asynccontextmanager
async def adapted(
    bench: Served, core: Core, *, desk: Desk | None = None, content: bool = True
) -> AsyncIterator[Adapted]:
    """The adapter, ready for events; without `content` it does not ask for that intent."""
    settings = DiscordSettings.model_validate(
        {
            "token": TOKEN,
            "api_url": bench.api,
            "gateway_url": bench.gateway,
            "message_content": content,
        }
    )
    catch_up = Loud("discord", core)
    adapter = DiscordAdapter(settings, core.border, catch_up, core.places, core.tickets, desk)
    running = asyncio.create_task(adapter.run())
    try:
        await asyncio.wait_for(adapter.ready(), 10)
        await until(bench.world.connected)
        yield Adapted(adapter, catch_up, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def dispatch(bench: Served, event: str, data: dict[str, Any]) -> None:
    """Send an event that the world has no way to cause."""
    for line in bench.world.gateway._connections:
        line.send(json.dumps({"op": 0, "t": event, "s": 1, "d": data}))
