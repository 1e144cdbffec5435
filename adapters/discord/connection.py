"""One connection to Discord, of the only shard or of one of several: one client at a time, replaced
when it breaks.

Owns the client and the way to call Discord through whichever is the current one. The client heals
what it can (`gateway.py`); what escapes it ends in a new client after a pause, or, where Discord
refuses us for good, in one line.
"""

import asyncio
import time
from collections.abc import Callable

import aiohttp
import discord
import structlog

from adapters.backoff import Backoff
from adapters.discord.calls import Calls
from adapters.discord.gateway import GatewayClient, Terms
from adapters.discord.starts import Starts
from bot.errors import PlatformError

log = structlog.get_logger()

LOGIN_S = 60.0
NO_CONTENT = 4014
REFUSED = {
    4004: "Discord refuses discord.token: copy the bot's token from the Developer Portal",
    4010: "Discord refuses the shard",
    4011: "the bot is in too many servers for its connections: set discord.sharded, or restart",
    4012: "Discord no longer serves this version of its Gateway",
    4013: "Discord refuses the bot's intents",
    NO_CONTENT: "Discord refuses the bot's intents",
}
"""Close codes that come again, whatever is done (Gateway close event codes)."""


class Connection:
    """Candor's connection to Discord.

    `make` makes a client of the terms it is given. `on_fresh` is called at each beginning of a
    session: at the start, and after a session was lost with all that happened meanwhile. `on_lost`
    is called when events stop coming, `on_resumed` when they go on with nothing missed. `shard` is
    its number and how many there are; None for the only one.
    """

    def __init__(
        self,
        token: str,
        make: Callable[[Terms], GatewayClient],
        *,
        content: bool,
        on_fresh: Callable[[], None],
        on_lost: Callable[[], None],
        on_resumed: Callable[[], None],
        starts: Starts | None = None,
        shard: tuple[int, int] | None = None,
    ) -> None:
        self._token = token
        self._make = make
        self._content = content
        self._on_fresh, self._on_lost, self._on_resumed = on_fresh, on_lost, on_resumed
        self._starts = starts or Starts()
        self._shard = shard
        self._client: GatewayClient | None = None
        self.calls = Calls(lambda: self._client)

    @property
    def client(self) -> GatewayClient | None:
        """The client of the moment, None before the first."""
        return self._client

    @property
    def reads_content(self) -> bool:
        """Whether messages that do not address us come with their content."""
        return self._content

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError when Discord refuses us."""
        backoff = Backoff(first_s=1.0, most_s=60.0, steady_s=600.0)
        while True:
            began = time.monotonic()
            try:
                await self._live()
            except discord.LoginFailure as error:
                raise PlatformError(REFUSED[4004]) from error
            except discord.ConnectionClosed as closed:
                if closed.code == NO_CONTENT and self._content:
                    self._go_without_content()
                    continue
                if closed.code in REFUSED:
                    raise PlatformError(REFUSED[closed.code]) from closed
                log.warning("Discord closed the connection", code=closed.code)
            except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
                log.warning("Discord cannot be reached", error=repr(error))
            except Exception:
                log.exception("Discord client broke")
            pause_s = backoff.failed(lived_s=time.monotonic() - began)
            log.info("new Discord client", in_s=round(pause_s, 2))
            await asyncio.sleep(pause_s)

    async def _live(self) -> None:
        """The life of one client."""
        client = self._make(
            Terms(
                self._content,
                self._starts,
                self._on_fresh,
                self._on_lost,
                self._on_resumed,
                self._shard,
            )
        )
        self._client = client
        try:
            async with asyncio.timeout(LOGIN_S):
                await client.login(self._token)
            await client.connect()
        finally:
            await client.close()

    def _go_without_content(self) -> None:
        log.warning(
            "no message content intent: follow-ups without a mention are not seen; switch "
            "it on in the Developer Portal, or set discord.message_content to false"
        )
        self._content = False
