"""A stream of events that somebody else may end."""

import asyncio
from collections.abc import AsyncGenerator
from typing import TypeVar

_Item = TypeVar("_Item")


async def until(
    stop: asyncio.Event, items: AsyncGenerator[_Item, None]
) -> AsyncGenerator[_Item, None]:
    """The items until there are no more, or `stop` is set; `items` is closed then."""
    stopping = asyncio.create_task(stop.wait())
    step: asyncio.Task[_Item] | None = None
    try:
        while not stop.is_set():
            step = asyncio.create_task(anext(items))
            await asyncio.wait((step, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not step.done():
                return
            try:
                item = step.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        ending = [task for task in (step, stopping) if task is not None and not task.done()]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await items.aclose()
