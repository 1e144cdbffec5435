"""A stream of server-sent events, read into the deltas of an answer."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, get_args

import aiohttp
from pydantic import BaseModel, ValidationError

from bot.domain import FinishReason
from bot.errors import ModelUnavailable
from bot.model.chat import Delta
from bot.model.connection import message_of

MAX_LINE_BYTES: Final = 4 * 1024 * 1024
"""Of a stream; a server that sends more without an end of line is none."""

_FINISH: Final[dict[str, FinishReason]] = {reason: reason for reason in get_args(FinishReason)}


class _Piece(BaseModel):
    content: str | None = None


class _Choice(BaseModel):
    delta: _Piece | None = None
    finish_reason: str | None = None
    stop_reason: object = None


class _Chunk(BaseModel):
    choices: list[_Choice] | None = None
    error: object = None


JOIN_S: Final = 0.08
"""From one delta to the next at least, once an answer has some. What came meanwhile is one: nobody
is shown more often, and each goes all the way through the bot."""
YOUNG: Final = 16
"""Deltas of an answer that come as they are: the first text is waited for."""


async def deltas_of(stream: aiohttp.StreamReader) -> AsyncGenerator[Delta, None]:
    """The deltas, until `[DONE]` or the stream's end; none has `finish` if it ended without a word.

    The first come at once, later ones joined. Raises ModelUnavailable for an error in the stream,
    or for what is no stream of this kind.
    """
    finish: FinishReason | None = None
    loop = asyncio.get_running_loop()
    num_deltas = 0
    async with aclosing(_lines(stream)) as reads:
        async for lines in reads:
            read_at = loop.time()
            text: list[str] = []
            try:
                is_done, finish = _read(lines, text, finish)
            finally:  # what came before an error counts
                for piece in text if num_deltas < YOUNG else filter(None, ["".join(text)]):
                    yield Delta(piece)
                num_deltas += len(text)
            if is_done:
                yield Delta(finish=finish or "stop")
                return
            if num_deltas >= YOUNG:
                await asyncio.sleep(read_at + JOIN_S - loop.time())
    if finish is not None:
        yield Delta(finish=finish)


def _read(
    lines: list[bytes], text: list[str], finish: FinishReason | None
) -> tuple[bool, FinishReason | None]:
    """Add to `text` what lines bring; whether they end the answer, and how it ended so far."""
    for line in lines:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return True, finish
        for choice in _choices(data):
            if choice.delta is not None and choice.delta.content:
                text.append(choice.delta.content)
            finish = _finish(choice) or finish
    return False, finish


async def _lines(stream: aiohttp.StreamReader) -> AsyncGenerator[list[bytes], None]:
    """The lines of a stream, all that one read completes at once."""
    rest = b""
    async for block in stream.iter_any():
        *lines, rest = (rest + block).split(b"\n")
        if lines:
            yield lines
        if len(rest) > MAX_LINE_BYTES:
            raise ModelUnavailable("the model's server sent a line without an end")
    yield [rest]


def _choices(data: bytes) -> list[_Choice]:
    """What one event adds. Raises ModelUnavailable if it is an error, or no such event."""
    try:
        chunk = _Chunk.model_validate_json(data)
    except ValidationError as error:
        raise ModelUnavailable("the model's server sent what is no piece of an answer") from error
    if chunk.error is not None:
        raise ModelUnavailable(f"the model's server failed: {message_of(chunk.error)}")
    return chunk.choices or []


def _finish(choice: _Choice) -> FinishReason | None:
    if choice.finish_reason is None:
        return None
    if choice.stop_reason == "deadline":  # which OpenAI's finish reasons lack
        return "deadline"
    return _FINISH.get(choice.finish_reason, "error")
