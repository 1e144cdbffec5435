"""A stream of events that somebody else may end."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, TypeVar

_Item = TypeVar("_Item")

_MOST_WAITING: Final = 32


async def until(
    stop: asyncio.Event, items: AsyncGenerator[_Item, None]
) -> AsyncGenerator[_Item, None]:
    """The items until there are no more, or `stop` is set; `items` is closed then.

    One task reads them ahead, a few: a task for each item costs more than all else that is done
    with it.
    """
    come: asyncio.Queue[_Item | None] = asyncio.Queue(_MOST_WAITING)

    async def read() -> None:
        async with aclosing(items):
            async for item in items:
                await come.put(item)

    reading = asyncio.create_task(read())
    stopping = asyncio.create_task(stop.wait())
    for task in (reading, stopping):
        task.add_done_callback(lambda _: come.put_nowait(None) if not come.full() else None)
    try:
        while not stop.is_set():
            if reading.done() and come.empty():
                await reading  # raises what ended it
                return
            item = await come.get()
            if item is not None and not stop.is_set():
                yield item
    finally:
        reading.cancel()
        stopping.cancel()
        await asyncio.gather(reading, stopping, return_exceptions=True)
        await items.aclose()  # where it was never begun
