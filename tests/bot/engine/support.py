"""What the engine's tests share."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, Literal, Protocol

import torch

from bot.engine.backend import GATHERED, Backend
from bot.engine.engine import Engine
from bot.engine.request import Delta, Request, Sampling
from bot.engine.weights import LoadedModel

CONTEXT = 60_000
"""Of the tiny model: an answer that long takes minutes, so it must have been stopped."""


class MakeEngine(Protocol):
    """Starts an engine of a freshly loaded tiny model; it ends with the test."""

    def __call__(
        self,
        *,
        max_running: int = 4,
        max_waiting: int = 64,
        max_running_person: int | None = None,
        max_waiting_person: int | None = None,
        prefill_chunk: int = 16,
        num_blocks: int | None = None,
        prepare: Callable[[torch.nn.Module], object] | None = None,
        backend: Backend | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> Engine: ...


class Serving(Protocol):
    """Serves the tiny model while the context lasts; gives the address."""

    def __call__(
        self, *, drain_s: float = 0.2, **changes: Any
    ) -> AbstractAsyncContextManager[str]: ...


def with_blocks(loaded: LoadedModel, num_blocks: int) -> LoadedModel:
    """The model with a cache of so many small blocks, as if there were no more memory."""
    if loaded.backend is GATHERED:
        loaded = replace(loaded, backend=replace(GATHERED, block_size=16))
    context = min(loaded.context, num_blocks * loaded.backend.block_size)
    return replace(loaded, num_blocks=num_blocks, context=context)


def with_backend(loaded: LoadedModel, backend: Backend) -> LoadedModel:
    """The model with its attention computed by that backend."""
    model: Any = loaded.model
    model.set_attn_implementation(backend.attention)
    return replace(loaded, backend=backend)


async def until(condition: Callable[[], bool], *, timeout_s: float = 10) -> None:
    """Wait for a condition, looking often."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 -- what is awaited has no event
            await asyncio.sleep(0.005)


async def read(engine: Engine, request: Request) -> tuple[str, Delta]:
    """The whole text of an answer, and its last delta."""
    text = ""
    async for delta in engine.generate(request):
        text += delta.text
    return text, delta


def greedy(max_tokens: int, **changes: Any) -> Sampling:
    return Sampling(max_tokens=max_tokens, temperature=0, **changes)


def prompts(*lengths: int, seed: int = 1) -> list[tuple[int, ...]]:
    """Random prompts of these lengths, without special tokens."""
    generator = torch.Generator().manual_seed(seed)
    return [tuple(torch.randint(3, 300, (n,), generator=generator).tolist()) for n in lengths]
