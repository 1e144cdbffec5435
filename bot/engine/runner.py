"""One forward pass of a planned step: the only caller of the model.

Owns the model and the cache. It changes no queue: it is told rows and spans, and gives logits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Final

import psutil
import structlog
import torch

from bot.engine import ragged
from bot.engine.attention import Group, Layout, Piece, grouped
from bot.engine.backend import Backend
from bot.engine.cache import NUM_UNUSED, Cache
from bot.engine.graphs import Graphs
from bot.engine.lora import watched
from bot.engine.lora_step import LoraHooks
from bot.engine.paged import Tables, Tail, tables_of, tables_of_decoded
from bot.engine.ragged import Rows
from bot.engine.request import Request, Row, Sampling
from bot.engine.scheduler import Span, Step
from bot.engine.upload import upload
from bot.engine.weights import LoadedModel
from bot.errors import ModelError

log = structlog.get_logger(__name__)

MIN_CONTEXT: Final = 256
"""Tokens; a chat with room for less is of no use."""

_MEMORY_SHARE = 0.8
"""Of the free memory, what all keys and values together may fill."""

_CPU_SHARE, _CPU_MB = 0.5, 1024
"""The same on the CPU, whose memory others need too; and the most if no setting says more."""

_MB = 1024 * 1024

_CHECK_TOKENS = 3


class Runner:
    """Runs steps of up to `num_slots` rows of up to `loaded.context` tokens."""

    def __init__(self, loaded: LoadedModel, *, num_slots: int) -> None:
        self._model = loaded.model
        self._device = loaded.device
        self.cache = Cache(
            num_slots=num_slots,
            num_blocks=loaded.num_blocks,
            block_size=loaded.backend.block_size,
            context=loaded.context,
            device=loaded.device,
        )
        self._context = loaded.context
        self._kernel = loaded.backend.kernel
        self._lora = LoraHooks(loaded.model, loaded.linears)
        self._is_ragged = ragged.can_run(loaded.device, next(loaded.model.parameters()).dtype)
        self._graphs = self._graphs_of(loaded.backend)

    @property
    def is_on_cpu(self) -> bool:
        return self._device.type == "cpu"

    def prepare(self) -> None:
        """Before the first step, on the thread that runs them: record what can be. Takes seconds
        on a device that records, and nothing on others."""
        if self._graphs is not None:
            self.cache.refresh()
            self._graphs.record()
            self.relieve()

    def run(self, step: Step) -> tuple[torch.Tensor, list[int]]:
        """Logits `[rows, vocab]` and the slots that the first of them belong to.

        One row for each decoded token, then one for each span that reaches its row's newest token,
        then one for each position that is `scored`, span by span. The packed tokens are in the
        same order; each adapter's are side by side, and shortest answers first.
        """
        self.cache.refresh()
        decode = sorted(step.decode, key=lambda row: (row.request.release, row.num_computed))
        adapters = [(row.request.adapter, 1) for row in decode]
        adapters += [(span.row.request.adapter, span.count) for span in step.prefill]
        positions = [row.num_computed for row in decode]
        ids = [row.tokens(row.num_computed, row.num_tokens)[0] for row in decode]
        token_slots = [row.slot for row in decode]
        slots, wanted = list(token_slots), list(range(len(ids)))
        scored: list[int] = []
        pieces: list[Piece] = []
        for span in step.prefill:
            end, first = span.start + span.count, len(ids)
            ids += span.row.tokens(span.start, end)
            positions += range(span.start, end)
            token_slots += [span.row.slot] * span.count
            pieces.append(Piece(span.row.slot, span.start, first, len(ids)))
            scored += (first + position - span.start for position in span.scored)
            if span.is_last:
                wanted.append(len(ids) - 1)
                slots.append(span.row.slot)
        if self._graphs is not None and not pieces and not any(one for one, _ in adapters):
            recorded = self._graphs.run(ids, positions, token_slots)
            if recorded is not None:
                return recorded, slots
        packed = upload([ids, positions, token_slots], self._device)
        layout = self._layout(decode, pieces, packed)
        with self._lora.applied(adapters):
            logits = self._forward(packed, layout, keep=upload(wanted + scored, self._device))
        return logits, slots

    def _layout(
        self, decode: Sequence[Row], pieces: Sequence[Piece], packed: torch.Tensor
    ) -> Layout | Tables:
        """What attention is told of a step, in the words of the backend."""
        if self._kernel is None:
            rows = self._rows(decode, packed)
            return Layout(
                cache=self.cache,
                slots=packed[2],
                positions=packed[1],
                rows=rows,
                groups=() if rows else tuple(_groups(decode, self.cache)),
                pieces=tuple(pieces),
            )
        tails = [Tail(row.slot, row.num_computed, row.num_computed + 1) for row in decode]
        tails += [Tail(piece.slot, piece.start, piece.end) for piece in pieces]
        return tables_of(self.cache, self._kernel, tails, slots=packed[2], positions=packed[1])

    def _rows(self, decode: Sequence[Row], packed: torch.Tensor) -> Rows | None:
        """The growing rows, where their attention is compiled."""
        if not decode or not self._is_ragged:
            return None
        longest = max(row.num_computed for row in decode) + 1
        slots, lengths = packed[2, : len(decode)], packed[1, : len(decode)] + 1
        return Rows(slots, lengths, self.cache.tables, longest)

    def _forward(
        self, packed: torch.Tensor, layout: Layout | Tables, *, keep: torch.Tensor | int
    ) -> torch.Tensor:
        output = self._model(
            input_ids=packed[0][None],
            position_ids=packed[1][None],
            logits_to_keep=keep,
            use_cache=False,
            layout=layout,
        )
        logits: torch.Tensor = output.logits[0]
        return logits

    def _graphs_of(self, backend: Backend) -> Graphs | None:
        """Decode steps to record: all of them one token a row, on the bare model."""
        kernel = backend.kernel
        if backend.recorder is None or kernel is None:
            return None

        def compute(packed: torch.Tensor) -> torch.Tensor:
            # A graph keeps the largest number of keys that it was recorded with.
            tables = tables_of_decoded(
                self.cache, kernel, slots=packed[2], positions=packed[1], max_k=self._context
            )
            return self._forward(packed, tables, keep=0)  # 0 is transformers' word for all

        return Graphs(
            compute,
            backend.recorder(self._device),
            max_rows=self.cache.num_slots,
            spare_slot=self.cache.spare_slot,
            device=self._device,
        )

    def reset(self) -> None:
        """Forget all that was computed, after a step that failed half-way; no row has room."""
        self.cache.reset()
        self.relieve()

    def relieve(self) -> None:
        """Give back device memory that nothing is in."""
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _groups(decode: Sequence[Row], cache: Cache) -> Iterator[Group]:
    """The groups of all decoded tokens, whose rows are in ascending order within a release."""
    first = 0
    for _, rows in groupby(decode, key=lambda row: row.request.release):
        num_blocks = [row.num_computed // cache.block_size + 1 for row in rows]
        for group in grouped(num_blocks, block_bytes=cache.block_bytes):
            yield replace(group, first=first + group.first, last=first + group.last)
        first += len(num_blocks)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a step failed because memory was too small for it."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    # torch has no class for the CPU's allocator; this is how it and the device libraries word it.
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )


def fitted(loaded: LoadedModel, *, kv_memory_mb: int | None = None) -> LoadedModel:
    """The model with as many blocks as memory allows, and its context cut to what they hold.

    `kv_memory_mb`: memory for keys and values, in MiB; None takes a share of what is free. Runs
    the model once, so whatever it cannot do here shows now and not under the first question.
    Raises ModelError then, or when memory is too small.
    """
    try:
        with watched(loaded.model) as linears:
            block_bytes = _block_bytes(loaded)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"the model {loaded.id} cannot run here: {line}") from error
    num_blocks = _kv_bytes(loaded.device, kv_memory_mb) // block_bytes - NUM_UNUSED
    context = min(loaded.context, num_blocks * loaded.backend.block_size)
    if context < min(MIN_CONTEXT, loaded.context):
        raise ModelError(
            f"memory for {max(0, context)} tokens is left, {MIN_CONTEXT} are needed: free some, "
            "or set serve.kv_memory_mb higher"
        )
    if context < loaded.context:
        log.warning("engine.context_cut_by_memory", tokens=context, model=loaded.context)
    return replace(loaded, context=context, num_blocks=num_blocks, linears=tuple(linears))


def _block_bytes(loaded: LoadedModel) -> int:
    """The cache's bytes of one block, found by a prompt in two parts and a token."""
    runner = Runner(replace(loaded, num_blocks=1), num_slots=1)
    row = Row(Request("check", tuple(range(_CHECK_TOKENS)), Sampling(max_tokens=1)))
    runner.cache.allocate(row)
    with torch.inference_mode():
        for start, count in ((0, 2), (2, 1)):
            runner.run(Step((), (Span(row, start, count),)))
        row.num_computed, row.output = _CHECK_TOKENS, [_CHECK_TOKENS]
        logits, _ = runner.run(Step((row,), ()))
    if logits.shape[1] < loaded.vocab_size or runner.cache.num_layers != loaded.num_layers:
        raise NotImplementedError("not all of its layers use the attention they are given")
    return runner.cache.num_bytes // (1 + NUM_UNUSED)


def _kv_bytes(device: torch.device, setting_mb: int | None) -> int:
    """Bytes that keys and values may fill."""
    free = _free_bytes(device)
    most = int(free * _MEMORY_SHARE)
    if setting_mb is not None:
        if setting_mb * _MB > most:
            log.warning("engine.kv_memory_cut", asked_mb=setting_mb, allowed_mb=most // _MB)
        return min(setting_mb * _MB, most)
    return most if device.type == "cuda" else min(int(free * _CPU_SHARE), _CPU_MB * _MB)


def _free_bytes(device: torch.device) -> int:
    """Memory that is left on the device; on the CPU also under the process's own limit."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free: int = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return free
