"""Who waits, who runs, and what a step holds."""

import pytest

from bot.engine.request import Request, Row, State
from bot.engine.scheduler import Scheduler
from tests.bot.engine.support import greedy


def row(name: str, num_prompt: int) -> Row:
    return Row(Request(name, tuple(range(num_prompt)), greedy(5)))


def started(scheduler: Scheduler, *rows: Row) -> None:
    for slot, one in enumerate(rows):
        scheduler.add(one)
        scheduler.start(one, slot)


def test_rows_start_in_the_order_they_came_while_there_are_places() -> None:
    scheduler = Scheduler(max_running=2, prefill_chunk=16)
    rows = [row(name, 4) for name in "abc"]
    for one in rows:
        scheduler.add(one)
    for slot, one in enumerate(rows[:2]):
        assert scheduler.next_waiting() is one
        scheduler.start(one, slot)
    assert scheduler.next_waiting() is None
    scheduler.remove(rows[0])
    assert scheduler.next_waiting() is rows[2]
    assert (rows[0].state, rows[1].state, rows[2].state) == (
        State.FINISHED,
        State.RUNNING,
        State.WAITING,
    )
    assert (scheduler.num_running, scheduler.num_waiting) == (1, 1)


def test_an_id_is_taken_once() -> None:
    scheduler = Scheduler(max_running=2, prefill_chunk=16)
    scheduler.add(row("a", 4))
    with pytest.raises(ValueError, match="under way"):
        scheduler.add(row("a", 4))


def test_a_step_holds_every_growing_answer_and_a_bounded_share_of_prompts() -> None:
    scheduler = Scheduler(max_running=4, prefill_chunk=16)
    growing, short, long, behind = row("g", 3), row("s", 6), row("l", 100), row("b", 5)
    started(scheduler, growing, short, long, behind)
    growing.num_computed = 3
    step = scheduler.plan()
    assert step.decode == (growing,)
    assert [(s.row, s.start, s.count) for s in step.prefill] == [(short, 0, 6), (long, 0, 10)]
    for span in step.prefill:
        span.row.num_computed += span.count
    step = scheduler.plan()
    assert step.decode == (growing, short)
    assert [(s.row, s.start, s.count) for s in step.prefill] == [(long, 10, 16)]


def test_a_scheduler_is_idle_until_a_row_comes_and_after_it_went() -> None:
    scheduler = Scheduler(max_running=1, prefill_chunk=16)
    waiting = row("a", 4)
    idle = [scheduler.is_idle]
    scheduler.add(waiting)
    idle.append(scheduler.is_idle)
    scheduler.remove(waiting)
    idle.append(scheduler.is_idle)
    assert idle == [True, False, True]
    assert scheduler.find("a") is None
