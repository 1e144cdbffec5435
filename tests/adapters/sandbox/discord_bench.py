"""What the tests of the loopback Discord share: a served world, the real client, waiting.

discord.py takes its target from class attributes, so a served world sets them and puts them back.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import discord
import yarl
from aiohttp import web
from aiohttp.typedefs import Middleware
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.sandbox.discord import CHANNEL_IDS, DiscordWorld
from tests.waiting import until

TOKEN = "a-token-of-the-sandbox"


class Bot(discord.Client):
    """The real client, which keeps what it is told."""

    def __init__(self, intents: discord.Intents | None = None, **options: Any) -> None:
        wanted = intents or discord.Intents(guilds=True, messages=True, reactions=True)
        super().__init__(intents=wanted, guild_ready_timeout=0.1, **options)
        self.heard: list[discord.Message] = []
        self.edited: list[discord.RawMessageUpdateEvent] = []
        self.deleted: list[discord.RawMessageDeleteEvent] = []
        self.added: list[discord.RawReactionActionEvent] = []
        self.removed: list[discord.RawReactionActionEvent] = []
        self.cleared: list[discord.RawReactionClearEvent] = []
        self.emoji_cleared: list[discord.RawReactionClearEmojiEvent] = []
        self.threads_created: list[discord.Thread] = []
        self.typing_seen: list[discord.RawTypingEvent] = []
        self.readied = 0
        self.resumed = 0
        self.lost = 0

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """The library's own waits five seconds before each IDENTIFY but the first."""

    async def on_message(self, message: discord.Message) -> None:
        self.heard.append(message)

    async def on_raw_message_edit(self, event: discord.RawMessageUpdateEvent) -> None:
        self.edited.append(event)

    async def on_raw_message_delete(self, event: discord.RawMessageDeleteEvent) -> None:
        self.deleted.append(event)

    async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
        self.added.append(event)

    async def on_raw_reaction_remove(self, event: discord.RawReactionActionEvent) -> None:
        self.removed.append(event)

    async def on_raw_reaction_clear(self, event: discord.RawReactionClearEvent) -> None:
        self.cleared.append(event)

    async def on_raw_reaction_clear_emoji(self, event: discord.RawReactionClearEmojiEvent) -> None:
        self.emoji_cleared.append(event)

    async def on_thread_create(self, thread: discord.Thread) -> None:
        self.threads_created.append(thread)

    async def on_raw_typing(self, event: discord.RawTypingEvent) -> None:
        self.typing_seen.append(event)

    async def on_ready(self) -> None:
        self.readied += 1

    async def on_resumed(self) -> None:
        self.resumed += 1

    async def on_disconnect(self) -> None:
        self.lost += 1

    async def channel(self, name: str = "general") -> discord.TextChannel:
        """A channel of the guild, as the client knows it."""
        return cast(discord.TextChannel, self.get_channel(CHANNEL_IDS[name]))

    def message(self, message_id: str) -> discord.Message | None:
        """The message of that id, if the client was told of it."""
        return next((one for one in self.heard if str(one.id) == message_id), None)


class Served:
    """A world that listens on loopback."""

    def __init__(self, world: DiscordWorld, url: str) -> None:
        self.world = world
        self.url = url
        self.api = f"{url}/discord/api/v10"
        self.gateway = f"ws{url.removeprefix('http')}/discord/gateway"

    @asynccontextmanager
    async def bot(self, bot: Bot | None = None) -> AsyncIterator[Bot]:
        """The client, logged in and ready; closed at the end."""
        bot = bot or Bot()
        running = asyncio.create_task(bot.start(TOKEN))
        try:
            await until(lambda: bot.readied or running.done())
            if running.done():
                await running
            yield bot
        finally:
            await bot.close()
            await running

    @asynccontextmanager
    async def http(self, token: str = TOKEN) -> AsyncIterator[aiohttp.ClientSession]:
        """A plain HTTP client that carries the bot's token."""
        headers = {"Authorization": f"Bot {token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            yield session


@asynccontextmanager
async def served(
    *, middlewares: Sequence[Middleware] = (), **options: Any
) -> AsyncIterator[Served]:
    """A world on a free port, with discord.py pointed at it; `middlewares` stand before it."""
    world = DiscordWorld(token=TOKEN, **options)
    app = web.Application(middlewares=middlewares)
    address: list[str] = []
    world.attach(app, lambda: address[0])
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address.append(f"http://127.0.0.1:{runner.addresses[0][1]}")
    bench = Served(world, address[0])
    before = Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY
    Route.BASE = bench.api
    DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(bench.gateway)
    try:
        yield bench
    finally:
        Route.BASE, DiscordWebSocket.DEFAULT_GATEWAY = before
        await world.close()
        await runner.cleanup()
