"""The hard limit on calls: how many go out, who goes first, and what a pause does."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.rates import Allowance, Rate
from adapters.sandbox.slack.rates import DOCUMENTED_LIMITS, Counting, RateLimiter
from adapters.slack.adapter import PACES
from adapters.slack.budget import Budget
from adapters.slack.calls import METHODS
from bot.errors import PlatformUnavailable

SOON = Rate(burst=1, interval_s=0.05)


def later(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("counting", ["window", "bucket"])
@pytest.mark.parametrize("method", sorted(set(METHODS) & set(DOCUMENTED_LIMITS)))
@given(st.lists(st.floats(min_value=0, max_value=20), min_size=150, max_size=200))
def test_no_rhythm_of_calls_meets_slack_s_own_limit(
    method: str, counting: Counting, pauses: list[float]
) -> None:
    allowance = Allowance(METHODS[method].rate)
    slack = RateLimiter(DOCUMENTED_LIMITS, counting)
    now = 1_000.0
    for number, pause in enumerate(pauses):
        # Mostly a crowd, with gaps in which the burst comes back.
        now = max(now + (pause if number % 50 == 0 else 0.0), allowance.next_at)
        allowance.take(now)
        assert slack.retry_after(method, "C1", now + 1e-6 * number) is None


def test_what_is_paced_is_paced_at_the_rate_of_its_budget() -> None:
    assert PACES["edit"].limit == METHODS["chat.update"].rate
    assert PACES["append"].limit == METHODS["chat.appendStream"].rate


async def test_those_who_wait_go_in_their_order_and_the_urgent_first() -> None:
    budget, went = Budget("chat.update", SOON), list[str]()

    async def go(name: str, *, urgent: bool = False) -> None:
        await budget.enter(urgent=urgent, until=later(5))
        went.append(name)

    async with asyncio.TaskGroup() as group:
        for name in ("first", "second", "third"):
            group.create_task(go(name))
        group.create_task(go("urgent", urgent=True))
        group.create_task(go("urgent too", urgent=True))
    assert went == ["first", "urgent", "urgent too", "second", "third"]


async def test_who_gives_up_takes_no_turn() -> None:
    budget = Budget("chat.update", Rate(burst=1, interval_s=0.2))
    await budget.enter(until=later(1))
    began = later(0)
    waiting = [asyncio.create_task(budget.enter(until=later(5))) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[:4]:
        task.cancel()
    await waiting[4]
    assert later(0) - began < 0.5


async def test_each_lane_has_the_whole_rate() -> None:
    budget = Budget("chat.postMessage", Rate(burst=1, interval_s=5))
    for lane in ("C1", "C2", "C3"):
        await budget.enter(lane, until=later(0.1))
    with pytest.raises(PlatformUnavailable) as caught:
        await budget.enter("C1", until=later(0.05))
    assert caught.value.retry_after_s == pytest.approx(5, abs=0.5)


async def test_a_pause_holds_all_lanes_and_ends_one_by_one() -> None:
    budget, went = Budget("chat.postMessage", Rate(burst=3, interval_s=0.1)), list[float]()
    began = later(0)
    await budget.enter("C1", until=later(1))
    budget.pause(0.2)

    async def go(lane: str) -> None:
        await budget.enter(lane, until=later(5))
        went.append(later(0) - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(go("C1"))
        group.create_task(go("C2"))
    assert min(went) >= 0.2
    assert sum(at < 0.29 for at in went) <= 2, "one of each lane"
    assert max(went) >= 0.4


async def test_a_shorter_pause_does_not_shorten_a_longer_one() -> None:
    budget = Budget("chat.update", SOON)
    budget.pause(10)
    budget.pause(0.01)
    with pytest.raises(PlatformUnavailable):
        await budget.enter(until=later(1))


async def test_a_pause_that_is_too_long_is_told_at_once() -> None:
    budget = Budget("chat.update", SOON)
    budget.pause(30)
    began = later(0)
    with pytest.raises(PlatformUnavailable) as caught:
        await budget.enter(until=later(10))
    assert later(0) - began < 1
    assert caught.value.retry_after_s == pytest.approx(30, abs=1)
