"""One answer as server-sent events.

Headers go out with the first delta, so that whatever refuses a request still has its own status;
or, where that takes long, with a comment that says the request waits.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from bot.engine.answer import DONE, Answer, Json, broken, event, waiting
from bot.engine.request import Delta

HEARTBEAT_S: Final = 1.0
"""Between two comments while nothing has come."""

IS_STREAMING: Final = web.RequestKey("is_streaming", bool)
"""Set on a request whose status is out."""


async def stream(
    request: web.Request,
    answer: Answer,
    deltas: AsyncGenerator[Delta, None],
    *,
    has_usage: bool,
    logprobs: Callable[[Delta], Json | None],
    position: Callable[[], int | None],
    prefix: str = "",
) -> web.StreamResponse:
    """Send the answer; `prefix` comes before its text. Raises ApiError before anything is sent."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            "X-Accel-Buffering": "no",
        }
    )

    async def prepare() -> None:
        if not response.prepared:
            request[IS_STREAMING] = True
            await response.prepare(request)

    async def beat() -> None:
        await prepare()
        await response.write(waiting(position()))

    has_begun = False
    async for delta in _beating(deltas, beat):
        failure = broken(delta)
        if failure and not response.prepared:
            raise failure
        await prepare()
        pieces = []
        if not has_begun:
            has_begun = True
            pieces.append(answer.first(has_usage=has_usage))
            if prefix:
                pieces.append(answer.grown(prefix, has_usage=has_usage))
        if delta.text or delta.scores:
            grown = answer.grown(delta.text, has_usage=has_usage, logprobs=logprobs(delta))
            pieces.append(grown)
        if failure:
            # The status is out; without [DONE] nobody takes the answer for whole.
            pieces.append(event(failure.body()))
        elif delta.finish is not None:
            pieces.append(answer.last(delta, has_usage=has_usage))
            if has_usage:
                pieces.append(answer.counts(delta))
            pieces.append(DONE)
        if data := b"".join(pieces):
            await response.write(data)
        if delta.finish is not None:
            break
    await response.write_eof()
    return response


async def _beating(
    deltas: AsyncGenerator[Delta, None], beat: Callable[[], Awaitable[None]]
) -> AsyncIterator[Delta]:
    """The deltas; `beat` is called again and again until the first is there."""
    first = asyncio.ensure_future(anext(deltas))
    try:
        while not (await asyncio.wait((first,), timeout=HEARTBEAT_S))[0]:
            await beat()
    finally:
        if not first.done():
            first.cancel()
            await asyncio.wait((first,))
    yield first.result()
    async for delta in deltas:
        yield delta
