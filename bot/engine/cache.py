"""The keys and values of all tokens that may be needed again; the only one that hands out room.

Room comes in blocks of `block_size` tokens. Per layer there are two tensors `[blocks, block_size,
kv_heads, dim]`, made when the layer first writes, so no model's configuration has to be
understood. A row's blocks stand in its line of `tables`. Full blocks are found again by a hash of
all tokens up to their end, begun with the release and the salt, so nothing is ever shared across
either. Promises: memory that was never written reads as zeros (a masked NaN would still poison a
sum), and a row that was allocated can always be computed.

One slot and one block more than are handed out are there for rows that only pad a step: what
computes such a row in `spare_slot` writes where nobody reads.
"""

import heapq
import mmap
from array import array
from dataclasses import dataclass
from hashlib import blake2b

import torch

from bot.engine.blocks import NOBODYS, Blocks
from bot.engine.request import Request, Row

NUM_UNUSED = 2
"""Blocks beside those that are handed out: nobody's, and the one of the spare slot."""

_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class LayerCache:
    """One layer's keys and values, each `[blocks, block_size, kv_heads, dim]`."""

    keys: torch.Tensor
    values: torch.Tensor


class Cache:
    """Room for `num_slots` rows of at most `context` tokens each, in `num_blocks` blocks."""

    def __init__(
        self,
        *,
        num_slots: int,
        num_blocks: int,
        block_size: int,
        context: int,
        device: torch.device | None = None,
    ) -> None:
        self.num_slots, self.num_blocks, self.block_size = num_slots, num_blocks, block_size
        self.device = device or torch.device("cpu")
        self.spare_slot = num_slots
        self._layers: dict[int, LayerCache] = {}
        self._blocks = Blocks(num_blocks)
        self._free_slots = list(range(num_slots))
        # Written on the CPU, a few numbers a step; copied to the device when it has changed.
        self._tables = torch.full((num_slots + 1, -(-context // block_size)), NOBODYS)
        self._tables[self.spare_slot, 0] = num_blocks + 1
        self._on_device = self._tables.to(self.device)
        self._is_stale = False

    @property
    def num_used(self) -> int:
        """Blocks that rows hold."""
        return self._blocks.num_used

    @property
    def num_cached(self) -> int:
        """Blocks that no row holds, kept in case their tokens come again."""
        return self._blocks.num_cached

    @property
    def num_free(self) -> int:
        """Blocks that hold nothing."""
        return self._blocks.num_free

    @property
    def num_bytes(self) -> int:
        """Memory of all layers, in bytes; on the CPU it is taken from the system when written."""
        return sum(x.keys.nbytes + x.values.nbytes for x in self._layers.values())

    @property
    def block_bytes(self) -> int:
        """Memory of one block in one layer, in bytes; 0 before the first layer has written."""
        return self.num_bytes // (self.num_blocks + NUM_UNUSED) // max(1, self.num_layers)

    @property
    def num_layers(self) -> int:
        """Layers that have written."""
        return len(self._layers)

    @property
    def tables(self) -> torch.Tensor:
        """The rows' blocks on the device, `[num_slots + 1, blocks of a context]`; 0 where none is.
        Always the same tensor, as of the last `refresh`."""
        return self._on_device

    def refresh(self) -> None:
        """Bring `tables` up to date, in the order of the device's work."""
        if self._is_stale and self._on_device is not self._tables:
            # A pinned copy: from the table itself the device would be waited for, and what is
            # written there next could overtake the copy.
            self._on_device.copy_(self._tables.pin_memory(), non_blocking=True)
        self._is_stale = False

    def can_allocate(self, row: Row, *, spare: int = 0) -> bool:
        """Whether a row's tokens fit, with `spare` blocks left for others."""
        if not self._free_slots:
            return False
        found = self._find(row)
        num = self._num_blocks(row.num_tokens) - len(found) + self._blocks.num_idle(found)
        return self._blocks.can_take(num + spare)

    def allocate(self, row: Row) -> None:
        """Give a row a slot and room for its tokens; those that are known are computed already."""
        row.blocks = self._find(row)
        self._blocks.hold(row.blocks)
        row.num_published = len(row.blocks)
        row.num_computed = len(row.blocks) * self.block_size
        if row.num_cached is None:
            row.num_cached = row.num_computed
        num_new = self._num_blocks(row.num_tokens) - len(row.blocks)
        row.blocks += [self._blocks.take() for _ in range(num_new)]
        row.slot = heapq.heappop(self._free_slots)
        self._write_table(row, 0)

    def can_append(self, row: Row) -> bool:
        """Whether there is room for the row's newest token."""
        return self._has_room(row) or self._blocks.can_take(1)

    def append(self, row: Row) -> None:
        """Make room for the row's newest token."""
        if not self._has_room(row):
            row.blocks.append(self._blocks.take())
            self._write_table(row, len(row.blocks) - 1)

    def publish(self, row: Row) -> None:
        """Let the blocks that a row has filled be found by others."""
        num_full = row.num_computed // self.block_size
        if num_full > row.num_published:
            self._hash(row, num_full)
            for number in range(row.num_published, num_full):
                self._blocks.publish(row.blocks[number], row.hashes[number])
            row.num_published = num_full

    def free(self, row: Row, *, scrub: bool = False) -> None:
        """Take a row's room back. `scrub` when it may hold what is no finite number."""
        for block in self._blocks.release(row.blocks, tainted=scrub):
            for layer in self._layers.values():
                layer.keys[block].zero_()
                layer.values[block].zero_()
        # Shorter rows are read up to the longest beside them: nothing of others may stand there.
        self._tables[row.slot, : len(row.blocks)] = NOBODYS
        self._is_stale = True
        heapq.heappush(self._free_slots, row.slot)
        row.slot, row.blocks, row.num_computed, row.num_published = -1, [], 0, 0

    def reset(self) -> None:
        """Forget everything; no row may have room any more."""
        if len(self._free_slots) < self.num_slots:
            raise RuntimeError("rows still have room in the cache")
        if self.device.type == "cpu":
            self._layers.clear()  # and the system has its memory back
        for layer in self._layers.values():  # elsewhere graphs know where they are
            layer.keys.zero_()
            layer.values.zero_()
        self._blocks = Blocks(self.num_blocks)

    def layer(self, index: int, keys: torch.Tensor, values: torch.Tensor) -> LayerCache:
        """The layer's tensors, made in the shape of `keys` and `values` `[.., heads, .., dim]`."""
        layer = self._layers.get(index)
        if layer is None:
            layer = self._layers[index] = LayerCache(self._empty(keys), self._empty(values))
        return layer

    def _empty(self, like: torch.Tensor) -> torch.Tensor:
        shape = (self.num_blocks + NUM_UNUSED, self.block_size, like.shape[1], like.shape[3])
        if like.device.type != "cpu":
            return like.new_zeros(shape)
        # `torch.zeros` writes all of it; zeros of the system's are memory only once written.
        size = torch.Size(shape).numel() * like.element_size()
        return torch.frombuffer(_zeros(size), dtype=like.dtype).view(shape)

    def _num_blocks(self, num_tokens: int) -> int:
        return -(-num_tokens // self.block_size)

    def _has_room(self, row: Row) -> bool:
        return row.num_tokens <= len(row.blocks) * self.block_size

    def _find(self, row: Row) -> list[int]:
        """Known blocks with the row's first tokens; at least one token is left to compute."""
        wants_scores = row.request.sampling.prompt_logprobs is not None
        if wants_scores and len(row.prompt_scores) < row.num_prompt - 1:
            return []  # how probable a token was is known only to those who compute it
        num_full = (row.num_tokens - 1) // self.block_size
        self._hash(row, num_full)
        return self._blocks.find(row.hashes[:num_full])

    def _hash(self, row: Row, num_blocks: int) -> None:
        """Make the row's hashes reach its first `num_blocks` blocks."""
        size = self.block_size
        for number in range(len(row.hashes), num_blocks):
            parent = row.hashes[-1] if row.hashes else _root(row.request)
            tokens = array("q", row.tokens(number * size, (number + 1) * size)).tobytes()
            row.hashes.append(blake2b(parent + tokens, digest_size=_DIGEST_BYTES).digest())

    def _write_table(self, row: Row, first: int) -> None:
        self._tables[row.slot, first : len(row.blocks)] = torch.tensor(row.blocks[first:])
        self._is_stale = True


def _root(request: Request) -> bytes:
    """Where the hashes of a request begin; its parts cannot run into each other."""
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in (request.release, request.cache_salt):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def _zeros(num_bytes: int) -> mmap.mmap:
    made = mmap.mmap(-1, num_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):  # Linux; blocks lie anywhere, and small pages cost lookups
        made.madvise(mmap.MADV_HUGEPAGE)
    return made
