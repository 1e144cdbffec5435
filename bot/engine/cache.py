"""The keys and values of every running answer; the only one that hands out room for them.

One slot a running row. Per layer two tensors `[slots, kv_heads, capacity, head_dim]`, made when
the layer first writes, so no model's configuration has to be understood. The capacity grows with
the longest answer and falls back when nobody is left. Promises: memory that was never written
reads as zeros (a masked NaN would still poison a sum), and growing keeps what is written.
"""

import heapq
from dataclasses import dataclass

import torch

_BUCKET = 64
"""Capacity grows in multiples of this many tokens."""

_GROWTH = 1.5
"""At least by this factor, so that the copies stay a constant share of the work."""


@dataclass(slots=True)
class LayerCache:
    """One layer's keys and values, each `[slots, kv_heads, capacity, head_dim]`."""

    keys: torch.Tensor
    values: torch.Tensor


class Cache:
    """`num_slots` rooms of at most `context` tokens each."""

    def __init__(self, *, num_slots: int, context: int) -> None:
        self.num_slots = num_slots
        self.context = context
        self._capacity = 0
        self._layers: dict[int, LayerCache] = {}
        self._free = list(range(num_slots))
        self._taken: set[int] = set()

    @property
    def num_spanned(self) -> int:
        """One more than the highest slot in use."""
        return max(self._taken, default=-1) + 1

    @property
    def num_bytes(self) -> int:
        """Memory of all layers, in bytes."""
        return sum(x.keys.nbytes + x.values.nbytes for x in self._layers.values())

    @property
    def num_layers(self) -> int:
        """Layers that have written."""
        return len(self._layers)

    def can_allocate(self) -> bool:
        return bool(self._free)

    def allocate(self) -> int:
        """Take the lowest free slot; attention runs over all slots up to the highest in use."""
        slot = heapq.heappop(self._free)
        self._taken.add(slot)
        return slot

    def free(self, slot: int, *, scrub: bool = False) -> None:
        """Give a slot back. `scrub` zeroes it: needed when it may hold what is no finite number."""
        self._taken.remove(slot)
        heapq.heappush(self._free, slot)
        if scrub:
            for layer in self._layers.values():
                layer.keys[slot].zero_()
                layer.values[slot].zero_()
        if not self._taken:
            self._layers.clear()
            self._capacity = 0

    def reset(self) -> None:
        """Forget everything: all slots are free and no memory is held."""
        self._layers.clear()
        self._capacity = 0
        self._free = list(range(self.num_slots))
        self._taken.clear()

    def reserve(self, length: int) -> None:
        """Make every slot at least `length` tokens long."""
        if length > self.context:
            raise ValueError(f"{length} tokens are over the context of {self.context}")
        if length <= self._capacity:
            return
        wanted = max(length, int(self._capacity * _GROWTH))
        self._capacity = min(-(-wanted // _BUCKET) * _BUCKET, self.context)
        for layer in self._layers.values():  # one after the other: a single layer is held twice
            layer.keys = self._grown(layer.keys)
            layer.values = self._grown(layer.values)

    def layer(self, index: int, keys: torch.Tensor, values: torch.Tensor) -> LayerCache:
        """The layer's tensors, made in the shape of `keys` and `values` `[.., heads, .., dim]`."""
        layer = self._layers.get(index)
        if layer is None:
            layer = self._layers[index] = LayerCache(self._empty(keys), self._empty(values))
        return layer

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        return like.new_zeros(self.num_slots, like.shape[1], self._capacity, like.shape[3])

    def _grown(self, old: torch.Tensor) -> torch.Tensor:
        new = old.new_zeros(old.shape[0], old.shape[1], self._capacity, old.shape[3])
        new[:, :, : old.shape[2]] = old
        return new
