"""A store that goes away and comes back with what it had."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from bot.store.embedded import embedded_server


@asynccontextmanager
async def outage(client: "Redis", tmp_path: Path) -> AsyncIterator[None]:
    """The server of the `client` fixture is away within, and runs again after."""
    directory = tmp_path / "state" / "valkey"
    with (directory / "start.lock").open("ab") as starting:
        # Who wants to start it has to wait for this.
        await asyncio.to_thread(fcntl.flock, starting, fcntl.LOCK_EX)
        await client.shutdown(nosave=True)
        yield
    async with embedded_server(directory):
        pass  # the fixture has its share in the server, too: it stays
