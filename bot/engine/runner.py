"""One forward pass of a planned step: the only caller of the model.

Owns the model and the cache. It changes no queue: it is told rows and spans, and gives logits.
"""

from dataclasses import replace
from pathlib import Path

import psutil
import structlog
import torch

from bot.engine.attention import Layout, Piece
from bot.engine.cache import Cache
from bot.engine.lora import LoraHooks, watched
from bot.engine.request import Request, Row, Sampling
from bot.engine.scheduler import Span, Step
from bot.engine.weights import LoadedModel
from bot.errors import ModelError

log = structlog.get_logger(__name__)

MIN_CONTEXT = 256
"""Tokens; a chat with room for less is of no use."""

_MEMORY_SHARE = 0.8
"""Of the free memory, what all keys and values together may fill."""

_CHECK_TOKENS = 64


class Runner:
    """Runs steps of up to `num_slots` rows of up to `context` tokens."""

    def __init__(self, loaded: LoadedModel, *, num_slots: int, context: int) -> None:
        self._model = loaded.model
        self._device = loaded.device
        self.cache = Cache(num_slots=num_slots, context=context)
        self._lora = LoraHooks(loaded.model, loaded.linears)

    def run(self, step: Step) -> tuple[torch.Tensor, list[int]]:
        """Logits `[rows, vocab]` and the slots that the first of them belong to.

        One row for each decoded token, then one for each prompt that this step completes, then
        one for each position that is `scored`, span by span.
        """
        adapters = [(row.request.adapter, 1) for row in step.decode]
        adapters += [(span.row.request.adapter, span.count) for span in step.prefill]
        decoded = [row.num_computed for row in step.decode]
        ids = [row.output[-1] for row in step.decode]
        positions = list(decoded)
        wanted = list(range(len(ids)))
        slots = [row.slot for row in step.decode]
        scored: list[int] = []
        pieces: list[Piece] = []
        for span in step.prefill:
            end, first = span.start + span.count, len(ids)
            ids += span.row.request.tokens[span.start : end]
            positions += range(span.start, end)
            pieces.append(Piece(span.row.slot, span.start, first, len(ids)))
            scored += (first + position - span.start for position in span.scored)
            if end == span.row.num_prompt:
                wanted.append(len(ids) - 1)
                slots.append(span.row.slot)
        self.cache.reserve(1 + max(positions))
        layout = Layout(
            cache=self.cache,
            slots=self._tensor([row.slot for row in step.decode]),
            positions=self._tensor(decoded),
            longest=1 + max(decoded, default=0),
            pieces=tuple(pieces),
        )
        with self._lora.applied(adapters):
            output = self._model(
                input_ids=self._tensor(ids)[None],
                position_ids=self._tensor(positions)[None],
                logits_to_keep=self._tensor(wanted + scored),
                use_cache=False,
                layout=layout,
            )
        logits: torch.Tensor = output.logits[0]
        return logits, slots

    def reset(self) -> None:
        """Forget all rooms, after a step that failed half-way."""
        self.cache.reset()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _tensor(self, numbers: list[int]) -> torch.Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._device)


def fitted(loaded: LoadedModel, *, num_slots: int) -> LoadedModel:
    """The model with its context cut to what memory allows `num_slots` answers to fill.

    Runs it once, so whatever it cannot do here shows now and not under the first question. Raises
    ModelError then, or when memory is too small.
    """
    try:
        with watched(loaded.model) as linears:
            num_bytes = _bytes_per_token(loaded)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"the model {loaded.id} cannot run here: {line}") from error
    free = _free_bytes(loaded.device)
    context = min(loaded.context, int(free * _MEMORY_SHARE) // (num_bytes * num_slots))
    if context < MIN_CONTEXT <= loaded.context:
        raise ModelError(
            f"memory for {context} tokens an answer is left with serve.max_running = {num_slots}; "
            f"{MIN_CONTEXT} are needed"
        )
    if context < loaded.context:
        log.warning("engine.context_cut_by_memory", tokens=context, model=loaded.context)
    return replace(loaded, context=context, linears=tuple(linears))


def _bytes_per_token(loaded: LoadedModel) -> int:
    """The cache's bytes per token of one slot, found by a prompt in two parts and a token."""
    runner = Runner(loaded, num_slots=1, context=_CHECK_TOKENS)
    row = Row(Request("check", (0, 1, 2), Sampling(max_tokens=1)), slot=runner.cache.allocate())
    with torch.inference_mode():
        runner.run(Step((), (Span(row, 0, 2),)))
        runner.run(Step((), (Span(row, 2, 1),)))
        row.num_computed, row.output = 3, [3]
        logits, _ = runner.run(Step((row,), ()))
    if logits.shape[1] < loaded.vocab_size or runner.cache.num_layers != loaded.num_layers:
        raise NotImplementedError("not all of its layers use the attention they are given")
    return runner.cache.num_bytes // _CHECK_TOKENS


def _free_bytes(device: torch.device) -> int:
    """Memory that is left on the device; on the CPU also under the process's own limit."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    free: int = psutil.virtual_memory().available
    limit, used = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")
    if limit.is_file() and (text := limit.read_text().strip()) != "max":
        free = min(free, int(text) - int(used.read_text()))
    return free
