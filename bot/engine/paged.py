"""Attention of one packed step over the cache's blocks where they lie: one kernel call a layer.

The same promise as `attention`, which copies the blocks together first: each token sees the tokens
of its own row, up to itself, and nothing else. Here decoded tokens and pieces of prompts are rows
alike, and nothing of a row's size is copied. transformers finds the function by the name `PAGED`;
it hands the step's `Tables` through the model as the keyword `layout`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch.nn.functional import pad
from transformers import AttentionInterface

from bot.engine.attention import refuse_unknown
from bot.engine.cache import Cache
from bot.engine.kernels import Kernel, how
from bot.engine.upload import upload

PAGED = "candor_paged"


@dataclass(frozen=True, slots=True)
class Tail:
    """The next tokens of a step: the last of the row in `slot` so far, tokens `start` to `end`."""

    slot: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Tables:
    """Whose token is where in a step.

    `places` `[tokens]` is where in the cache, counted in tokens, each token's keys and values
    belong. The others are int32, as the kernel wants them: `starts` `[rows + 1]` of the rows among
    the tokens, `lengths` `[rows]` with all their keys, `ends` `[rows + 1]` the running sum of
    these, and `blocks` `[rows, blocks of a context]`. `max_q` and `max_k` are numbers that no row's
    queries and keys exceed.
    """

    cache: Cache
    kernel: Kernel
    places: torch.Tensor
    starts: torch.Tensor
    lengths: torch.Tensor
    ends: torch.Tensor
    blocks: torch.Tensor
    max_q: int
    max_k: int


def tables_of(
    cache: Cache,
    kernel: Kernel,
    tails: Sequence[Tail],
    *,
    slots: torch.Tensor,
    positions: torch.Tensor,
) -> Tables:
    """The tables of a step of these tails, one for each row; `slots` and `positions` `[tokens]` say
    the same for each token, on the device."""
    counts = [tail.end - tail.start for tail in tails]
    lengths = [tail.end for tail in tails]
    starts, ends = [0, *accumulate(counts)], [0, *accumulate(lengths)]
    of_rows = [tail.slot for tail in tails]
    packed = upload([*starts, *ends, *lengths, *of_rows], cache.device, dtype=torch.int32)
    num = len(tails)
    lines = cache.tables[packed[3 * num + 2 :]].int()
    return Tables(
        cache=cache,
        kernel=kernel,
        places=_places(cache, slots, positions),
        starts=packed[: num + 1],
        ends=packed[num + 1 : 2 * num + 2],
        lengths=packed[2 * num + 2 : 3 * num + 2],
        blocks=lines,
        max_q=max(counts),
        max_k=max(lengths),
    )


def tables_of_decoded(
    cache: Cache, kernel: Kernel, *, slots: torch.Tensor, positions: torch.Tensor, max_k: int
) -> Tables:
    """The tables of one token for each row, from nothing but what is on the device: a captured
    graph computes them anew each time."""
    lengths = (positions + 1).int()
    return Tables(
        cache=cache,
        kernel=kernel,
        places=_places(cache, slots, positions),
        starts=torch.arange(len(slots) + 1, dtype=torch.int32, device=cache.device),
        ends=pad(lengths.cumsum(0, dtype=torch.int32), (1, 0)),
        lengths=lengths,
        blocks=cache.tables[slots].int(),
        max_q=1,
        max_k=max_k,
    )


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    layout: Tables,
    scaling: float | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: torch.Tensor | None = None,
    **_: object,
) -> tuple[torch.Tensor, None]:
    """Store the step's keys and values, and attend.

    `query` `[1, heads, tokens, dim]`, `key` and `value` `[1, kv_heads, tokens, dim]`; returns
    `[1, tokens, heads, dim]`. Raises NotImplementedError for what would change the answer if it
    were left out: capped scores and attention sinks.
    """
    refuse_unknown(softcap, s_aux)
    index = module.layer_idx
    if not isinstance(index, int):
        raise TypeError("an attention layer has no number")
    layer = layout.cache.layer(index, key, value)
    layer.keys.flatten(0, 1).index_copy_(0, layout.places, key[0].transpose(0, 1))
    layer.values.flatten(0, 1).index_copy_(0, layout.places, value[0].transpose(0, 1))
    window_size, num_splits = how(
        max_q=layout.max_q, heads=query.shape[1], kv_heads=key.shape[1], window=sliding_window
    )
    out = layout.kernel(
        query[0].transpose(0, 1),
        layer.keys,
        layer.values,
        layout.starts,
        layout.ends,
        layout.max_q,
        layout.max_k,
        scale=scaling,
        window_size=window_size,
        seqused_k=layout.lengths,
        block_table=layout.blocks,
        num_splits=num_splits,
    )
    return out[None], None


def _places(cache: Cache, slots: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    size = cache.block_size
    return cache.tables[slots, positions // size] * size + positions % size


AttentionInterface.register(PAGED, attend)
