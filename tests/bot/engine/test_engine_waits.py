"""Nothing in a step looks at numbers that a device still computes, but the one place that must.

Counted on the CPU by operation: `.item()` and branches on tensors, boolean indices, and whatever
else has as many results as its input says. `test_cuda` counts the waits themselves on a GPU.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bot.engine import weights
from bot.engine.backend import GATHERED, Backend
from bot.engine.paged import PAGED
from bot.engine.request import Request, Row, Sampling
from bot.engine.runner import Runner
from bot.engine.sampler import Sampler
from bot.engine.scheduler import Span, Step
from bot.model_settings import ServeSettings
from tests.bot.engine.support import prompts, with_backend

WAITING = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.is_nonzero.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.masked_select.default,
    torch.ops.aten.equal.default,
}


class Watch(TorchDispatchMode):
    """Notes the operations that make a program wait for a device."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        has_mask = func is torch.ops.aten.index.Tensor and any(
            index is not None and index.dtype is torch.bool for index in args[1]
        )
        if func in WAITING or has_mask:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def zeros(query: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    """A kernel that waits for nothing; what it computes does not matter here."""
    return torch.zeros_like(query)


def test_the_watch_sees_what_waits() -> None:
    tensor = torch.tensor([1.0, 2.0])
    with Watch() as watch:
        tensor.sum().item()
        tensor[tensor > 1]
        if tensor.amax() > 1:
            tensor += 1
    assert len(watch.found) >= 3


@pytest.mark.parametrize(
    "backend", [GATHERED, Backend(PAGED, 256, zeros)], ids=["gathered", "paged"]
)
@torch.no_grad()
def test_a_step_and_its_draws_wait_for_nothing_but_the_result(
    tiny: Path, tmp_path: Path, backend: Backend
) -> None:
    settings = ServeSettings(model=str(tiny), device="cpu", cpu_weights="float32")
    loaded = with_backend(weights.load(settings, tmp_path), backend)
    runner = Runner(replace(loaded, num_blocks=64, context=128), num_slots=5)
    sampler = Sampler(
        num_slots=5,
        vocab_size=loaded.vocab_size,
        device=loaded.device,
        eos_ids=frozenset({2}),
    )
    how = (
        Sampling(max_tokens=9, temperature=0),
        Sampling(max_tokens=9, temperature=1.2, logprobs=4),
        Sampling(max_tokens=9, temperature=0.8, top_p=0.5, min_p=0.01, min_tokens=4),
        Sampling(
            max_tokens=9,
            temperature=0.7,
            top_k=5,
            repetition_penalty=1.2,
            frequency_penalty=0.3,
            presence_penalty=0.1,
        ),
    )
    rows = [
        Row(Request(f"r{n}", prompt, sampling))
        for n, (prompt, sampling) in enumerate(zip(prompts(5, 20, 33, 16), how, strict=True))
    ]
    for row in rows:
        runner.cache.allocate(row)
        runner.run(Step((), (Span(row, 0, row.num_tokens),)))
        row.num_computed, row.output = row.num_tokens, [7]
        runner.cache.append(row)
        sampler.begin(row.slot, row.request.sampling, row.request.tokens, row.output)
    late = Row(Request("late", prompts(40)[0], how[0]))
    runner.cache.allocate(late)
    with Watch() as watch:
        logits, slots = runner.run(Step(tuple(rows), (Span(late, 0, 30),)))
        draws = sampler.sample(logits, slots)
    assert watch.found == []
    assert all(draw is not None for draw in draws)
