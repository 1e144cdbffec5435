"""A client on a real socket that asks and never reads: nobody waits for it, nor does the end."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.bot.engine.api_client import HI
from tests.bot.engine.support import Serving

NUM_OUTPUT = 900
"""With twenty log-probabilities each, over a megabyte: a Unix socket holds some 200 KB."""


@asynccontextmanager
async def silent(path: Path) -> AsyncIterator[socket.socket]:
    """A client that asks for a long stream and reads nothing of it."""
    asked = {"messages": HI, "max_tokens": NUM_OUTPUT, "stream": True, "ignore_eos": True}
    body = orjson.dumps(asked | {"logprobs": True, "top_logprobs": 20})
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        await loop.sock_connect(client, str(path))
        await loop.sock_sendall(client, head.encode() + body)
        yield client


async def rest_of(client: socket.socket) -> bytes:
    """What had come for the client when its connection was closed."""
    read = b""
    while piece := await asyncio.get_running_loop().sock_recv(client, 1 << 20):
        read += piece
    return read


async def until_health(http: aiohttp.ClientSession, **wanted: int) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            async with http.get("/health") as response:
                now: dict[str, Any] = await response.json()
            if all(now[name] == value for name, value in wanted.items()):
                return now
            await asyncio.sleep(0.02)


async def test_a_client_that_never_reads_holds_up_nobody_no_place_and_not_the_end(
    serving: Serving, tmp_path: Path
) -> None:
    path = tmp_path / "model.sock"
    asked = {"messages": HI, "max_tokens": 20, "stream": True}
    # It outlives the server.
    async with AsyncExitStack() as stack:
        async with serving(max_running=2, stream_interval_ms=0, socket=path):
            connector = aiohttp.UnixConnector(str(path))
            async with aiohttp.ClientSession("http://localhost", connector=connector) as http:
                client = await stack.enter_async_context(silent(path))
                await until_health(http, running=1)
                for _ in range(3):
                    async with http.post("/v1/chat/completions", json=asked) as response:
                        assert (await response.read()).endswith(b"data: [DONE]\n\n")
                # Its answer runs to its end although nobody takes it, and frees what it held.
                now = await until_health(http, running=0, waiting=0, blocks_used=0)
                assert now["output_tokens"] >= NUM_OUTPUT
            began = time.monotonic()
        assert time.monotonic() - began < 10
        came = await rest_of(client)
    assert came.startswith(b"HTTP/1.1 200")
    assert b"[DONE]" not in came  # so its handler did wait, all the time
