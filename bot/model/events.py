"""A stream of server-sent events, read into the deltas of an answer."""

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


async def deltas_of(stream: aiohttp.StreamReader) -> AsyncGenerator[Delta, None]:
    """The deltas, until `[DONE]` or the stream's end; none has `finish` if it ended without a word.

    Raises ModelUnavailable for an error in the stream, or for what is no stream of this kind.
    """
    finish: FinishReason | None = None
    async with aclosing(_lines(stream)) as reads:
        async for lines in reads:
            for line in lines:
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    yield Delta(finish=finish or "stop")
                    return
                for choice in _choices(data):
                    if choice.delta is not None and choice.delta.content:
                        yield Delta(choice.delta.content)
                    finish = _finish(choice) or finish
    if finish is not None:
        yield Delta(finish=finish)


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
