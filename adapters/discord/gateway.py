"""The Gateway's side of a client: one session, kept up for as long as Discord lets it live.

Takes the place of discord.py's own loop (`Client.connect`), which breaks when the first connection
fails (Rapptz/discord.py issue 10520), hurries without a pause through a Gateway that closes at
once, and after long outages waits up to 17 minutes. A broken connection is resumed; a session that
is lost is begun anew in the time that `Starts` gives. An event that discord.py cannot parse is
logged and skipped, and costs neither the session nor any other event.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import discord
import structlog
import yarl
from discord.gateway import DiscordWebSocket, ReconnectWebSocket

from adapters.backoff import Backoff
from adapters.discord.gate import LONGEST_S, Gate
from adapters.discord.starts import Starts

log = structlog.get_logger()

OPEN_S = 20.0
"""Seconds from the first packet to HELLO and our answer."""
CLOSE_S = 2.0
"""Seconds for a goodbye; discord.py lets a Gateway that does not answer it take 30."""
SILENT_BEATS = 1.25
"""Heartbeats without a frame, not even an acknowledgement, after which a connection is dead.

About 52 s of Discord's 41.25 s; less than one heartbeat would be an ordinary quiet hour.
"""
RESUME_TRIES = 5
"""Connections in a row that fail before the session and the address it came with are given up."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a client is made with.

    `content` asks for the message content intent. `on_fresh` is called each time that a new
    session has begun and its guilds are known: what happened before it may have been missed.
    `on_lost` is called when events stop coming, and `on_resumed` when they come again in the same
    session, with those that came meanwhile. `shard` is its number and how many there are.
    """

    content: bool
    starts: Starts
    on_fresh: Callable[[], None]
    on_lost: Callable[[], None]
    on_resumed: Callable[[], None]
    shard: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class _Session:
    """What a session is resumed with."""

    gateway: yarl.URL
    id: str
    sequence: int | None


class GatewayClient(discord.Client):
    """discord.py's client over a loop that outlives what breaks; handlers come by subclassing."""

    def __init__(self, terms: Terms) -> None:
        intents = discord.Intents(
            guilds=True,
            guild_messages=True,
            guild_reactions=True,
            dm_messages=True,
            dm_reactions=True,
            message_content=terms.content,
        )
        shard_id, shard_count = terms.shard or (None, None)
        super().__init__(
            intents=intents,
            shard_id=shard_id,
            shard_count=shard_count,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,  # only raw events are used
            guild_ready_timeout=0.5,
            max_ratelimit_timeout=LONGEST_S,
        )
        self._terms = terms
        self._socket: DiscordWebSocket | None = None
        self._is_following = False
        # READY is left as it is: there is no session without what it says.
        parsers = self._connection.parsers
        parsers.update({one: _guarded(one, parsers[one]) for one in parsers if one != "READY"})

    async def on_ready(self) -> None:
        """A session has begun. A subclass with its own must call this one."""
        if self.is_closed():
            return
        log.info("connected to Discord", user=str(self.user), guilds=len(self.guilds))
        self._terms.on_fresh()
        if not self._is_following:  # discord.py waits for the guilds, and the connection may not
            self._terms.on_lost()

    async def on_resumed(self) -> None:
        """A session goes on. A subclass with its own must call this one."""
        if self._is_following:
            self._terms.on_resumed()

    async def login(self, token: str) -> None:
        """Log in. Raises what discord.py raises."""
        await super().login(token)
        self.http._global_over = Gate()

    async def connect(self, *, reconnect: bool = True) -> None:
        """Keep a session up until the client is closed.

        Raises ConnectionClosed with a code that no reconnecting cures, and what nobody foresaw.
        Without `reconnect` it returns after one connection.
        """
        backoff = Backoff(first_s=0.5, most_s=30.0, steady_s=10.0)
        session: _Session | None = None
        failed = 0
        while not self.is_closed():
            if session is None:
                await self._terms.starts.turn(self.http, self.shard_id or 0)
            began = time.monotonic()
            socket = await self._open(session)
            if socket is None:
                failed += 1
                session = session if failed < RESUME_TRIES else None
            else:
                failed = 0
                session = await self._follow(socket)
                self.dispatch("disconnect")
            if not reconnect:
                return
            pause_s = backoff.failed(lived_s=time.monotonic() - began)
            log.info("Discord connection lost", resume=session is not None, in_s=round(pause_s, 2))
            await asyncio.sleep(pause_s)

    async def close(self) -> None:
        """Say goodbye, which ends the session, and close everything."""
        if self._socket is not None and self._socket.open:
            await _close(self._socket, code=1000)
        await super().close()

    async def _open(self, session: _Session | None) -> DiscordWebSocket | None:
        """A connection on which IDENTIFY or RESUME is sent; None when there is none now."""
        # `initial` keeps discord.py from a wait of its own: starts are paced before this.
        wanted: dict[str, Any] = {"initial": True, "shard_id": self.shard_id}
        if session is not None:
            wanted |= {
                "gateway": session.gateway,
                "session": session.id,
                "sequence": session.sequence,
                "resume": True,
            }
        try:
            async with asyncio.timeout(OPEN_S):
                self._socket = self.ws = await DiscordWebSocket.from_client(self, **wanted)
        except ReconnectWebSocket:
            log.warning("Discord's Gateway hangs up")
            return None
        except (aiohttp.ClientError, OSError) as error:
            log.warning("Discord's Gateway cannot be reached", error=repr(error))
            return None
        return self._socket

    async def _follow(self, socket: DiscordWebSocket) -> _Session | None:
        """Take events until the connection ends; the session, if it may be resumed."""
        resume = True
        self._is_following = True
        try:
            while True:
                async with asyncio.timeout(_patience_s(socket)):
                    await socket.poll_event()
        except ReconnectWebSocket as lost:
            resume = lost.resume
        except TimeoutError:
            log.warning("Discord's Gateway is silent")
        except (aiohttp.ClientError, OSError) as error:
            log.warning("Discord's Gateway broke off", error=repr(error))
        finally:
            self._is_following = False
            self._terms.on_lost()
        await _close(socket, code=4000)
        if not resume or socket.session_id is None:
            return None
        return _Session(socket.gateway, socket.session_id, socket.sequence)


def _patience_s(socket: DiscordWebSocket) -> float:
    """Seconds that a connection may be silent, by the heartbeat that Discord asked for."""
    beat = socket._keep_alive
    return SILENT_BEATS * (beat.interval if beat and beat.interval else 41.25)


async def _close(socket: DiscordWebSocket, *, code: int) -> None:
    """Close, without waiting for a peer that is dead."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await socket.close(code)


def _guarded(event: str, parse: Callable[[Any], None]) -> Callable[[Any], None]:
    """A parser whose failure is the end of one event and of nothing else."""

    def guarded(data: Any) -> None:
        try:
            parse(data)
        except Exception:
            log.exception("Discord event skipped", type=event)

    return guarded
