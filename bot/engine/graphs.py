"""The decode step as recorded graphs: one call in place of a thousand small ones.

A graph repeats what it recorded, over the same memory and for the same number of rows, so there
is one for each of a few sizes, and a step is padded up to the next. What pads is in the cache's
spare slot, which has a block of its own that nobody reads. All sizes are recorded before the first
step: that takes seconds, which would otherwise be a pause under growing answers at each new size,
and memory that is too small shows while nobody waits. What cannot be recorded runs without, after
one warning.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

import structlog
import torch

log = structlog.get_logger(__name__)

Compute = Callable[[], torch.Tensor]

_KINDS = 3
"""Numbers for each row: the token's id, its position, and the slot."""


class Recorder(Protocol):
    """Records what a function computes on the device."""

    def record(self, compute: Compute) -> Compute:
        """What computes the same again, from and to the same memory. Raises RuntimeError."""


class CudaRecorder:
    """Recorded as CUDA graphs, which share the memory of what they compute on the way: only one
    runs at a time, and a result is good until the next."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pool = torch.cuda.graph_pool_handle()

    def record(self, compute: Compute) -> Compute:
        compute()  # on the stream of the steps, to whom the cache's memory must belong
        torch.cuda.synchronize(self._device)
        with torch.cuda.stream(self._stream):
            compute()  # libraries set themselves up for a stream when they first see it
        torch.cuda.synchronize(self._device)
        graph = torch.cuda.CUDAGraph()
        # Not "global": adapters are copied to the device by other threads meanwhile.
        with torch.cuda.graph(
            graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
        ):
            result = compute()

        def replay() -> torch.Tensor:
            graph.replay()
            return result

        return replay


class Graphs:
    """Decode steps of up to `max_rows` rows.

    `compute` takes `[3, rows]` on the device (ids, positions, slots) to logits `[rows, vocab]`,
    without waiting for the device; `spare_slot` is what padding rows are in.
    """

    def __init__(
        self,
        compute: Callable[[torch.Tensor], torch.Tensor],
        recorder: Recorder,
        *,
        max_rows: int,
        spare_slot: int,
        device: torch.device,
    ) -> None:
        self._compute, self._recorder = compute, recorder
        self._sizes = sizes(max_rows)
        self._spare_slot = spare_slot
        self._inputs = torch.zeros(_KINDS * max_rows, dtype=torch.long, device=device)
        self._recorded: dict[int, Compute] = {}

    def record(self) -> None:
        """Record all sizes, the largest first, so that the others fit into its memory."""
        started = monotonic()
        try:
            for size in reversed(self._sizes):
                self._recorded[size] = self._record(size)
        except RuntimeError as error:
            self._recorded.clear()
            line = (str(error).strip() or type(error).__name__).splitlines()[0]
            log.warning("engine.no_graphs", size=size, because=line)
            return
        log.info("engine.graphs", sizes=self._sizes, seconds=round(monotonic() - started, 1))

    def run(
        self, ids: Sequence[int], positions: Sequence[int], slots: Sequence[int]
    ) -> torch.Tensor | None:
        """Logits `[rows, vocab]`, good until the next run; None where nothing was recorded."""
        if not self._recorded:
            return None
        size = next_size(self._sizes, len(ids))
        inputs = padded(ids, positions, slots, size=size, spare_slot=self._spare_slot)
        self._fill(inputs)
        return self._recorded[size]()[: len(ids)]

    def _record(self, size: int) -> Compute:
        self._fill(padded((), (), (), size=size, spare_slot=self._spare_slot))
        rows = self._inputs[: _KINDS * size].view(_KINDS, size)
        return self._recorder.record(lambda: self._compute(rows))

    def _fill(self, inputs: list[int]) -> None:
        pins = self._inputs.is_cuda
        given = torch.tensor(inputs, dtype=torch.long, pin_memory=pins)
        self._inputs[: len(inputs)].copy_(given, non_blocking=True)


def sizes(max_rows: int) -> tuple[int, ...]:
    """The numbers of rows to record: 1, 2, 4, then by eights, then by quarters of the power of two
    below, and `max_rows`: under a quarter of what a large step computes is padding."""
    found, size = [1, 2, 4], 8
    while size < max_rows:
        found.append(size)
        size += max(8, 2 ** (size.bit_length() - 3))
    return (*(one for one in found if one < max_rows), max_rows)


def next_size(known: Sequence[int], num_rows: int) -> int:
    """The smallest known size for so many rows. `known` ascends and reaches it."""
    return known[bisect_left(known, num_rows)]


def padded(
    ids: Sequence[int],
    positions: Sequence[int],
    slots: Sequence[int],
    *,
    size: int,
    spare_slot: int,
) -> list[int]:
    """Ids, positions and slots one after the other, each `size` long."""
    num = size - len(ids)
    return [*ids, *[0] * num, *positions, *[0] * num, *slots, *[spare_slot] * num]
