"""The Discord adapter: one client at a time, replaced when it breaks.

Owns the connection and its supervision. Handlers only translate and hand over.
"""

import asyncio
import time

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.border import Border
from adapters.discord.surface import DiscordSurface
from adapters.discord.translate import incoming, reaction
from adapters.tasks import Tasks
from bot.errors import PlatformError
from bot.settings import DiscordSettings

log = structlog.get_logger()

EDIT_INTERVAL_S = 1.2
"""Between two edits in a channel; about 5 in 5 s are let through (not documented)."""
BACKOFF_MIN_S = 5.0
BACKOFF_MAX_S = 600.0
"""A new client identifies anew, and 1,000 a day end the token: ten minutes make 144."""
STEADY_S = 600.0
"""A client that ran this long was no failed start."""


class DiscordAdapter:
    """Candor on Discord."""

    def __init__(self, settings: DiscordSettings, border: Border) -> None:
        if settings.token is None:
            raise ValueError("a Discord adapter needs discord.token")
        self._token = settings.token.get_secret_value()
        self._border = border
        self._content = settings.message_content
        self._client: _Client | None = None
        self._connected = asyncio.Event()
        self.tasks = Tasks()
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here
        # discord.py has its addresses as class attributes: one process, one Discord.
        Route.BASE = settings.api_url
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._connected.wait()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError when Discord refuses the token."""
        pause = BACKOFF_MIN_S
        while True:
            began = time.monotonic()
            self._client = _Client(self._border, self.tasks, self._connected, content=self._content)
            try:
                async with self._client:
                    await self._client.start(self._token)
            except discord.LoginFailure as error:
                raise PlatformError(
                    "Discord refuses discord.token: copy the bot's token from the Developer Portal"
                ) from error
            except discord.PrivilegedIntentsRequired:
                if not self._content:
                    raise PlatformError("Discord refuses the bot's intents") from None
                log.warning(
                    "no message content intent: follow-ups without a mention are not seen; switch "
                    "it on in the Developer Portal, or set discord.message_content to false"
                )
                self._content = False
                continue
            except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
                log.warning("Discord connection lost", error=repr(error))
            except Exception:
                log.exception("Discord client broke")
            if time.monotonic() - began > STEADY_S:
                pause = BACKOFF_MIN_S
            log.info("new Discord client", in_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, BACKOFF_MAX_S)

    async def stop(self, timeout_s: float) -> None:
        """Take no more events, and give running answers `timeout_s` seconds."""
        if self._client is not None:
            self._client.accepting = False
        await self.tasks.finish(timeout_s)


class _Client(discord.Client):
    """discord.py's client with our handlers: they translate, and hand over to the border."""

    def __init__(
        self, border: Border, tasks: Tasks, connected: asyncio.Event, *, content: bool
    ) -> None:
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            guild_reactions=True,
            dm_messages=True,
            dm_reactions=True,
            message_content=content,
        )
        super().__init__(
            intents=intents,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,  # only raw events are used
            guild_ready_timeout=0.5,
        )
        self._border = border
        self._tasks = tasks
        self._ready_event = connected
        self.accepting = True

    async def on_ready(self) -> None:
        log.info("connected to Discord", user=str(self.user), guilds=len(self.guilds))
        self._ready_event.set()

    async def on_message(self, message: discord.Message) -> None:
        if self.user is None or not self.accepting:
            return
        question = incoming(message, self.user)
        if question is not None:
            self._tasks.start(self._border.answer(question, DiscordSurface(message)))

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
