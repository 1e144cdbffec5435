"""All connections to Discord: one, or one for each shard, which act as one.

Owns how many there are, and when events come: only while every shard is connected. A server's
events come by one shard, direct messages by the first; calls about a channel go through the client
that knows it, so what is cached of a server is at hand, and each channel meets one set of limits.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import aiohttp
import discord
import structlog

from adapters.backoff import Backoff
from adapters.discord.calls import Calls
from adapters.discord.connection import LOGIN_S, REFUSED, Connection
from adapters.discord.gateway import GatewayClient, Terms
from adapters.discord.starts import Starts
from bot.errors import PlatformError

log = structlog.get_logger()

RETRY_S: Final = 1.0
RETRY_MAX_S: Final = 60.0


class Shards:
    """Candor's connections to Discord; `make`, `content` and the callbacks are as `Connection`'s.

    With `sharded` there are as many as Discord recommends at the start. Where a server's part was
    away, all that was missed is caught up on.
    """

    def __init__(
        self,
        token: str,
        make: Callable[[Terms], GatewayClient],
        *,
        content: bool,
        sharded: bool,
        on_fresh: Callable[[], None],
        on_lost: Callable[[], None],
        on_resumed: Callable[[], None],
        starts: Starts | None = None,
    ) -> None:
        self._token = token
        self._make = make
        self._content = content
        self._sharded = sharded
        self._on_fresh, self._on_lost, self._on_resumed = on_fresh, on_lost, on_resumed
        self._starts = starts or Starts()
        self._connections: Sequence[Connection] = ()
        self._up: set[int] = set()
        self._was_whole = False
        self.calls = Calls(
            partial(self._client_for, 0), knowing=self._client_for, everyone=self._clients
        )

    @property
    def reads_content(self) -> bool:
        """Whether messages that do not address us come with their content."""
        return self._content and all(one.reads_content for one in self._connections)

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError when Discord refuses us."""
        count = await self._recommended() if self._sharded else None
        shards = [None] if count is None else [(number, count) for number in range(count)]
        self._connections = [
            Connection(
                self._token,
                self._make,
                content=self._content,
                on_fresh=partial(self._fresh, number),
                on_lost=partial(self._lost, number),
                on_resumed=partial(self._resumed, number),
                starts=self._starts,
                shard=shard,
            )
            for number, shard in enumerate(shards)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                for connection in self._connections:
                    group.create_task(connection.run())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors  # what one is refused for, all are

    async def _recommended(self) -> int:
        """How many shards Discord wants, for as long as it does not answer."""
        backoff = Backoff(RETRY_S, RETRY_MAX_S)
        while True:
            client = discord.Client(intents=discord.Intents(guilds=True))
            try:
                async with asyncio.timeout(LOGIN_S):
                    await client.login(self._token)
                    count, _, _ = await client.http.get_bot_gateway()
            except discord.LoginFailure as error:
                raise PlatformError(REFUSED[4004]) from error
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                pause_s = backoff.failed()
                log.warning("Discord cannot be reached", error=repr(error), in_s=round(pause_s, 2))
            else:
                log.info("shards of Discord", count=count)
                return max(1, count)
            finally:
                await client.close()
            await asyncio.sleep(pause_s)

    def _client_for(self, channel_id: int) -> discord.Client | None:
        """The client that knows a channel, else the first shard's, which has direct messages."""
        clients = self._clients()
        if not clients:
            return None
        for client in clients[1:]:
            if client is not None and client.get_channel(channel_id) is not None:
                return client
        return clients[0]

    def _clients(self) -> Sequence[discord.Client | None]:
        return [one.client for one in self._connections]

    def _fresh(self, number: int) -> None:
        self._up.add(number)
        if self._is_whole:
            self._was_whole = True
            self._on_fresh()
        elif self._was_whole:  # what it missed need not wait for the others
            self._on_fresh()
            self._on_lost()

    def _lost(self, number: int) -> None:
        self._up.discard(number)
        self._on_lost()

    def _resumed(self, number: int) -> None:
        self._up.add(number)
        if self._is_whole:
            self._on_resumed()

    @property
    def _is_whole(self) -> bool:
        return len(self._up) == len(self._connections)
