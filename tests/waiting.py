"""Waiting for something that has no event to wait for, with a deadline."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable


async def until(
    check: Callable[[], object | Awaitable[object]],
    otherwise: Callable[[], str] = lambda: "it did not happen in time",
    *,
    within_s: float = 5.0,
    every_s: float = 0.005,
) -> None:
    """Wait until `check()` is true; the test fails with `otherwise()` when it is not in time."""
    deadline = asyncio.get_running_loop().time() + within_s
    while True:
        found = check()
        if isawaitable(found):
            found = await found
        if found:
            return
        assert asyncio.get_running_loop().time() < deadline, otherwise()
        await asyncio.sleep(every_s)
