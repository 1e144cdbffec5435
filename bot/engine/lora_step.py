"""The adapters of one step: which tokens each changes, and the sums that it adds to the linears.

A step's tokens are one row. Decoding has a few tokens for each adapter, and there the time goes
into fetching the adapters' weights: the adapters of a step are copied side by side once, and then
multiplied as one batch, on all threads. A longer run of one adapter's tokens (a prompt) is a
product of its own, and tokens of the bare base cost nothing. No token is ever multiplied with
another one's adapter, so what overflows in one stays in its own rows.

What adapters of rank 16 added to the 13 ms of the default model's linears for eight rows, in ms,
on two threads with AVX-512:

  adapters in the step                              1     2     4
  a product for each adapter and linear           4.9   8.7  22.9
  one product of all, other rows' columns zero    4.9   7.8  13.6
  this, the adapters' rows side by side           4.7   5.8  13.6
  this, rows that have to be gathered                     6.9  12.3
"""

import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch

from bot.engine.linear import shared_matrix
from bot.engine.lora import Adapter, Group, GroupWeights

_LONG_RUN = 32
"""Tokens of one adapter, side by side, that are not put into a batch: there the other adapters'
few would be filled up to as many."""

Weights = Sequence[GroupWeights | None]
"""What adapters, one or more of them, add to each group of linears."""


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens `first` to `last` of the row are one adapter's (None: the bare base's)."""

    adapter: Adapter | None
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Gather:
    """A batch `[adapters * width]` out of tokens that lie otherwise: `source` is the token at each
    place (any, at a place that is left over), `tokens` are those that are changed, and `places`
    `[tokens]` where in the batch."""

    source: torch.Tensor
    tokens: slice | torch.Tensor
    places: torch.Tensor


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens `first` to `last`, of which each adapter of `weights` has as many, one after the
    other; or else those that `gather` says."""

    weights: Weights
    num_adapters: int
    first: int
    last: int
    gather: Gather | None = None

    def low(self, number: int, row: torch.Tensor) -> torch.Tensor | None:
        """The input `[tokens, in]` of a group times the A's: `[adapters, width, ranks]`."""
        weights = self.weights[number]
        if weights is None:
            return None
        gather = self.gather
        mine = row[self.first : self.last] if gather is None else row.index_select(0, gather.source)
        return self._batch(mine).bmm(weights.down)

    def add(self, number: int, place: int, low: torch.Tensor | None, out: torch.Tensor) -> None:
        """Add what the linear at `place` of a group gains to its output `[tokens, out]`."""
        weights = self.weights[number]
        if weights is None or low is None or (up := weights.ups[place]) is None:
            return
        mine = low if len(weights.ups) == 1 else low[:, :, up[0]]
        gather = self.gather
        if gather is None:
            self._batch(out[self.first : self.last]).baddbmm_(mine, up[1])
            return
        gain = mine.bmm(up[1]).flatten(0, 1).index_select(0, gather.places)
        if isinstance(gather.tokens, slice):
            out[gather.tokens].add_(gain)
        else:
            out.index_add_(0, gather.tokens, gain)

    def _batch(self, rows: torch.Tensor) -> torch.Tensor:
        width = rows.shape[0] // self.num_adapters
        return rows.view(self.num_adapters, width, rows.shape[1])


class _Beside:
    """Adapters copied side by side; `refs` hold none of them alive."""

    def __init__(self, adapters: Sequence[Adapter], refs: Sequence[weakref.ref[Adapter]]) -> None:
        self.refs = tuple(refs)
        self.weights: Weights = [
            _side_by_side(found) for found in zip(*(a.groups for a in adapters), strict=True)
        ]

    def adapters(self) -> list[Adapter | None]:
        return [ref() for ref in self.refs]


@dataclass(slots=True)
class _Shared:
    """A group's input, and its products with the A's, until the last of its linears has added."""

    given: torch.Tensor | None = None
    lows: list[torch.Tensor | None] = field(default_factory=list)


class LoraHooks:
    """Adds the adapters of a step to the model's linears; one for each model, on one thread."""

    def __init__(self, model: torch.nn.Module, groups: tuple[Group, ...]) -> None:
        self._parts: list[Part] = []
        self._beside: _Beside | None = None
        for number, group in enumerate(groups):
            layers = [model.get_submodule(linear.name) for linear in group]
            matrix = shared_matrix(layers)
            if matrix is not None:
                matrix.changes.append(partial(self._add_to_all, number))
                continue
            shared = _Shared()
            for place, layer in enumerate(layers):
                add = partial(self._add_to_one, number, place, place == len(group) - 1, shared)
                layer.register_forward_hook(add)

    @contextmanager
    def applied(self, counts: Iterable[tuple[Adapter | None, int]]) -> Iterator[None]:
        """Inside the context, forwards are of a row whose tokens belong to these adapters (None:
        to none), so many each, in any order. The cheapest is an adapter's tokens side by side."""
        self._parts = self._planned(runs(counts))
        try:
            yield
        finally:
            self._parts = []  # nothing may keep an adapter alive between two steps

    def _planned(self, found: Sequence[Run]) -> list[Part]:
        changed = [run for run in found if run.adapter is not None]
        short = [run for run in changed if run.last - run.first < _LONG_RUN]
        alone = [run for run in changed if run.last - run.first >= _LONG_RUN]
        if len(short) == 1:
            alone, short = changed, []
        parts = [Part(run.adapter.groups, 1, run.first, run.last) for run in alone if run.adapter]
        if short:
            parts.append(self._together(short))
        return parts

    def _together(self, short: Sequence[Run]) -> Part:
        """Several short runs as one batch."""
        tokens: dict[Adapter, list[int]] = {}
        for run in short:
            if run.adapter is not None:
                tokens.setdefault(run.adapter, []).extend(range(run.first, run.last))
        adapters: Sequence[Adapter | None] = list(tokens)
        weights: Weights = next(iter(tokens)).groups
        if len(tokens) > 1:
            adapters, weights = self._copied(list(tokens))
        of_each = [tokens.get(adapter, []) if adapter else [] for adapter in adapters]
        flat = [token for mine in of_each for token in mine]
        first, last = min(flat), max(flat) + 1
        if len({len(mine) for mine in of_each}) == 1 and flat == list(range(first, last)):
            return Part(weights, len(adapters), first, last)
        device = next(one.down.device for one in weights if one is not None)
        return Part(weights, len(adapters), first, last, gathered(of_each, device))

    def _copied(self, wanted: Sequence[Adapter]) -> tuple[Sequence[Adapter | None], Weights]:
        """These adapters side by side, and maybe others. A copy is kept for the next steps, as the
        adapters of a step seldom change; it goes when one of its adapters does."""
        beside = self._beside
        adapters = beside.adapters() if beside else []
        if beside is None or len(adapters) > 2 * len(wanted) or not set(wanted) <= set(adapters):
            self._beside = beside = None  # before the new one takes memory
            beside = _Beside(wanted, [weakref.ref(adapter, self._forget) for adapter in wanted])
            self._beside, adapters = beside, list(wanted)
        return adapters, beside.weights

    def _forget(self, gone: weakref.ref[Adapter]) -> None:
        # On the thread that let go of it, maybe not the engine's: a step under way has its own
        # reference, and at worst a copy is made once more.
        beside = self._beside
        if beside is not None and any(ref is gone for ref in beside.refs):
            self._beside = None

    def _add_to_all(
        self, number: int, given: torch.Tensor, outputs: Sequence[torch.Tensor]
    ) -> None:
        for part in self._parts:
            low = part.low(number, given[0])
            for place, output in enumerate(outputs):
                part.add(number, place, low, output[0])

    def _add_to_one(
        self,
        number: int,
        place: int,
        is_last: bool,
        shared: _Shared,
        _: torch.nn.Module,
        args: tuple[torch.Tensor, ...],
        output: torch.Tensor,
    ) -> None:
        if not self._parts:
            return
        if shared.given is not args[0]:
            shared.given = args[0]
            shared.lows = [part.low(number, args[0][0]) for part in self._parts]
        for part, low in zip(self._parts, shared.lows, strict=True):
            part.add(number, place, low, output[0])
        if is_last:
            shared.given, shared.lows = None, []


def runs(counts: Iterable[tuple[Adapter | None, int]]) -> list[Run]:
    """The row's runs of tokens with the same adapter, from how many tokens each has in turn."""
    found: list[Run] = []
    end = 0
    for adapter, count in counts:
        start, end = end, end + count
        if found and found[-1].adapter is adapter:
            start = found.pop().first
        found.append(Run(adapter, start, end))
    return found


def gathered(of_each: Sequence[Sequence[int]], device: torch.device) -> Gather:
    """The batch of these tokens of each adapter; some may have none."""
    width = max(len(mine) for mine in of_each)
    source = [token for mine in of_each for token in (*mine, *[0] * (width - len(mine)))]
    places = {
        token: number * width + n
        for number, mine in enumerate(of_each)
        for n, token in enumerate(mine)
    }
    tokens = sorted(places)
    is_slice = tokens[-1] - tokens[0] == len(tokens) - 1
    return Gather(
        source=torch.tensor(source, device=device),
        tokens=slice(tokens[0], tokens[-1] + 1)
        if is_slice
        else torch.tensor(tokens, device=device),
        places=torch.tensor([places[token] for token in tokens], device=device),
    )


def _side_by_side(found: Sequence[GroupWeights | None]) -> GroupWeights | None:
    """A group's weights of several adapters, smaller ranks filled up with zeros."""
    present = [(number, weights) for number, weights in enumerate(found) if weights is not None]
    if not present:
        return None
    first = present[0][1]
    ranks = [
        max((up[1].shape[1] for _, weights in present if (up := weights.ups[place])), default=0)
        for place in range(len(first.ups))
    ]
    down = first.down.new_zeros(len(found), first.down.shape[1], sum(ranks))
    ups: list[tuple[slice, torch.Tensor] | None] = []
    end = 0
    for place, rank in enumerate(ranks):
        start, end = end, end + rank
        stacked: torch.Tensor | None = None
        for number, weights in present:
            if (up := weights.ups[place]) is None:
                continue
            own, (_, own_rank, num_out) = up[1], up[1].shape
            if stacked is None:
                stacked = own.new_zeros(len(found), rank, num_out)
            down[number, :, start : start + own_rank] = weights.down[0, :, up[0]]
            stacked[number, :own_rank] = own[0]
        ups.append(None if stacked is None else (slice(start, end), stacked))
    return GroupWeights(down, tuple(ups))
