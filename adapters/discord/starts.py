"""When a new session may begin: IDENTIFY is limited to 1,000 a day, and then the token is reset.

Discord counts the starts itself and tells how many are left (Get Gateway Bot), so the count holds
over the lives of a process that crashes again and again, with nothing to keep.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import discord
import structlog

log = structlog.get_logger()

SPACING_S = 5.0
"""Between two starts: a bot with `max_concurrency` 1 gets opcode 9 for the second one."""
UNKNOWN_S = 90.0
"""Between two starts when Discord does not tell how many are left: 960 a day."""
RESERVE = 0.2
"""The share of a day's starts that is spread over what is left of the day."""
ASK_S = 10.0


class StartLimit(Protocol):
    """What tells where the day's starts stand: discord.py's HTTP client."""

    async def get_bot_gateway(
        self,
    ) -> tuple[int, str, "discord.types.gateway.SessionStartLimit"]:
        """Shards, address, and the limit of session starts."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many starts are left of `total`, until they are counted anew in `reset_after_s`.

    Of the shards whose numbers leave the same rest by `max_concurrency`, one may start at a time.
    """

    total: int
    remaining: int
    reset_after_s: float
    max_concurrency: int = 1


def pause_before_start(
    standing: Standing | None, since_last_s: float | None, *, spacing_s: float = SPACING_S
) -> float:
    """Seconds to wait before a start.

    `since_last_s` is None for the first start of a process, which waits only when few are left;
    `standing` is None when it is not known.
    """
    past_s = float("inf") if since_last_s is None else since_last_s
    if standing is None:
        return max(0.0, UNKNOWN_S - past_s)
    if standing.remaining <= 0:
        return standing.reset_after_s
    spaced_s = max(0.0, spacing_s - past_s)
    if standing.remaining > standing.total * RESERVE:
        return spaced_s
    return max(spaced_s, standing.reset_after_s / standing.remaining)


class Starts:
    """Hands out the session starts of one process, to one client after the other."""

    def __init__(self, *, spacing_s: float = SPACING_S) -> None:
        self._spacing_s = spacing_s
        self._last: dict[int, float] = {}
        self._turn = asyncio.Lock()

    async def turn(self, http: StartLimit, shard: int = 0) -> None:
        """Wait until a session of a shard may be started, and count it as started.

        Raises discord.LoginFailure when Discord no longer knows the token.
        """
        async with self._turn:
            await self._wait(http, shard)

    async def _wait(self, http: StartLimit, shard: int) -> None:
        standing = await _standing(http)
        lane = shard % standing.max_concurrency if standing else 0
        last = self._last.get(lane)
        since_s = None if last is None else time.monotonic() - last
        pause_s = pause_before_start(standing, since_s, spacing_s=self._spacing_s)
        if pause_s > self._spacing_s:
            log.warning(
                "few Discord session starts are left: waiting",
                remaining=standing.remaining if standing else None,
                in_s=round(pause_s),
            )
        await asyncio.sleep(pause_s)
        self._last[lane] = time.monotonic()


async def _standing(http: StartLimit) -> Standing | None:
    try:
        async with asyncio.timeout(ASK_S):
            _, _, limit = await http.get_bot_gateway()
        return Standing(
            total=int(limit["total"]),
            remaining=int(limit["remaining"]),
            reset_after_s=int(limit["reset_after"]) / 1000,
            max_concurrency=max(1, int(limit.get("max_concurrency", 1))),
        )
    except (discord.DiscordException, aiohttp.ClientError, OSError) as error:
        refusal = error.__cause__  # discord.py hides the answer behind GatewayNotFound
        if isinstance(refusal, discord.HTTPException) and refusal.status == 401:
            raise discord.LoginFailure("the token was refused") from error
        log.warning("Discord's session starts are not known", error=repr(error))
    except (KeyError, TypeError, ValueError) as error:
        log.warning("Discord's session starts are not understood", error=repr(error))
    return None
