"""One gateway connection: its outgoing queue, its packing, and what it did so far.

Frames leave in the order of `send`; a client too slow for the queue loses the connection, not the
session. Only the writer task touches the socket's sending side.
"""

import asyncio
from typing import Final

from aiohttp import web

from adapters.sandbox.discord.sessions import Session
from adapters.sandbox.discord.stream import Packer
from adapters.sandbox.silence import Silence

QUEUED_FRAMES: Final = 4096
CLOSE_S: Final = 1.0
"""How long a client may take to answer a close."""


class Connection:
    """A connected client, identified once `session` is set."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse, packer: Packer) -> None:
        self.socket: Final = socket
        self.session: Session | None = None
        self.close_code: int | None = None
        self.silence: Final = Silence(request)
        self._transport = request.transport
        self._packer = packer
        self._queue: asyncio.Queue[str | int] = asyncio.Queue(QUEUED_FRAMES)
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write; `stop` ends it."""
        self._writer = asyncio.create_task(self._write(), name="discord gateway writer")

    async def stop(self) -> None:
        """End the writer."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])

    async def written(self) -> None:
        """Wait until the writer is done, which it is once it closed the socket."""
        if self._writer is not None:
            await asyncio.wait([self._writer], timeout=2 * CLOSE_S)

    def send(self, text: str) -> None:
        """Queue a frame; nothing after a close or in silence."""
        if self.close_code is None and not self.silence.has_begun:
            self._put(text)

    def close(self, code: int) -> None:
        """Close with that code after what is queued; a silent connection just breaks."""
        if self.close_code is None:
            self.close_code = code
            if self.silence.has_begun:
                self.drop()
            else:
                self._put(code)

    def drop(self) -> None:
        """Cut the connection without a close frame, as a broken network does."""
        if self._transport is not None:
            self._transport.abort()

    def _put(self, item: str | int) -> None:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self.drop()

    async def _write(self) -> None:
        while True:
            item = await self._queue.get()
            try:
                if isinstance(item, int):
                    await self.socket.close(code=item)
                    return
                packed = self._packer.pack(item)
                if isinstance(packed, str):
                    await self.socket.send_str(packed)
                else:
                    await self.socket.send_bytes(packed)
            except ConnectionError:
                return  # the reading side sees the same end and cleans up
