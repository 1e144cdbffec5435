"""Attention of packed rows over blocks of keys and values, as one kernel computes it.

`flash` is torch's FlashAttention; `plain` says in a few lines what any kernel must compute, and
`error` measures one against it on the very device. That is done at each start: torch 2.13 has a
way to answer wrongly without a word (https://github.com/pytorch/pytorch/issues/194167), and a
library or a card that nobody tried may have another.
"""

import logging
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Final, Protocol

import torch

from bot.engine.upload import upload

MAX_ERROR: Final = 0.02
"""Of a row's output, relative: bfloat16 explains a quarter of it, a wrong block gives about 1."""

_BLOCK_SIZE: Final = 256

_ROWS: Final = (
    ((1, 1), (1, 256), (1, 257), (1, 1500), (1, 4096)),
    ((1, 700), (70, 370), (129, 129), (1, 33)),
)
"""Made-up steps, one decoding and one mixed: each row's queries, which come last, and its keys."""

_WINDOWS: Final = (None, 100)

_CONTEXT: Final = 131_072


class Kernel(Protocol):
    """`query` `[tokens, heads, dim]` of rows that begin at `cu_seq_q` `[rows + 1]`, over `key` and
    `value` `[blocks, block_size, kv_heads, dim]`: each row sees the first `seqused_k` `[rows]`
    keys of the blocks in its line of `block_table` `[rows, blocks]`, and its queries are the last
    of them. All integers are int32. `window_size` is how many keys to the left and to the right of
    its own a query sees, -1 for all. Returns `[tokens, heads, dim]`."""

    def __call__(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        cu_seq_q: torch.Tensor,
        cu_seq_k: torch.Tensor,
        max_q: int,
        max_k: int,
        *,
        scale: float | None,
        window_size: tuple[int, int],
        seqused_k: torch.Tensor,
        block_table: torch.Tensor,
        num_splits: int | None,
    ) -> torch.Tensor: ...


def how(
    *, max_q: int, heads: int, kv_heads: int, window: int | None
) -> tuple[tuple[int, int], int | None]:
    """The kernel's `window_size` and `num_splits` for rows of at most `max_q` queries that see
    `window` keys (None: all).

    torch 2.13 splits a row's keys over the device correctly only in the form it gives to single
    queries of grouped heads without a window on either side; in all others the parts of the rows
    are summed into the first row (issue 194167), so there it must not split.
    """
    if window is not None:
        return (window - 1, 0), 1
    if max_q > 1:
        return (-1, 0), 1
    return (-1, -1), None if heads > kv_heads else 1


def flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    seqused_k: torch.Tensor,
    block_table: torch.Tensor,
    num_splits: int | None,
) -> torch.Tensor:
    """torch's FlashAttention: CUDA, bfloat16 or float16, blocks of a multiple of 256 tokens.

    Raises ImportError where torch lacks it, RuntimeError for what it does not take.
    """
    from torch.nn.attention.varlen import varlen_attn

    out = varlen_attn(
        query,
        key,
        value,
        cu_seq_q,
        cu_seq_k,
        max_q,
        max_k,
        scale=scale,
        window_size=window_size,
        enable_gqa=True,
        seqused_k=seqused_k,
        block_table=block_table,
        num_splits=num_splits,
    )
    if not isinstance(out, torch.Tensor):
        raise TypeError("varlen_attn gave more than was asked for")
    return out


# It logs each call, which is every layer of every step, at a level that operators read.
logging.getLogger("torch.nn.attention.varlen").setLevel(logging.WARNING)


def plain(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    seqused_k: torch.Tensor,
    block_table: torch.Tensor,
    num_splits: int | None,
) -> torch.Tensor:
    """What a kernel must compute, row by row in float32, on any device; slow."""
    num_kv, size = key.shape[2], key.shape[1]
    scale = query.shape[2] ** -0.5 if scale is None else scale
    out = torch.empty_like(query)
    left, right = window_size
    for row, (first, last) in enumerate(pairwise(cu_seq_q.tolist())):
        num_keys, num_queries = int(seqused_k[row]), last - first
        blocks = block_table[row, : -(-num_keys // size)].long()
        keys = key[blocks].flatten(0, 1)[:num_keys].float()
        values = value[blocks].flatten(0, 1)[:num_keys].float()
        queries = query[first:last].float().view(num_queries, num_kv, -1, query.shape[2])
        at = torch.arange(num_keys - num_queries, num_keys, device=query.device)[:, None]
        other = torch.arange(num_keys, device=query.device)
        seen = torch.ones(num_queries, num_keys, dtype=torch.bool, device=query.device)
        if left >= 0:
            seen &= other >= at - left
        if right >= 0:
            seen &= other <= at + right
        scores = torch.einsum("qkhd,skd->khqs", queries, keys) * scale
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
        out[first:last] = torch.einsum("khqs,skd->qkhd", weights, values).flatten(1, 2)
    return out


def error(
    kernel: Kernel,
    *,
    heads: int,
    kv_heads: int,
    dim: int,
    dtype: torch.dtype,
    device: torch.device,
) -> float:
    """How far a kernel is from `plain`, over made-up steps of these shapes: the largest relative
    difference of a token's output, not a number if that is what it gave. Raises what it raises."""
    worst = torch.zeros((), device=device)
    for number, rows in enumerate(_ROWS):
        query, key, value = _random(rows, heads, kv_heads, dim, dtype, device, seed=number)
        counts = [-(-num_keys // _BLOCK_SIZE) for _, num_keys in rows]
        # Scattered: neighbours in a row are none in memory.
        generator = torch.Generator().manual_seed(number)
        order: list[int] = torch.randperm(sum(counts), generator=generator).tolist()
        max_q, longest = (max(row[n] for row in rows) for n in (0, 1))
        # A captured step is told of keys up to a whole context, and may split by that.
        for max_k in (longest, _CONTEXT) if max_q == 1 else (longest,):
            width = -(-max_k // _BLOCK_SIZE)
            table, blocks = [], iter(order)
            for num in counts:
                line = [next(blocks) for _ in range(num)]
                table.append(line + [0] * (width - num))
            for window in _WINDOWS:
                window_size, num_splits = how(
                    max_q=max_q, heads=heads, kv_heads=kv_heads, window=window
                )
                got, wanted = (
                    one(
                        query,
                        key,
                        value,
                        _int32([0, *accumulate(num for num, _ in rows)], device),
                        _int32([0, *accumulate(num for _, num in rows)], device),
                        max_q,
                        max_k,
                        scale=dim**-0.5,
                        window_size=window_size,
                        seqused_k=_int32([num for _, num in rows], device),
                        block_table=_int32(table, device),
                        num_splits=num_splits,
                    ).float()
                    for one in (kernel, plain)
                )
                off = (got - wanted).norm(dim=-1) / wanted.norm(dim=-1)
                worst = torch.maximum(worst, off.max())
    return float(worst)


def _random(
    rows: Sequence[tuple[int, int]],
    heads: int,
    kv_heads: int,
    dim: int,
    dtype: torch.dtype,
    device: torch.device,
    *,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, and blocks of keys and values. The queries are large, so that a few keys make up
    each output: a mean over all would hide that some were not seen."""
    generator = torch.Generator().manual_seed(seed)
    num_tokens = sum(num for num, _ in rows)
    num_blocks = sum(-(-num // _BLOCK_SIZE) for _, num in rows)
    query = 4 * torch.randn(num_tokens, heads, dim, generator=generator)
    shape = (2, num_blocks, _BLOCK_SIZE, kv_heads, dim)
    key, value = torch.randn(shape, generator=generator).to(device, dtype)
    return query.to(device, dtype), key, value


def _int32(numbers: Sequence[Sequence[int]] | Sequence[int], device: torch.device) -> torch.Tensor:
    return upload(numbers, device, dtype=torch.int32)
