"""The Discord adapter: handlers that translate and hand over, on the client of the moment."""

import asyncio
import time

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.border import Border
from adapters.discord.calls import Calls
from adapters.discord.connection import Connection
from adapters.discord.gateway import GatewayClient, Terms
from adapters.discord.surface import DiscordSurface
from adapters.discord.translate import incoming, reaction
from adapters.tasks import Tasks
from bot.settings import DiscordSettings

EDIT_INTERVAL_S = 1.2
"""Between two edits in a channel; about 5 in 5 s are let through (not documented)."""


class DiscordAdapter:
    """Candor on Discord."""

    def __init__(self, settings: DiscordSettings, border: Border) -> None:
        if settings.token is None:
            raise ValueError("a Discord adapter needs discord.token")
        self._border = border
        self._client: _Client | None = None
        self._connected = asyncio.Event()
        self._connection = Connection(
            settings.token.get_secret_value(),
            self._new_client,
            content=settings.message_content,
            on_fresh=self._connected.set,
        )
        self.tasks = Tasks()
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here
        # discord.py has its addresses as class attributes: one process, one Discord.
        Route.BASE = settings.api_url
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._connected.wait()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError when Discord refuses us."""
        await self._connection.run()

    def _new_client(self, terms: Terms) -> "_Client":
        self._client = _Client(terms, self._border, self.tasks, self._connection.calls)
        return self._client

    async def stop(self, timeout_s: float) -> None:
        """Take no more events, and give running answers `timeout_s` seconds."""
        if self._client is not None:
            self._client.accepting = False
        await self.tasks.finish(timeout_s)


class _Client(GatewayClient):
    """discord.py's client with our handlers: they translate, and hand over to the border."""

    def __init__(self, terms: Terms, border: Border, tasks: Tasks, calls: Calls) -> None:
        super().__init__(terms)
        self._border = border
        self._tasks = tasks
        self._calls = calls
        self.accepting = True

    async def on_message(self, message: discord.Message) -> None:
        if self.user is None or not self.accepting:
            return
        question = incoming(message, self.user)
        if question is not None:
            surface = DiscordSurface(
                self._calls,
                message.channel.id,
                message.guild.id if message.guild else None,
                message.id,
                isinstance(message.channel, discord.abc.GuildChannel),
            )
            self._tasks.start(self._border.answer(question, surface))

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        if payload.member is None or not payload.member.bot:
            self._vote(payload)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        self._vote(payload)

    def _vote(self, payload: discord.RawReactionActionEvent) -> None:
        if self.user is None or payload.user_id == self.user.id:
            return
        person = payload.member or self.get_user(payload.user_id)
        if person is not None and person.bot:
            return
        name = person.display_name if person else ""
        self._tasks.start(self._border.vote(reaction(payload, name=name, at=time.time())))
