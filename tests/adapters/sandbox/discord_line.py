"""A bare gateway connection for the tests of the loopback Discord, frame by frame."""

import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.adapters.sandbox.discord_bench import TOKEN, Served

ALL_BUT_PRIVILEGED = 1 << 0 | 1 << 9 | 1 << 10 | 1 << 12


class Line:
    """A bare gateway connection, frame by frame."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self._unpack = zlib.decompressobj()

    async def send(self, op: int, data: Any) -> None:
        await self.socket.send_str(json.dumps({"op": op, "d": data}))

    async def frame(self) -> Any:
        message = await self.socket.receive(timeout=3)
        if message.type is aiohttp.WSMsgType.BINARY:
            assert message.data.endswith(b"\x00\x00\xff\xff")
            return json.loads(self._unpack.decompress(message.data))
        assert message.type is aiohttp.WSMsgType.TEXT, message
        return json.loads(message.data)

    async def event(self, name: str) -> Any:
        while (frame := await self.frame())["t"] != name:
            assert frame["op"] == 0
        return frame

    async def identify(self, **changed: Any) -> Any:
        """Identify and give the READY frame."""
        await self.send(2, identify(**changed))
        return await self.event("READY")

    async def closed_with(self) -> int | None:
        while not self.socket.closed:
            await self.socket.receive(timeout=3)
        return self.socket.close_code


def identify(**changed: Any) -> dict[str, Any]:
    return {"token": TOKEN, "properties": {}, "intents": ALL_BUT_PRIVILEGED, **changed}


@asynccontextmanager
async def line(bench: Served, query: str = "v=10&encoding=json") -> AsyncIterator[Line]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{bench.gateway}?{query}") as socket,
    ):
        opened = Line(socket)
        assert (await opened.frame())["op"] == 10
        yield opened
