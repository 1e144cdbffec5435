"""Who waits, who runs, and what a step holds."""

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.engine.request import Request, Row, State
from bot.engine.scheduler import Scheduler, Span
from tests.bot.engine.support import greedy


def row(name: str, num_prompt: int = 4, *, person: str = "", deadline: float | None = None) -> Row:
    tokens = tuple(range(num_prompt))
    return Row(Request(name, tokens, greedy(5), person=person, deadline=deadline))


def started(scheduler: Scheduler, *rows: Row) -> None:
    for one in rows:
        scheduler.add(one)
        scheduler.start(one)


def run_in_turn(scheduler: Scheduler, num_tokens: int = 5) -> list[str]:
    """Run all waiting rows one after the other, each to `num_tokens` of output."""
    order = []
    while one := scheduler.next_waiting():
        scheduler.start(one)
        order.append(one.request.id)
        while len(one.output) < num_tokens:
            step = scheduler.plan()
            scheduler.advance(step)
            if not one.is_prefill:
                one.output.append(1)
        scheduler.remove(one)
    return order


def test_rows_start_in_the_order_they_came_while_there_are_places() -> None:
    scheduler = Scheduler(max_running=2, prefill_chunk=16)
    rows = [row(name) for name in "abc"]
    for one in rows:
        scheduler.add(one)
    for one in rows[:2]:
        assert scheduler.next_waiting() is one
        scheduler.start(one)
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
    scheduler.add(row("a"))
    with pytest.raises(ValueError, match="under way"):
        scheduler.add(row("a", person="somebody else"))


def test_a_step_holds_every_growing_answer_and_a_bounded_share_of_prompts() -> None:
    scheduler = Scheduler(max_running=4, prefill_chunk=16)
    growing, short, long, behind = row("g", 3), row("s", 6), row("l", 100), row("b", 5)
    started(scheduler, growing, short, long, behind)
    growing.num_computed = 3
    growing.output.append(1)
    step = scheduler.plan()
    assert step.decode == (growing,)
    assert step.prefill == (Span(short, 0, 6), Span(long, 0, 10))
    assert [span.is_last for span in step.prefill] == [True, False]
    scheduler.advance(step)
    short.output.append(1)
    step = scheduler.plan()
    assert short in step.decode
    assert step.prefill == (Span(long, 10, 16),)


def test_a_scheduler_is_idle_until_a_row_comes_and_after_it_went() -> None:
    scheduler = Scheduler(max_running=1, prefill_chunk=16)
    waiting = row("a")
    idle = [scheduler.is_idle]
    scheduler.add(waiting)
    idle.append(scheduler.is_idle)
    scheduler.remove(waiting)
    idle.append(scheduler.is_idle)
    assert idle == [True, False, True]
    assert scheduler.find("a") is None


def test_people_take_turns_however_many_requests_each_has() -> None:
    scheduler = Scheduler(max_running=1, prefill_chunk=16)
    for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1"):
        scheduler.add(row(name, person=name[0]))
    assert run_in_turn(scheduler) == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_a_turn_is_counted_in_tokens() -> None:
    scheduler = Scheduler(max_running=1, prefill_chunk=64)
    for name, length in (("a1", 100), ("a2", 100), ("b1", 20), ("b2", 20), ("b3", 20), ("b4", 20)):
        scheduler.add(row(name, length, person=name[0]))
    assert run_in_turn(scheduler) == ["a1", "b1", "b2", "b3", "b4", "a2"]


def test_nobody_saves_up_turns_while_away() -> None:
    scheduler = Scheduler(max_running=1, prefill_chunk=16)
    for number in range(6):
        scheduler.add(row(f"a{number}", person="a"))
    first = scheduler.next_waiting()
    assert first
    scheduler.start(first)
    while len(first.output) < 50:
        scheduler.advance(scheduler.plan())
        first.output.append(1)
    scheduler.remove(first)
    for number in range(3):
        scheduler.add(row(f"b{number}", person="b"))
    assert run_in_turn(scheduler) == ["b0", "a1", "b1", "a2", "b2", "a3", "a4", "a5"]


def test_one_person_s_running_rows_are_limited_but_those_of_nobody_are_not() -> None:
    scheduler = Scheduler(max_running=8, max_running_person=2, prefill_chunk=16)
    names = [*(f"a{n}" for n in range(4)), *(f"b{n}" for n in range(3))]
    for name in names:
        scheduler.add(row(name, person=name[0]))
    for number in range(4):
        scheduler.add(row(f"nobody{number}"))
    running = []
    while one := scheduler.next_waiting():
        scheduler.start(one)
        running.append(one.request.id)
    assert sorted(running) == ["a0", "a1", "b0", "b1", *(f"nobody{n}" for n in range(4))]


def test_prompts_take_turns_too() -> None:
    scheduler = Scheduler(max_running=8, prefill_chunk=16)
    started(scheduler, *(row(f"a{n}", 40, person="a") for n in range(5)))
    scheduler.advance(scheduler.plan())
    started(scheduler, row("b", 40, person="b"))
    given = {"a": 0, "b": 0}
    for _ in range(4):
        step = scheduler.plan()
        for span in step.prefill:
            given[span.row.request.person] += span.count
        scheduler.advance(step)
    assert given == {"a": 32, "b": 32}


def test_the_positions_are_the_order_in_which_rows_start() -> None:
    scheduler = Scheduler(max_running=1, prefill_chunk=16)
    for name in ("a1", "a2", "a3", "b1", "c1", "c2"):
        scheduler.add(row(name, person=name[0]))
    positions = scheduler.positions()
    assert sorted(positions.values()) == [1, 2, 3, 4, 5, 6]
    assert run_in_turn(scheduler) == sorted(positions, key=lambda name: positions[name])
    assert scheduler.positions() == {}


def test_the_youngest_is_preempted_and_comes_back_before_its_person_s_others() -> None:
    scheduler = Scheduler(max_running=3, prefill_chunk=16)
    rows = [row(name, person="a") for name in "abcd"]
    for one in rows:
        scheduler.add(one)
    for one in rows[:3]:
        scheduler.start(one)
    assert scheduler.youngest() is rows[2]
    scheduler.preempt(rows[2])
    assert rows[2].state is State.WAITING
    assert scheduler.find("c") is rows[2]
    assert scheduler.next_waiting() is rows[2]
    scheduler.start(rows[2])
    assert scheduler.youngest() is rows[2]


def test_what_is_computed_again_after_a_preemption_costs_no_turn() -> None:
    scheduler = Scheduler(max_running=2, prefill_chunk=64)
    one, other = row("a", 50, person="a"), row("b", 60, person="b")
    started(scheduler, other, one)
    scheduler.advance(scheduler.plan())  # all of b, and four tokens of a
    scheduler.advance(scheduler.plan())
    scheduler.preempt(one)
    one.num_computed = 0
    scheduler.start(one)
    scheduler.advance(scheduler.plan())  # 50 tokens a second time
    scheduler.add(row("b2", person="b"))
    scheduler.add(row("a2", person="a"))
    scheduler.remove(other)
    following = scheduler.next_waiting()
    assert following
    assert following.request.id == "a2"


def test_a_deadline_is_told_when_it_has_come_and_until_the_row_ends() -> None:
    scheduler = Scheduler(max_running=1, prefill_chunk=16)
    soon, late, never = row("a", deadline=1.0), row("b", deadline=5.0), row("c")
    for one in (soon, late, never):
        scheduler.add(one)
    scheduler.start(soon)
    assert scheduler.overdue(0.5) == ()
    assert scheduler.overdue(1.0) == (soon,)
    assert scheduler.overdue(9.0) == (soon, late)
    scheduler.remove(soon)
    scheduler.remove(late)
    assert scheduler.overdue(9.0) == ()


def test_steps_shrink_when_memory_is_short_and_grow_again_after_a_calm_while() -> None:
    scheduler = Scheduler(max_running=3, prefill_chunk=64)
    long, other = row("a", 5000), row("b", 5000)
    started(scheduler, long, other)
    sizes = []
    for _ in range(2):
        assert scheduler.shrink(scheduler.plan()) is None
        sizes.append(sum(span.count for span in scheduler.plan().prefill))
    assert sizes == [32, 16]
    assert scheduler.shrink(scheduler.plan()) is other
    scheduler.preempt(other)
    assert scheduler.next_waiting() is None
    for _ in itertools.repeat(None, 64):
        scheduler.advance(scheduler.plan())
    assert scheduler.next_waiting() is other
    assert sum(span.count for span in scheduler.plan().prefill) == 32


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["come", "come", "start", "preempt", "end", "leave"]),
        st.sampled_from(["", "ann", "ben"]),
        st.integers(0, 9),
    ),
    max_size=60,
)


@given(moves=MOVES, max_running=st.integers(1, 4), max_person=st.integers(1, 3))
def test_every_row_is_counted_once_however_often_it_is_preempted(
    moves: list[tuple[str, str, int]], max_running: int, max_person: int
) -> None:
    scheduler = Scheduler(max_running=max_running, max_running_person=max_person, prefill_chunk=16)
    waiting: list[Row] = []
    running: list[Row] = []
    for number, (move, person, which) in enumerate(moves):
        if move == "come":
            waiting.append(row(f"r{number}", person=person, deadline=1.0))
            scheduler.add(waiting[-1])
        elif move == "start" and (following := scheduler.next_waiting()):
            scheduler.start(following)
            waiting.remove(following)
            running.append(following)
        elif move == "preempt" and running:
            back = scheduler.youngest()
            scheduler.preempt(back)
            running.remove(back)
            waiting.append(back)
        elif move in {"end", "leave"} and (rows := running if move == "end" else waiting):
            scheduler.remove(rows.pop(which % len(rows)))
        assert (scheduler.num_running, scheduler.num_waiting) == (len(running), len(waiting))
        assert set(scheduler.running()) == set(running)
        assert set(scheduler.positions()) == {one.request.id for one in waiting}
        assert set(scheduler.overdue(1.0)) == {*running, *waiting}
        busy = Counter(one.request.person for one in running)
        assert all(num <= max_person for name, num in busy.items() if name)
        able = [o for o in waiting if not o.request.person or busy[o.request.person] < max_person]
        may_start = bool(able) and len(running) < max_running
        assert (scheduler.next_waiting() is not None) == may_start
    for one in scheduler.rows():
        scheduler.remove(one)
    assert scheduler.is_idle
    assert scheduler.overdue(1.0) == ()
