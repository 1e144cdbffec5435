"""Attention of one packed step over the cache's blocks.

All tokens of a step, whosever they are, go through the model as one row `[1, tokens]`: the large
matrix products see every token at once, and only here are the rows told apart. Each token sees
the tokens of its own row, up to itself, and nothing else. transformers finds the function by the
name `ATTENTION`; it hands the step's `Layout` through the model as a keyword.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from bot.engine.cache import Cache, LayerCache
from bot.engine.ragged import Rows

ATTENTION = "candor_blocks"

_GROUP_BYTES: Final = 2 * 1024 * 1024
"""Keys and values that rows decoded together may have in a layer: what was copied is then still
in the processor's cache when it is read. With all rows at once, a whole step of the default model
took 1.55 times as long at 32 rows of 50 to 700 tokens, and 1.24 times at 32 rows of 300; half and
twice this size were ties."""

_GROUP_SLACK: Final = 8
"""Blocks that the shorter rows of a group may be short of the longest, all together: about what
calling the functions once more costs."""


@dataclass(frozen=True, slots=True)
class Group:
    """Decoded tokens `first` to `last` of the packed row, each of another row's; none of these
    rows has more than `num_blocks` blocks."""

    first: int
    last: int
    num_blocks: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens `first` to `last` of the packed row are tokens `start` and on of the row in `slot`."""

    slot: int
    start: int
    first: int
    last: int

    @property
    def end(self) -> int:
        return self.start + self.last - self.first


@dataclass(slots=True)
class Layout:
    """Whose token is where in a step: one token for each of the growing rows, then the pieces.

    `slots`, `positions` and `places` are `[tokens]`: whose room a token is in, where in its row it
    stands, and where in the cache, counted in tokens, its keys and values belong. The decoded
    tokens are those of `rows`, where the kernel can run, and are covered by `groups` elsewhere.
    `memo` keeps what all layers share.
    """

    cache: Cache
    slots: torch.Tensor
    positions: torch.Tensor
    rows: Rows | None
    groups: tuple[Group, ...]
    pieces: tuple[Piece, ...]
    places: torch.Tensor = field(init=False)
    memo: dict[Any, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        size = self.cache.block_size
        blocks = self.cache.tables[self.slots, self.positions // size]
        self.places = blocks * size + self.positions % size

    def group_blocks(self, group: Group) -> torch.Tensor:
        """The blocks of a group's rows, one row after the other: `[rows * num_blocks]`."""
        found = self.memo.get(group)
        if found is None:
            slots = self.slots[group.first : group.last]
            found = self.cache.tables[slots, : group.num_blocks].flatten()
            self.memo[group] = found
        return found

    def group_mask(self, group: Group, window: int | None, like: torch.Tensor) -> torch.Tensor:
        """What is added to a group's scores: `[rows, 1, 1, num_blocks * block_size]`."""
        mask = self.memo.get((group, window))
        if mask is None:
            last = self.positions[group.first : group.last, None]
            num_keys = group.num_blocks * self.cache.block_size
            mask = _mask(last, num_keys, window, like)[:, None, None, :]
            self.memo[group, window] = mask
        return mask

    def piece_mask(
        self, piece: Piece, groups: int, window: int | None, like: torch.Tensor
    ) -> torch.Tensor:
        """What is added to a piece's scores, once for each of `groups` heads that share keys:
        `[groups * tokens, end]`."""
        mask = self.memo.get((piece, window))
        if mask is None:
            queries = self.positions[piece.first : piece.last, None]
            mask = _mask(queries, piece.end, window, like).repeat(groups, 1)
            self.memo[piece, window] = mask
        return mask


def grouped(num_blocks: Sequence[int], *, block_bytes: int) -> tuple[Group, ...]:
    """Groups of decoded tokens whose rows have these many blocks, in ascending order.

    `block_bytes` are the keys and values of one block in one layer.
    """
    groups: list[Group] = []
    first, slack = 0, 0
    for number, num in enumerate(num_blocks):
        count = number - first
        slack += count * (num - num_blocks[number - 1]) if count else 0
        if count and (slack > _GROUP_SLACK or (count + 1) * num * block_bytes > _GROUP_BYTES):
            groups.append(Group(first, number, num_blocks[number - 1]))
            first, slack = number, 0
    if num_blocks:
        groups.append(Group(first, len(num_blocks), num_blocks[-1]))
    return tuple(groups)


def refuse_unknown(softcap: float | None, sinks: torch.Tensor | None) -> None:
    """Raises NotImplementedError for what would change the answer if it were left out: the model
    is then refused when it is loaded, with this line."""
    if softcap is not None or sinks is not None:
        raise NotImplementedError("capped attention scores and attention sinks are not supported")


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    layout: Layout,
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
    index: Any = module.layer_idx
    layer = layout.cache.layer(index, key, value)
    num_kv, dim = key.shape[1], value.shape[3]
    heads = query.shape[1] // num_kv
    layer.keys.flatten(0, 1).index_copy_(0, layout.places, key[0].transpose(0, 1))
    layer.values.flatten(0, 1).index_copy_(0, layout.places, value[0].transpose(0, 1))
    out = query.new_empty(query.shape[2], query.shape[1], dim)

    if layout.rows is not None:
        num_rows = layout.rows.num_rows
        layout.rows.attend(
            query[0, :, :num_rows].transpose(0, 1).contiguous(),
            layer.keys,
            layer.values,
            out[:num_rows],
            scale=query.shape[3] ** -0.5 if scaling is None else scaling,
            window=sliding_window,
        )

    for group in layout.groups:
        first, last = group.first, group.last
        num_rows = last - first
        keys, values = _gathered(layer, layout.group_blocks(group), num_rows)
        seen = scaled_dot_product_attention(
            query[0, :, first:last].transpose(0, 1).reshape(num_rows, num_kv, heads, -1),
            keys,
            values,
            attn_mask=layout.group_mask(group, sliding_window, query),
            scale=scaling,
        )
        out[first:last] = seen.reshape(num_rows, -1, dim)

    for piece in layout.pieces:
        first, last, num_tokens = piece.first, piece.last, piece.last - piece.first
        if piece.start:
            num_blocks = -(-piece.end // layout.cache.block_size)
            keys, values = _gathered(layer, layout.cache.tables[piece.slot, :num_blocks], 1)
            keys, values = keys[:, :, : piece.end], values[:, :, : piece.end]
        else:
            keys, values = key[:, :, first:last], value[:, :, first:last]
        seen = scaled_dot_product_attention(
            query[:, :, first:last].reshape(1, num_kv, heads * num_tokens, -1),
            keys,
            values,
            attn_mask=layout.piece_mask(piece, heads, sliding_window, query),
            scale=scaling,
        )
        out[first:last] = seen.reshape(-1, num_tokens, dim).transpose(0, 1)
    return out[None], None


def _gathered(
    layer: LayerCache, blocks: torch.Tensor, num_rows: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values of the rows' blocks, each `[rows, kv_heads, tokens, dim]`."""
    keys = layer.keys.index_select(0, blocks).view(num_rows, -1, *layer.keys.shape[2:])
    values = layer.values.index_select(0, blocks).view(num_rows, -1, *layer.values.shape[2:])
    return keys.transpose(1, 2), values.transpose(1, 2)


def _mask(
    queries: torch.Tensor, num_keys: int, window: int | None, like: torch.Tensor
) -> torch.Tensor:
    """0 where queries at these positions `[queries, 1]` see a key, -inf elsewhere; in the
    queries' number format, as a mask of booleans would be turned into one in every layer."""
    keys = torch.arange(num_keys, device=like.device)
    seen = keys <= queries
    if window is not None:
        seen &= keys > queries - window
    return like.new_zeros(seen.shape).masked_fill_(~seen, -torch.inf)


AttentionInterface.register(ATTENTION, attend)
