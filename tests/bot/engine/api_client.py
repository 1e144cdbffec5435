"""How the API's tests speak to a server: OpenAI's own client, and plain HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

HI: Any = [{"role": "user", "content": "Hi, who are you?"}]


@asynccontextmanager
async def client_of(address: str, api_key: str = "none") -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key=api_key, max_retries=0) as client:
        yield client


@asynccontextmanager
async def http_of(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base_url=address) as session:
        yield session


async def collect(stream: Any) -> tuple[str, list[ChatCompletionChunk]]:
    """The whole text of a chat's stream, and its chunks."""
    chunks = [chunk async for chunk in stream]
    texts = (choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    return "".join(texts), chunks
