"""Who waits, who runs, and what the next step computes.

Owns the two queues and the rows' states. First come, first served. A step computes one token for
each growing answer, and at most `prefill_chunk` tokens of prompts, so that a long prompt cannot
hold up the answers that are being read. No torch here; room is handed out by the cache.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.engine.request import SCORED_CHUNK, Row, State


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a row's prompt: tokens `start` to `start + count`."""

    row: Row
    start: int
    count: int

    @property
    def scored(self) -> range:
        """The positions whose logits tell how probable the prompt's next token was, if asked."""
        row = self.row
        if row.request.sampling.prompt_logprobs is None:
            return range(0)
        # What was scored before stays, should a row be computed anew.
        first = max(self.start, len(row.prompt_scores))
        return range(first, min(self.start + self.count, row.num_prompt - 1))


@dataclass(frozen=True, slots=True)
class Step:
    """What one step computes: one token for each of `decode`, and the spans of `prefill`."""

    decode: tuple[Row, ...]
    prefill: tuple[Span, ...]

    def by_release(self) -> "Step":
        """The step with each adapter's tokens side by side: one product, not one for each row."""
        return Step(
            tuple(sorted(self.decode, key=lambda row: row.request.release)),
            tuple(sorted(self.prefill, key=lambda span: span.row.request.release)),
        )


class Scheduler:
    """The queues, in order of arrival."""

    def __init__(self, *, max_running: int, prefill_chunk: int) -> None:
        self._max_running = max_running
        self._prefill_chunk = prefill_chunk
        self._waiting: dict[str, Row] = {}
        self._running: dict[str, Row] = {}

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def is_idle(self) -> bool:
        return not self._waiting and not self._running

    def add(self, row: Row) -> None:
        """Queue a row; its id must be new."""
        if self.find(row.request.id) is not None:
            raise ValueError(f"request {row.request.id} is under way")
        self._waiting[row.request.id] = row

    def next_waiting(self) -> Row | None:
        """The row to start next, or None when nobody waits or every place is taken."""
        if len(self._running) >= self._max_running:
            return None
        return next(iter(self._waiting.values()), None)

    def start(self, row: Row, slot: int) -> None:
        """Let a waiting row run in the room `slot`."""
        del self._waiting[row.request.id]
        row.state, row.slot = State.RUNNING, slot
        self._running[row.request.id] = row

    def find(self, request_id: str) -> Row | None:
        """The waiting or running row of that id."""
        return self._running.get(request_id) or self._waiting.get(request_id)

    def remove(self, row: Row) -> None:
        """Take a row off its queue, finished."""
        (self._running if row.state is State.RUNNING else self._waiting).pop(row.request.id)
        row.state = State.FINISHED

    def rows(self) -> tuple[Row, ...]:
        """All rows, those that run first."""
        return (*self._running.values(), *self._waiting.values())

    def running(self) -> tuple[Row, ...]:
        return tuple(self._running.values())

    def plan(self) -> Step:
        """The next step."""
        decode = tuple(row for row in self._running.values() if not row.is_prefill)
        prefilling = (row for row in self._running.values() if row.is_prefill)
        return Step(decode, tuple(_spans(prefilling, self._prefill_chunk))).by_release()


def _spans(rows: Iterable[Row], budget: int) -> Iterable[Span]:
    for row in rows:
        count = min(budget, row.num_prompt - row.num_computed)
        if row.request.sampling.prompt_logprobs is not None:
            count = min(count, SCORED_CHUNK)
        if count == 0:
            return
        yield Span(row, row.num_computed, count)
        budget -= count
