"""discord.py's errors turned into ours, in one place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import discord

from bot.errors import MessageGone, PlatformUnavailable

CALL_S = 60.0
"""Seconds that a call may take with discord.py's own retries, which hold the bucket meanwhile."""

GONE = frozenset({10003, 10008, 50001, 50005, 50007, 50013, 50083, 160002, 160005})
"""Codes after which repeating is no use: unknown channel or message, no access, archived, …"""


@asynccontextmanager
async def converted() -> AsyncIterator[None]:
    """Bound a call in time; raises PlatformUnavailable and MessageGone for what went wrong."""
    try:
        async with asyncio.timeout(CALL_S):
            yield
    except TimeoutError as error:
        raise PlatformUnavailable("Discord takes too long") from error
    except discord.RateLimited as error:
        raise PlatformUnavailable("Discord asks to wait", error.retry_after) from error
    except (discord.NotFound, discord.Forbidden) as error:
        raise MessageGone(f"Discord: {error.text} ({error.code})") from error
    except discord.HTTPException as error:
        if error.code in GONE:
            raise MessageGone(f"Discord: {error.text} ({error.code})") from error
        if error.status == 429 or error.status >= 500:
            raise PlatformUnavailable(f"Discord answers {error.status}") from error
        raise
    except (aiohttp.ClientError, OSError) as error:
        # discord.py repeats ECONNRESET on macOS and Windows only.
        raise PlatformUnavailable(f"Discord cannot be reached: {error}") from error
