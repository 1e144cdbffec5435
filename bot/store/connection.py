"""The connection to Redis: opened, checked, and its errors turned into ours.

Owns the client; `embedded` owns the server when there is no URL. Promises that whoever gets the
client talks to a Redis or Valkey that is new enough.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from bot.errors import StoreError, StoreUnavailable
from bot.settings import RedisSettings
from bot.store.embedded import embedded_server

Client: TypeAlias = "Redis"

CONNECTIONS = 64

OLDEST = (7, 0)
"""The oldest server that has all commands used here (Redis 7.0 and Valkey 7.2 onwards)."""


@asynccontextmanager
async def connect(settings: RedisSettings, state_dir: Path) -> AsyncIterator[Client]:
    """Yield a checked client, of `redis.url` or of an embedded server under `state_dir`.

    Raises StoreError with one line when there is no server, or not one that will do.
    """
    async with AsyncExitStack() as stack:
        if settings.url is not None:
            url = settings.url.get_secret_value()
            shown = without_password(url)
        else:
            url = await stack.enter_async_context(embedded_server(state_dir / "valkey"))
            shown = "the embedded server"
        # One command more than there are connections waits for one.
        pool = BlockingConnectionPool.from_url(
            url,
            decode_responses=True,
            socket_timeout=settings.timeout_s,
            socket_connect_timeout=settings.timeout_s,
            max_connections=CONNECTIONS,
            timeout=settings.timeout_s,
            # Retried at most once: a command that hangs must not hang its turn.
            retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 1),
        )
        client: Client = Redis.from_pool(pool)
        stack.push_async_callback(client.aclose)
        await _check(client, shown)
        yield client


async def _check(client: Client, shown: str) -> None:
    try:
        info = await client.info("server")
    except (RedisConnectionError, RedisTimeoutError) as error:
        # A refused login is met on connecting, and comes as the cause of a connection error.
        if isinstance(error.__cause__ or error, AuthenticationError | AuthorizationError):
            raise StoreError(
                f"Redis at {shown} refuses the user or password: {_cause(error)}"
            ) from error
        raise StoreError(
            f"Redis at {shown} cannot be reached: {_cause(error)}; is redis.url right, and the "
            "server running?"
        ) from error
    except RedisError as error:
        if "HELLO" in str(error):  # the client's first word, which came with Redis 6
            raise StoreError(f"Redis at {shown} is too old: 7.0 or newer is needed") from error
        raise StoreError(f"Redis at {shown} refuses us: {_cause(error)}") from error
    name = "Valkey" if "valkey_version" in info else "Redis"
    version = str(info.get("valkey_version") or info.get("redis_version") or "0")
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < OLDEST:
        raise StoreError(f"{name} {version} at {shown} is too old: 7.0 or newer is needed")


def _cause(error: RedisError) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def without_password(url: str) -> str:
    """The URL as it may be shown: user and password taken out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def converted() -> Iterator[None]:
    """Turn the client's errors into ours: StoreUnavailable, which a repeat may cure.

    A task that is cancelled meanwhile is cancelled: redis-py uses `asyncio.wait_for`, which before
    Python 3.12 drops a cancellation that comes as the wait ends.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        _cancel_if_asked(task, before)
        raise StoreUnavailable(f"Redis does not answer: {_cause(error)}") from error
    except ResponseError as error:  # a full disk or memory, a replica
        _cancel_if_asked(task, before)
        raise StoreUnavailable(f"Redis refuses a command: {_cause(error)}") from error
    _cancel_if_asked(task, before)


def _cancel_if_asked(task: "asyncio.Task[object] | None", before: int) -> None:
    if task is not None and task.cancelling() > before:
        raise asyncio.CancelledError
