"""A store that goes away and comes back with what it had."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis

from bot.store.embedded import embedded_server


@asynccontextmanager
async def outage(client: "Redis", tmp_path: Path) -> AsyncIterator[None]:
    """The server of the `client` fixture is away within, and runs again after."""
    await client.shutdown(nosave=True)
    yield
    async with embedded_server(tmp_path / "state" / "valkey"):
        pass  # the fixture has its share in the server, too: it stays
