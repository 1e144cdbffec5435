"""Adapters of one step: each token against its own adapter alone."""

import gc
import weakref
from collections.abc import Sequence

import pytest
import torch
from torch import nn

from bot.engine import linear
from bot.engine.lora import Adapter, Group, Pair, stack, watched
from bot.engine.lora_step import LoraHooks, runs

IN, OUTS = 24, {"q_proj": 32, "k_proj": 8, "v_proj": 8, "o_proj": 24}

kinds = pytest.mark.parametrize(
    "is_packed",
    [
        False,
        pytest.param(True, marks=pytest.mark.skipif(not linear.can_pack(), reason="no kernels")),
    ],
)


class Layers(nn.Module):
    """Three linears with one input, and one with another; no token sees another one."""

    def __init__(self) -> None:
        super().__init__()
        for name, num_out in OUTS.items():
            setattr(self, name, nn.Linear(IN, num_out, bias=False))

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        same = [getattr(self, name)(input_ids) for name in ("q_proj", "k_proj", "v_proj")]
        other: torch.Tensor = self.get_submodule("o_proj")(torch.add(input_ids, 1))
        return torch.cat([*same, other], 2)


def layers(*, is_packed: bool) -> tuple[Layers, tuple[Group, ...]]:
    torch.manual_seed(5)
    model = Layers()
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    if is_packed:
        assert linear.pack(model) == len(OUTS)
    with torch.inference_mode(), watched(model) as groups:
        model(input_ids=torch.ones(1, 3, IN))
    assert [len(group) for group in groups] == [3, 1]
    return model, tuple(groups)


def adapter(
    groups: Sequence[Group], seed: int, ranks: dict[str, int], *, size: float = 0.3
) -> tuple[Adapter, dict[str, Pair]]:
    """An adapter of these ranks at the linears that it changes, and its matrices."""
    random = torch.Generator().manual_seed(seed)
    pairs = {
        name: Pair(
            torch.randn(rank, IN, generator=random) * size,
            torch.randn(OUTS[name], rank, generator=random) * size,
        )
        for name, rank in ranks.items()
    }
    made = Adapter(f"a{seed}", "", str(seed), tuple(stack(group, pairs) for group in groups))
    return made, pairs


ALL = dict.fromkeys(OUTS, 4)
UNLIKE: tuple[dict[str, int], ...] = (ALL, {"k_proj": 7, "v_proj": 2}, {"o_proj": 3, "q_proj": 6})

ORDERS: dict[str, list[tuple[int | None, int]]] = {
    "one adapter": [(0, 5)],
    "one adapter and the base": [(None, 2), (0, 3)],
    "one adapter between the base's": [(0, 1), (None, 2), (0, 2), (None, 1)],
    "equal numbers": [(0, 2), (1, 2), (2, 2)],
    "equal numbers after the base's": [(None, 3), (0, 2), (1, 2)],
    "unequal numbers": [(None, 1), (0, 4), (1, 1), (2, 2)],
    "each token another's": [(0, 1), (1, 1), (2, 1), (0, 1), (1, 1), (0, 1)],
    "the base's between": [(0, 1), (None, 1), (1, 1), (None, 2), (2, 1), (0, 1), (None, 1)],
    "prompts": [(0, 40), (1, 33)],
    "prompts after growing answers": [(None, 1), (0, 2), (1, 2), (0, 40), (None, 35), (2, 50)],
    "a prompt and one answer": [(1, 1), (0, 64)],
    "nobody's": [(None, 6)],
}


@torch.inference_mode()
@kinds
@pytest.mark.parametrize("order", ORDERS)
def test_each_token_gets_what_its_adapter_alone_gives(order: str, is_packed: bool) -> None:
    model, groups = layers(is_packed=is_packed)
    made = [adapter(groups, seed, ranks) for seed, ranks in enumerate(UNLIKE)]
    owners = [owner for owner, count in ORDERS[order] for _ in range(count)]
    row = torch.randn(1, len(owners), IN)
    wanted = model(input_ids=row).double()
    for token, owner in enumerate(owners):
        first = 0
        for name, num_out in OUTS.items():
            pair = made[owner][1].get(name) if owner is not None else None
            if pair is not None:
                given = (row[0, token] + (name == "o_proj")).double()
                gain = pair.up.double() @ (pair.down.double() @ given)
                wanted[0, token, first : first + num_out] += gain
            first += num_out
    hooks = LoraHooks(model, groups)
    counts = [(None if n is None else made[n][0], count) for n, count in ORDERS[order]]
    for _ in range(2):  # the second finds the adapters side by side
        with hooks.applied(counts):
            got = model(input_ids=row)
        torch.testing.assert_close(got.double(), wanted, rtol=0, atol=5e-5)


@torch.inference_mode()
@kinds
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e30])
@pytest.mark.parametrize("order", [order for order, counts in ORDERS.items() if len(counts) > 2])
def test_an_adapter_that_computes_no_numbers_breaks_its_own_tokens_alone(
    order: str, bad: float, is_packed: bool
) -> None:
    model, groups = layers(is_packed=is_packed)
    good = [adapter(groups, seed, ALL)[0] for seed in range(3)]
    broken = [adapter(groups, 0, ALL, size=bad)[0], *good[1:]]
    owners = [owner for owner, count in ORDERS[order] for _ in range(count)]
    row = torch.randn(1, len(owners), IN)
    results = []
    for adapters in (good, broken):
        counts = [(None if n is None else adapters[n], count) for n, count in ORDERS[order]]
        with LoraHooks(model, groups).applied(counts):
            results.append(model(input_ids=row))
    mine = torch.tensor([owner == 0 for owner in owners])
    assert mine.any()
    assert not results[1][0, mine].isfinite().any()
    assert torch.equal(results[1][0, ~mine], results[0][0, ~mine])


@torch.inference_mode()
def test_the_copy_side_by_side_goes_with_the_first_of_its_adapters_that_does() -> None:
    model, groups = layers(is_packed=False)
    hooks = LoraHooks(model, groups)
    row = torch.randn(1, 2, IN)
    one, two = (adapter(groups, seed, ALL)[0] for seed in range(2))

    def copies() -> list[torch.Tensor]:
        gc.collect()
        return [
            x
            for x in gc.get_objects()
            if type(x) is torch.Tensor and x.shape == (2, IN, 12)  # two adapters at q, k and v
        ]

    def run(*adapters: Adapter) -> None:
        with hooks.applied([(adapter, 1) for adapter in adapters]):
            model(input_ids=row)

    before = len(copies())
    run(one, two)
    kept = copies()
    assert len(kept) == before + 1
    run(two, one)
    assert [id(copy) for copy in copies()] == [id(copy) for copy in kept]  # not made anew
    del kept
    gone = weakref.ref(one)
    del one
    assert len(copies()) == before
    assert gone() is None
    with hooks.applied([(two, 1), (adapter(groups, 9, ALL)[0], 1)]):
        model(input_ids=row)


def test_neighbours_with_the_same_adapter_are_one_run() -> None:
    _, groups = layers(is_packed=False)
    one, two = (adapter(groups, seed, ALL)[0] for seed in range(2))
    counts = [(None, 2), (one, 1), (one, 3), (two, 1), (None, 1), (None, 1), (two, 1)]
    found = [(run.adapter, run.first, run.last) for run in runs(counts)]
    assert found == [(None, 0, 2), (one, 2, 6), (two, 6, 7), (None, 7, 9), (two, 9, 10)]
    assert runs([]) == []


@torch.inference_mode()
@kinds
def test_nothing_is_added_once_the_step_is_over(is_packed: bool) -> None:
    model, groups = layers(is_packed=is_packed)
    row = torch.randn(1, 4, IN)
    plain = model(input_ids=row)
    hooks = LoraHooks(model, groups)
    with hooks.applied([(adapter(groups, 1, ALL)[0], 4)]):
        assert not torch.equal(model(input_ids=row), plain)
        with pytest.raises(RuntimeError):
            model(input_ids=row[..., 1:])  # a step that fails half-way
    assert torch.equal(model(input_ids=row), plain)
