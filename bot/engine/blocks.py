"""Which block of the cache is whose, and what it holds: numbers and hashes, no tensors.

A block is held by the rows that read it. When the last of them lets go, a block whose content is
known by its hash stays to be found again, until it is the least recently used and its room is
needed. Promises: a block that somebody holds is never handed out, and each block is at all times
held, cached or free. Block 0 is nobody's: it is never written, and stands where a table has no
block.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

NOBODYS = 0


class Blocks:
    """`num_blocks` blocks to hand out, numbered from 1."""

    def __init__(self, num_blocks: int) -> None:
        self.num_blocks = num_blocks
        self._free = list(range(num_blocks, 0, -1))
        self._holders = [0] * (num_blocks + 1)
        self._hash_of: dict[int, bytes] = {}
        self._block_of: dict[bytes, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()
        self._tainted: set[int] = set()

    @property
    def num_free(self) -> int:
        """Blocks that hold nothing."""
        return len(self._free)

    @property
    def num_cached(self) -> int:
        """Blocks that nobody holds and whose content can be found again."""
        return len(self._idle)

    @property
    def num_used(self) -> int:
        """Blocks that somebody holds."""
        return self.num_blocks - len(self._free) - len(self._idle)

    @property
    def num_available(self) -> int:
        """Blocks that can be taken."""
        return len(self._free) + len(self._idle)

    def find(self, hashes: Iterable[bytes]) -> list[int]:
        """The blocks of the longest known beginning of a chain of hashes."""
        found = []
        for digest in hashes:
            block = self._block_of.get(digest)
            if block is None:
                break
            found.append(block)
        return found

    def num_idle(self, blocks: Iterable[int]) -> int:
        """How many of the blocks nobody holds; holding these leaves fewer to take."""
        return sum(block in self._idle for block in blocks)

    def hold(self, blocks: Iterable[int]) -> None:
        """Hold blocks that were found."""
        for block in blocks:
            self._idle.pop(block, None)
            self._holders[block] += 1

    def can_take(self, num: int) -> bool:
        return num <= self.num_available

    def take(self) -> int:
        """Hold an empty block; for it, the least recently used cached one may be forgotten."""
        if self._free:
            block = self._free.pop()
        else:
            block, _ = self._idle.popitem(last=False)
            self._forget(block)
        self._holders[block] = 1
        return block

    def publish(self, block: int, digest: bytes) -> None:
        """Let a held, full block be found by its hash; the first of several equal ones is."""
        if digest not in self._block_of and block not in self._tainted:
            self._block_of[digest] = block
            self._hash_of[block] = digest

    def release(self, blocks: Sequence[int], *, tainted: bool = False) -> list[int]:
        """Let go of a row's blocks, in its order; returns those to wipe, which are free now.

        Tainted blocks are not found again, and are wiped when the last holder lets go.
        """
        wiped = []
        for block in reversed(blocks):  # a chain is of no use without its head, which goes last
            if tainted:
                self._tainted.add(block)
                self._forget(block)
            self._holders[block] -= 1
            if self._holders[block]:
                continue
            if block in self._hash_of:
                self._idle[block] = None
                continue
            self._free.append(block)
            if block in self._tainted:
                self._tainted.remove(block)
                wiped.append(block)
        return wiped

    def _forget(self, block: int) -> None:
        digest = self._hash_of.pop(block, None)
        if digest is not None:
            del self._block_of[digest]
