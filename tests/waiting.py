"""Waiting for something that has no event to wait for, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def until(check: Callable[[], object | Awaitable[object]], *, within_s: float = 5.0) -> None:
    """Wait until `check()` is true; fails the test when it is not in time."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        found = check()
        if isawaitable(found):
            found = await found
        if found:
            return
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)
