"""What an adapter is to the model: the linears that can carry one, and its weights at them.

Linears that read the same input (query, key and value; gate and up) are a group, whose A's are
stacked. Nothing here knows of names in files, and no model's code has to be understood: a first
forward shows the linears.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Linear:
    """A linear that every token of a step goes through, by its module's name."""

    name: str
    num_in: int
    num_out: int


Group = tuple[Linear, ...]
"""Linears that are given the very same input, in the order of their calls."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One linear's two matrices, `down` `[rank, in]` and `up` `[out, rank]`; x gains
    `up @ down @ x`, so the adapter's scale is part of `up`."""

    down: torch.Tensor
    up: torch.Tensor


@dataclass(frozen=True, slots=True)
class GroupWeights:
    """Adapters at one group: `down` `[adapters, in, ranks]` of all its linears side by side, and
    for each linear that they change the columns of `down` that are its own, with its
    `[adapters, rank, out]`."""

    down: torch.Tensor
    ups: tuple[tuple[slice, torch.Tensor] | None, ...]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Adapter:
    """Weights that a request may name. Never changed: who holds it answers with it to the end, and
    its memory is freed when nobody does."""

    name: str
    path: str
    sha256: str
    groups: tuple[GroupWeights | None, ...]

    @property
    def key(self) -> str:
        """The name with the content, as another adapter may have the same name later."""
        return f"{self.name}@{self.sha256[:16]}"

    @property
    def num_bytes(self) -> int:
        """Memory of the weights, in bytes."""
        found = (weights for weights in self.groups if weights is not None)
        return sum(w.down.nbytes + sum(up[1].nbytes for up in w.ups if up) for w in found)


def stack(group: Group, pairs: dict[str, Pair]) -> GroupWeights | None:
    """The pairs that belong to a group, as a step wants them; None if there are none."""
    downs: list[torch.Tensor] = []
    ups: list[tuple[slice, torch.Tensor] | None] = []
    num = 0
    for linear in group:
        pair = pairs.get(linear.name)
        if pair is None:
            ups.append(None)
            continue
        rank = pair.down.shape[0]
        downs.append(pair.down.T)
        ups.append((slice(num, num + rank), pair.up.T.contiguous()[None]))
        num += rank
    return GroupWeights(torch.cat(downs, 1).contiguous()[None], tuple(ups)) if downs else None


@contextmanager
def watched(model: Any) -> Iterator[list[Group]]:
    """Learn from the first forward inside the context which linears can carry an adapter.

    The list fills when the context ends. Left out are those that do not see the whole row
    (the output layer, a router's experts), whose tokens could not be told apart.
    """
    groups: list[Group] = []
    calls: list[tuple[Linear, torch.Tensor]] = []
    num_tokens: list[int] = []

    def begin(_: object, __: object, inputs: dict[str, Any]) -> None:
        num_tokens.append(inputs["input_ids"].shape[1])

    def note(name: str, module: Any, args: tuple[Any, ...], __: object) -> None:
        if len(num_tokens) != 1 or len(args) != 1 or name in {linear.name for linear, _ in calls}:
            return
        if args[0].shape == (1, num_tokens[0], module.in_features):
            calls.append((Linear(name, module.in_features, module.out_features), args[0]))

    handles = [model.register_forward_pre_hook(begin, with_kwargs=True)]
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    for name, module in model.named_modules():
        if module is not head and _is_linear(module):
            handles.append(module.register_forward_hook(partial(note, name)))
    try:
        yield groups
    finally:
        for handle in handles:
            handle.remove()
    last: torch.Tensor | None = None
    for linear, given in calls:
        if given is last:
            groups[-1] = (*groups[-1], linear)
        else:
            groups.append((linear,))
        last = given


def _is_linear(module: torch.nn.Module) -> bool:
    """By what it says of itself: linears with other weight layouts are no `torch.nn.Linear`."""
    sizes = (getattr(module, "in_features", None), getattr(module, "out_features", None))
    return all(isinstance(size, int) for size in sizes)
