"""The edit budget: the last text first, then the first, then who was shown longest ago."""

import asyncio
import gc
import weakref
from collections.abc import Mapping
from copy import deepcopy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.pacing import Pace, Pacing, Rank, Share, Way, kept
from adapters.rates import Allowance, Limit, Log, Rate, Window, left_of
from tests.waiting import until

INTERVAL_S = 0.02
EARLY_S = 0.002
"""How much earlier a timer may be than the clock that is read here."""
ONE: dict[Way, Pace] = {"edit": Pace(Rate(1, INTERVAL_S))}


class Answers:
    """Live answers of one pacing, and the order and times of their calls."""

    def __init__(self, paces: Mapping[Way, Pace]) -> None:
        self.pacing = Pacing(paces)
        self.order: list[str] = []
        self.times: list[float] = []

    def join(
        self,
        share: Share,
        name: str,
        rank: Rank = Rank.PART,
        way: Way = "edit",
        length: int = 0,
    ) -> "asyncio.Task[None]":
        return asyncio.create_task(self._wait(share, name, rank, way, length))

    async def _wait(self, share: Share, name: str, rank: Rank, way: Way, length: int) -> None:
        await share.turn(way, rank, length)
        self.order.append(name)
        self.times.append(asyncio.get_running_loop().time())

    def gaps(self) -> list[float]:
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


async def test_the_first_call_goes_at_once() -> None:
    answers = Answers({"edit": Pace(Rate(1, 3600))})
    with answers.pacing.live("s") as share:
        await asyncio.wait_for(answers.join(share, "a"), 1)


async def test_a_way_without_a_pace_is_not_held_back() -> None:
    answers = Answers(ONE)
    with answers.pacing.live("s") as share:
        async with asyncio.timeout(1):
            for _ in range(200):
                await share.turn("post", Rank.FIRST)


async def test_calls_keep_to_the_limit() -> None:
    answers = Answers(ONE)
    with answers.pacing.live("s") as share:
        await asyncio.gather(*(answers.join(share, name) for name in "abcd"))
    assert answers.order == list("abcd")
    assert all(gap >= INTERVAL_S - EARLY_S for gap in answers.gaps())


async def test_the_last_text_comes_first_then_a_first_then_a_part_then_growth() -> None:
    answers = Answers({"edit": Pace(Rate(3, INTERVAL_S))})
    with answers.pacing.live("s") as share:
        await asyncio.gather(*(answers.join(share, f"now {number}") for number in range(3)))
        del answers.order[:]
        tasks = [
            answers.join(share, "growth", Rank.GROWTH),
            answers.join(share, "part", Rank.PART),
            answers.join(share, "first", Rank.FIRST),
            answers.join(share, "last", Rank.LAST),
        ]
        await asyncio.gather(*tasks)
    assert answers.order == ["last", "first", "part", "growth"]


async def test_who_was_shown_longest_ago_grows_next() -> None:
    answers = Answers({"edit": Pace(Rate(2, INTERVAL_S))})
    with answers.pacing.live("s") as one, answers.pacing.live("s") as other:
        await answers.join(one, "one")
        await answers.join(other, "other")
        first = answers.join(other, "other again", Rank.GROWTH)
        await asyncio.sleep(0)
        await asyncio.gather(first, answers.join(one, "one again", Rank.GROWTH))
    assert answers.order[2:] == ["one again", "other again"]


async def test_growth_leaves_the_calls_that_live_answers_need_to_end() -> None:
    answers = Answers({"edit": Pace(Window(5, 3600))})
    with answers.pacing.live("s") as share:
        tasks = [answers.join(share, str(number), Rank.GROWTH) for number in range(9)]
        await asyncio.sleep(0.02)
        assert len(answers.order) == 4
        await asyncio.wait_for(answers.join(share, "last", Rank.LAST), 1)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_many_live_answers_leave_less_to_growth() -> None:
    answers = Answers({"edit": Pace(Window(5, 3600))})
    with (
        answers.pacing.live("s") as share,
        answers.pacing.live("s"),
        answers.pacing.live("s"),
    ):
        tasks = [answers.join(share, str(number), Rank.GROWTH) for number in range(9)]
        await asyncio.sleep(0.02)
        assert len(answers.order) == 2
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_when_answers_end_the_others_grow_again() -> None:
    answers = Answers({"edit": Pace(Window(5, 3600))})
    with answers.pacing.live("s") as share:
        with answers.pacing.live("s"), answers.pacing.live("s"):
            tasks = [answers.join(share, str(number), Rank.GROWTH) for number in range(4)]
            await asyncio.sleep(0.02)
            assert len(answers.order) == 2
        await asyncio.wait_for(asyncio.gather(*tasks), 1)


async def test_one_answer_grows_no_oftener_than_its_interval() -> None:
    answers = Answers({"edit": Pace(Rate(50, 0.001), interval_s=0.05)})
    with answers.pacing.live("s") as share:
        for name in "abc":
            await answers.join(share, name, Rank.GROWTH)
    assert all(gap >= 0.05 - EARLY_S for gap in answers.gaps())


def test_an_older_answer_grows_less_often_and_a_slow_one_by_something_worth_it() -> None:
    pace = Pace(Rate(5, 1.0), interval_s=1.0, slowing_s=0.1, worth=30)
    assert pace.rest_s(0, 0) == 1.0
    assert pace.rest_s(20, 3_200) == 3.0
    assert pace.rest_s(2, 30) == 2.0, "15 characters a second"
    assert pace.rest_s(4, 4) == 3.0, "however slow, what is on show is not old for long"


@given(num_live=st.integers(1, 200), burst=st.integers(2, 50))
def test_something_is_always_kept_and_something_always_left(num_live: int, burst: int) -> None:
    assert 1 <= kept(num_live, burst) < burst


async def test_scopes_and_ways_do_not_wait_for_each_other() -> None:
    answers = Answers({"edit": Pace(Rate(1, 3600)), "append": Pace(Rate(1, 3600))})
    with answers.pacing.live("one") as one, answers.pacing.live("another") as other:
        await asyncio.wait_for(answers.join(one, "a"), 1)
        await asyncio.wait_for(answers.join(other, "b"), 1)
        await asyncio.wait_for(answers.join(other, "c", way="append"), 1)


async def test_who_was_cancelled_while_waiting_uses_no_call() -> None:
    answers = Answers({"edit": Pace(Rate(1, 0.2))})
    with answers.pacing.live("s") as share:
        await answers.join(share, "now")
        first, second, third = (answers.join(share, name) for name in "abc")
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await third
        await asyncio.gather(first, second, return_exceptions=True)
    assert answers.order == ["now", "c"]
    assert answers.gaps()[0] < 0.35


async def test_a_scope_that_nobody_uses_is_forgotten_and_leaves_no_timer() -> None:
    """A bot meets many channels."""
    answers = Answers(ONE)
    for number in range(50):
        with answers.pacing.live(f"scope {number}") as share:
            await answers.join(share, str(number))
    gone = weakref.ref(answers.pacing)
    await asyncio.sleep(2 * INTERVAL_S)
    answers = Answers(ONE)
    del share

    def forgotten() -> bool:
        gc.collect()
        return gone() is None

    await until(forgotten)


async def test_a_pacing_leaves_no_task() -> None:
    answers = Answers(ONE)
    with answers.pacing.live("s") as share:
        await asyncio.gather(*(answers.join(share, name) for name in "abc"))
    assert asyncio.all_tasks() == {asyncio.current_task()}


@settings(max_examples=30, deadline=None)
@given(waiters=st.lists(st.tuples(st.sampled_from(Rank), st.booleans()), min_size=1, max_size=8))
async def test_whoever_waits_and_leaves_the_order_is_by_rank_then_by_waiting(
    waiters: list[tuple[Rank, bool]],
) -> None:
    """A waiter has a rank, and stays or is cancelled."""
    answers = Answers({"edit": Pace(Rate(2, 0.001))})
    with answers.pacing.live("s") as share:
        await asyncio.gather(share.turn("edit", Rank.LAST), share.turn("edit", Rank.LAST))
        tasks = [answers.join(share, str(number), rank) for number, (rank, _) in enumerate(waiters)]
        await asyncio.sleep(0)
        for task, (_, stays) in zip(tasks, waiters, strict=True):
            if not stays:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    staying = [(rank, number) for number, (rank, stays) in enumerate(waiters) if stays]
    assert answers.order == [str(number) for _, number in sorted(staying)]


@pytest.mark.parametrize("limit", [Rate(10, 1.5), Window(5, 5.2)])
@given(pauses=st.lists(st.floats(0, 8), max_size=80))
def test_what_is_left_says_when_it_will_be_more(limit: Limit, pauses: list[float]) -> None:
    left, now = left_of(limit), 100.0
    for pause in pauses:
        now += pause
        if left.calls(now) > 0:
            left.take(now)
        for number in range(1, limit.burst + 1):
            at = max(now, left.ready_at(number))
            assert deepcopy(left).calls(at + 1e-5) >= number
            if at > now + 1e-3:
                assert deepcopy(left).calls(at - 1e-3) < number


@given(pauses=st.lists(st.floats(0, 3), min_size=20, max_size=120))
def test_a_window_lets_no_more_go_in_any_stretch_of_its_length(pauses: list[float]) -> None:
    log, now, went = Log(Window(5, 5.0)), 0.0, list[float]()
    for pause in pauses:
        now += pause
        if log.calls(now):
            log.take(now)
            went.append(now)
    assert all(sum(at <= other < at + 5.0 for other in went) <= 5 for at in went)


def test_a_rate_stays_within_a_minute_s_calls_whatever_the_rhythm() -> None:
    allowance, now, went = Allowance(Rate(10, 1.5)), 0.0, list[float]()
    for number in range(300):
        now = max(now + (20.0 if number % 40 == 0 else 0.0), allowance.next_at)
        allowance.take(now)
        went.append(now)
    assert all(sum(at <= other < at + 60.0 for other in went) <= 50 for at in went)
