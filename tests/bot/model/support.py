"""What the tests of the model's client share: questions, and servers to put them to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from bot.domain import Sampling
from bot.errors import CandorError
from bot.model import Delta, Message, Model
from tests.scripted_model import Piece, ScriptedModel, scripted_model

SAMPLING = Sampling(
    temperature=0.6, top_p=0.9, repetition_penalty=1.1, max_tokens=64, frequency_penalty=0.3
)
QUESTION: list[Message] = [{"role": "user", "content": "Why?"}]
KEY = "hunter2-hunter2"


def saying(*pieces: Piece) -> ScriptedModel:
    return ScriptedModel(answer=lambda _: pieces)


@asynccontextmanager
async def client_of(
    server: ScriptedModel,
    *,
    timeout_s: float = 5,
    answer_s: float = 60,
    api_key: str | None = None,
) -> AsyncIterator[Model]:
    async with (
        scripted_model(server),
        Model(server.url, timeout_s=timeout_s, answer_s=answer_s, api_key=api_key) as model,
    ):
        yield model


async def answer_of(
    model: Model, messages: Sequence[Message] = QUESTION, *, begun: str = ""
) -> list[Delta]:
    asked = model.stream(messages, SAMPLING, user="slack/U1", begun=begun)
    async with aclosing(asked) as deltas:
        return [delta async for delta in deltas]


async def refusal(server: ScriptedModel, kind: type[CandorError]) -> str:
    """The one line that the answer ends with."""
    async with client_of(server, api_key=KEY) as model:
        with pytest.raises(kind) as caught:
            await answer_of(model)
    line = str(caught.value)
    assert type(caught.value) is kind
    assert "\n" not in line
    assert KEY not in line
    return line


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@asynccontextmanager
async def serving(raw: bytes) -> AsyncIterator[str]:
    """A server that answers everything with these bytes; yields its URL."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
