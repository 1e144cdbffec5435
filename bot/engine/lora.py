"""Adapters inside a step: which linears of a model can carry one, and the sums they add.

A step's tokens are one row, and each adapter covers slices of it: on its slices it costs one
product with its A for each input and one with its B for each linear; tokens of the bare base cost
nothing. Linears that read the same input (query, key and value; gate and up) have their A's
stacked. It hooks onto any module that is called with the whole row, so no model's code has to be
understood, and nothing here knows of names or files.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
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
    """An adapter at one group: `down` `[in, ranks]` of all its linears side by side, and for each
    linear that it changes the columns of `down` that are its own, with its `[rank, out]`."""

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
        ups.append((slice(num, num + rank), pair.up.T.contiguous()))
        num += rank
    return GroupWeights(torch.cat(downs, 1).contiguous(), tuple(ups)) if downs else None


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


@dataclass(slots=True)
class _Shared:
    """A group's input, and its product with each segment's `down`, until the last has added."""

    given: torch.Tensor | None = None
    lows: list[torch.Tensor | None] = field(default_factory=list)


class LoraHooks:
    """Adds the adapters of a step to the model's linears; one for each model, on one thread."""

    def __init__(self, model: torch.nn.Module, groups: tuple[Group, ...]) -> None:
        self._segments: list[tuple[Adapter, slice]] = []
        for number, group in enumerate(groups):
            shared = _Shared()
            for place, linear in enumerate(group):
                add = partial(self._add, number, place, place == len(group) - 1, shared)
                model.get_submodule(linear.name).register_forward_hook(add)

    @contextmanager
    def applied(self, counts: Iterable[tuple[Adapter | None, int]]) -> Iterator[None]:
        """Inside the context, forwards are of a row whose tokens belong to these adapters (None:
        to none), so many each. Neighbours with the same adapter are computed as one."""
        end = 0
        for adapter, count in counts:
            start, end = end, end + count
            if adapter is None:
                continue
            if self._segments:
                last, tokens = self._segments[-1]
                if last is adapter and tokens.stop == start:
                    self._segments[-1] = (adapter, slice(tokens.start, end))
                    continue
            self._segments.append((adapter, slice(start, end)))
        try:
            yield
        finally:
            self._segments = []  # nothing may keep an adapter alive between two steps

    def _add(
        self,
        number: int,
        place: int,
        is_last: bool,
        shared: _Shared,
        _: torch.nn.Module,
        args: tuple[torch.Tensor, ...],
        output: torch.Tensor,
    ) -> None:
        if not self._segments:
            return
        if shared.given is not args[0]:
            shared.given = args[0]
            shared.lows = [
                None
                if (weights := adapter.groups[number]) is None
                else args[0][0, tokens] @ weights.down
                for adapter, tokens in self._segments
            ]
        for (adapter, tokens), low in zip(self._segments, shared.lows, strict=True):
            weights = adapter.groups[number]
            if weights is None or low is None or (up := weights.ups[place]) is None:
                continue
            output[0, tokens].addmm_(low[:, up[0]], up[1])
        if is_last:
            shared.given, shared.lows = None, []
