"""Who waits, who runs, and what the next step computes.

Owns the queues and the rows' states. A step computes one token for each growing answer, and at
most `prefill_chunk` tokens of prompts, so that a long prompt cannot hold up the answers that are
being read. No torch here; room is handed out by the cache.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from bot.engine.people import People
from bot.engine.request import Row, State

_MIN_CHUNK: Final = 16
"""Prompt tokens of a step that are left however short memory is."""

_CALM_STEPS: Final = 64
"""Steps that must succeed before a step may again be larger, after one that was too large."""


@dataclass(frozen=True, slots=True)
class Span:
    """Part of a row's tokens: `start` to `start + count`."""

    row: Row
    start: int
    count: int

    @property
    def is_last(self) -> bool:
        """Whether a token is drawn after it."""
        return self.start + self.count == self.row.num_tokens


@dataclass(frozen=True, slots=True)
class Step:
    """What one step computes: one token for each of `decode`, and the spans of `prefill`."""

    decode: tuple[Row, ...]
    prefill: tuple[Span, ...]

    @property
    def is_empty(self) -> bool:
        return not self.decode and not self.prefill


class Scheduler:
    """The rows that run, `max_running` at most and `max_running_person` of one person, and those
    that wait."""

    def __init__(
        self, *, max_running: int, prefill_chunk: int, max_running_person: int | None = None
    ) -> None:
        self._max_running = self._may_run = max_running
        self._prefill_chunk = self._chunk = prefill_chunk
        self._people = People(max_running=max_running_person or max_running)
        self._running: dict[str, Row] = {}
        self._with_deadline: dict[str, Row] = {}
        self._numbers = count()
        self._num_calm = 0

    @property
    def num_waiting(self) -> int:
        return self._people.num_waiting

    @property
    def num_running(self) -> int:
        return len(self._running)

    @property
    def is_idle(self) -> bool:
        return not self.num_waiting and not self._running

    def add(self, row: Row) -> None:
        """Queue a row; its id must be new."""
        if self.find(row.request.id) is not None:
            raise ValueError(f"request {row.request.id} is under way")
        row.number = next(self._numbers)
        self._people.wait(row)
        if row.request.deadline is not None:
            self._with_deadline[row.request.id] = row

    def next_waiting(self) -> Row | None:
        """The row to start next, or None when there is none or every place is taken."""
        return self._people.next_waiting() if len(self._running) < self._may_run else None

    def start(self, row: Row) -> None:
        """Let a waiting row run."""
        self._people.start(row)
        row.state = State.RUNNING
        self._running[row.request.id] = row

    def youngest(self) -> Row:
        """The running row that came last. Raises ValueError when none runs."""
        return max(self._running.values(), key=lambda row: row.number)

    def preempt(self, row: Row) -> None:
        """Let a running row wait again, before all others of its person."""
        del self._running[row.request.id]
        row.state = State.WAITING
        self._people.wait(row, first=True)
        self._people.leave(row, was_running=True)

    def find(self, request_id: str) -> Row | None:
        """The waiting or running row of that id."""
        return self._running.get(request_id) or self._people.find(request_id)

    def remove(self, row: Row) -> None:
        """Take a row off its queue, finished."""
        was_running = row.state is State.RUNNING
        if was_running:
            del self._running[row.request.id]
        self._people.leave(row, was_running=was_running)
        self._with_deadline.pop(row.request.id, None)
        row.state = State.FINISHED

    def rows(self) -> tuple[Row, ...]:
        """All rows, those that run first."""
        return (*self._running.values(), *self._people.in_order())

    def running(self) -> tuple[Row, ...]:
        """The running rows, oldest first."""
        return tuple(sorted(self._running.values(), key=lambda row: row.number))

    def overdue(self, now: float) -> tuple[Row, ...]:
        """Rows whose deadline has come; `now` in seconds of `time.monotonic`."""
        rows = self._with_deadline.values()
        return tuple(
            r for r in rows if r.request.deadline is not None and r.request.deadline <= now
        )

    def positions(self) -> dict[str, int]:
        """How many rows would start up to and with each waiting one, by request id."""
        return {row.request.id: n for n, row in enumerate(self._people.in_order(), 1)}

    def plan(self) -> Step:
        """The next step."""
        decode = tuple(row for row in self._running.values() if not row.is_prefill)
        prefilling = [row for row in self._running.values() if row.is_prefill]
        prefilling.sort(key=lambda row: (*self._people.turn(row), row.number))
        return Step(decode, tuple(_spans(prefilling, self._chunk)))

    def advance(self, step: Step) -> None:
        """Count a step that was computed."""
        for row in step.decode:
            self._compute(row, 1)
        for span in step.prefill:
            self._compute(span.row, span.count)
        self._num_calm += 1
        if self._num_calm % _CALM_STEPS == 0:
            self._chunk = min(2 * self._chunk, self._prefill_chunk)
            self._may_run = min(self._may_run + 1, self._max_running)

    def shrink(self, step: Step) -> Row | None:
        """Make steps smaller, as memory was too small for this one: fewer prompt tokens, or else
        the row to preempt, whose place is not given to another for a while."""
        self._num_calm = 0
        if step.prefill and self._chunk > _MIN_CHUNK:
            self._chunk = max(_MIN_CHUNK, min(self._chunk, sum(s.count for s in step.prefill)) // 2)
            return None
        self._may_run = max(1, len(self._running) - 1)
        return self.youngest()

    def _compute(self, row: Row, num_tokens: int) -> None:
        row.num_computed += num_tokens
        # What is computed a second time, after the row was preempted, is nobody's gain.
        if row.num_computed > row.num_charged:
            first = max(row.num_charged, row.num_computed - num_tokens)
            self._people.serve(row, row.num_computed - first)
            row.num_charged = row.num_computed


def _spans(rows: Iterable[Row], budget: int) -> Iterable[Span]:
    for row in rows:
        count = min(budget, row.num_tokens - row.num_computed)
        if count == 0:
            return
        yield Span(row, row.num_computed, count)
        budget -= count
