"""Attention of one packed step over the cache's slots.

All tokens of a step, whosever they are, go through the model as one row `[1, tokens]`: the large
matrix products see every token at once, and only here are the rows told apart. Each token sees
the tokens of its own slot, up to itself, and nothing else. transformers finds the function by the
name `ATTENTION`; it hands the step's `Layout` through the model as a keyword.
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from bot.engine.cache import Cache

ATTENTION = "candor_slots"


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens `first` to `last` of the packed row are tokens `start` and on of `slot`."""

    slot: int
    start: int
    first: int
    last: int


@dataclass(slots=True)
class Layout:
    """Whose token is where in a step: one token for each slot of `slots`, then the pieces.

    `slots` and `positions` are `[num_decode]`. `longest` is the greatest position of a decoded
    token, plus one. `memo` keeps what all layers share.
    """

    cache: Cache
    slots: torch.Tensor
    positions: torch.Tensor
    longest: int
    pieces: tuple[Piece, ...]
    memo: dict[tuple[int, int | None], torch.Tensor] = field(default_factory=dict)

    @property
    def num_decode(self) -> int:
        return self.slots.shape[0]

    def decode_mask(self, window: int | None) -> torch.Tensor:
        """Which keys each slot's one query sees: `[num_spanned, 1, 1, longest]`, booleans."""
        mask = self.memo.get((-1, window))
        if mask is None:
            # A slot that decodes nothing in this step looks at its first key; nobody reads that.
            last = self.positions.new_zeros(self.cache.num_spanned)
            last[self.slots] = self.positions
            keys = torch.arange(self.longest, device=last.device)
            mask = keys <= last[:, None]
            if window is not None:
                mask &= keys > last[:, None] - window
            mask = self.memo[-1, window] = mask[:, None, None, :]
        return mask

    def piece_mask(self, index: int, groups: int, window: int | None) -> torch.Tensor:
        """Which keys a piece's queries see, once for each of `groups` heads that share keys:
        `[groups * tokens, start + tokens]`, booleans."""
        mask = self.memo.get((index, window))
        if mask is None:
            piece = self.pieces[index]
            num_tokens = piece.last - piece.first
            device = self.slots.device
            keys = torch.arange(piece.start + num_tokens, device=device)
            queries = torch.arange(piece.start, piece.start + num_tokens, device=device)[:, None]
            mask = keys <= queries
            if window is not None:
                mask &= keys > queries - window
            mask = self.memo[index, window] = mask.repeat(groups, 1)
        return mask


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
    if softcap is not None or s_aux is not None:
        raise NotImplementedError("capped attention scores and attention sinks are not supported")
    index: Any = module.layer_idx
    layer = layout.cache.layer(index, key, value)
    num_kv, dim = key.shape[1], value.shape[3]
    groups = query.shape[1] // num_kv
    out = query.new_empty(query.shape[2], query.shape[1], dim)

    if num_decode := layout.num_decode:
        slots, positions, spanned = layout.slots, layout.positions, layout.cache.num_spanned
        layer.keys[slots, :, positions] = key[0, :, :num_decode].transpose(0, 1)
        layer.values[slots, :, positions] = value[0, :, :num_decode].transpose(0, 1)
        queries = query.new_zeros(spanned, query.shape[1], query.shape[3])
        queries[slots] = query[0, :, :num_decode].transpose(0, 1)
        seen = scaled_dot_product_attention(
            queries.view(spanned, num_kv, groups, -1),
            layer.keys[:spanned, :, : layout.longest],
            layer.values[:spanned, :, : layout.longest],
            attn_mask=layout.decode_mask(sliding_window),
            scale=scaling,
        )
        out[:num_decode] = seen.reshape(spanned, -1, dim)[slots]

    for number, piece in enumerate(layout.pieces):
        first, last, num_tokens = piece.first, piece.last, piece.last - piece.first
        end = piece.start + num_tokens
        layer.keys[piece.slot, :, piece.start : end] = key[0, :, first:last]
        layer.values[piece.slot, :, piece.start : end] = value[0, :, first:last]
        seen = scaled_dot_product_attention(
            query[:, :, first:last].reshape(1, num_kv, groups * num_tokens, -1),
            layer.keys[piece.slot, :, :end][None],
            layer.values[piece.slot, :, :end][None],
            attn_mask=layout.piece_mask(number, groups, sliding_window),
            scale=scaling,
        )
        out[first:last] = seen.reshape(-1, num_tokens, dim).transpose(0, 1)
    return out[None], None


AttentionInterface.register(ATTENTION, attend)
