"""Patience with the store: what has to be kept is tried until it is."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog

from bot.errors import StoreUnavailable

log = structlog.get_logger()

PAUSE_S: Final = 0.25
PAUSE_MAX_S: Final = 2.0

_Result = TypeVar("_Result")


async def insist(call: Callable[[], Awaitable[_Result]], what: str, **about: object) -> _Result:
    """Make a call to the store until it goes through; it must be one that may be repeated."""
    pause = PAUSE_S
    while True:
        try:
            return await call()
        except StoreUnavailable as error:
            log.warning(f"{what} has to wait", error=str(error), **about)
        await asyncio.sleep(pause)
        pause = min(pause * 2, PAUSE_MAX_S)
