"""The edit budget: one slot an interval a scope, urgent first, then who waits longest."""

import asyncio
import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.pacing import Pacing
from tests.waiting import until

INTERVAL_S = 0.02
EARLY_S = 0.002
"""How much earlier a timer may be than the clock that is read here."""


class Queue:
    """Waiters of one pacing, and the order and times of their slots."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self.pacing = Pacing(interval_s)
        self.order: list[str] = []
        self.times: list[float] = []

    def join(self, name: str, scope: str = "s", *, urgent: bool = False) -> "asyncio.Task[None]":
        return asyncio.create_task(self._wait(name, scope, urgent=urgent))

    async def _wait(self, name: str, scope: str, *, urgent: bool) -> None:
        await self.pacing.slot(scope, urgent=urgent)
        self.order.append(name)
        self.times.append(asyncio.get_running_loop().time())

    def gaps(self) -> list[float]:
        return [after - before for before, after in zip(self.times, self.times[1:], strict=False)]


async def test_the_first_slot_is_there_at_once() -> None:
    queue = Queue(interval_s=3600)
    await asyncio.wait_for(queue.join("a"), 1)


async def test_between_two_slots_is_the_interval() -> None:
    queue = Queue()
    await asyncio.gather(*(queue.join(name) for name in "abcd"))
    assert queue.order == list("abcd")
    assert all(gap >= INTERVAL_S - EARLY_S for gap in queue.gaps())


async def test_the_interval_counts_from_the_last_slot_for_who_comes_later() -> None:
    queue = Queue()
    await queue.join("a")
    await queue.join("b")
    await asyncio.sleep(INTERVAL_S / 2)
    await queue.join("c")
    assert all(gap >= INTERVAL_S - EARLY_S for gap in queue.gaps())


async def test_after_a_rest_a_slot_is_there_at_once() -> None:
    queue = Queue(interval_s=0.2)
    await queue.join("a")
    await asyncio.sleep(0.25)
    before = asyncio.get_running_loop().time()
    await queue.join("b")
    assert queue.times[-1] - before < 0.15


async def test_slots_that_nobody_took_are_not_saved_up() -> None:
    queue = Queue()
    await queue.join("a")
    await asyncio.sleep(4 * INTERVAL_S)
    await asyncio.gather(*(queue.join(name) for name in "bcd"))
    assert all(gap >= INTERVAL_S - EARLY_S for gap in queue.gaps())


async def test_who_is_urgent_comes_first_and_the_others_in_their_order() -> None:
    queue = Queue()
    await queue.join("now")
    tasks = [queue.join("a"), queue.join("b"), queue.join("last edit", urgent=True)]
    tasks += [queue.join("c"), queue.join("another last edit", urgent=True)]
    await asyncio.gather(*tasks)
    assert queue.order == ["now", "last edit", "another last edit", "a", "b", "c"]


async def test_scopes_do_not_wait_for_each_other() -> None:
    queue = Queue(interval_s=3600)
    await asyncio.wait_for(queue.join("a", "one channel"), 1)
    await asyncio.wait_for(queue.join("b", "another"), 1)


async def test_several_answers_in_one_scope_take_turns() -> None:
    queue = Queue()

    async def edit(name: str) -> None:
        for _ in range(3):
            await queue.join(name)

    await asyncio.gather(*(edit(name) for name in "abc"))
    assert queue.order == list("abcabcabc")


async def test_who_was_cancelled_while_waiting_uses_no_slot() -> None:
    queue = Queue(interval_s=0.2)
    await queue.join("now")
    first, second, third = queue.join("a"), queue.join("b"), queue.join("c")
    await asyncio.sleep(0)
    first.cancel()
    second.cancel()
    await third
    await asyncio.gather(first, second, return_exceptions=True)
    assert queue.order == ["now", "c"]
    assert queue.gaps()[0] < 0.35


async def test_who_waits_after_all_others_were_cancelled_gets_a_slot() -> None:
    queue = Queue()
    await queue.join("now")
    waiting = [queue.join(name) for name in "abc"]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.wait_for(queue.join("d"), 1)
    assert queue.order == ["now", "d"]
    assert queue.gaps()[0] >= INTERVAL_S - EARLY_S, "and not before its time"


async def test_who_is_cancelled_as_the_slot_is_given_takes_it_from_nobody_for_long() -> None:
    queue = Queue()
    first, second = queue.join("a"), queue.join("b")
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait_for(second, 1)


async def test_a_scope_that_nobody_uses_is_forgotten_and_leaves_no_timer() -> None:
    """A bot meets many channels."""
    queue = Queue()
    await asyncio.gather(*(queue.join(str(number), f"scope {number}") for number in range(50)))
    gone = weakref.ref(queue.pacing)
    await asyncio.sleep(2 * INTERVAL_S)
    queue = Queue()

    def forgotten() -> bool:
        gc.collect()
        return gone() is None

    await until(forgotten)


async def test_a_pacing_leaves_no_task() -> None:
    queue = Queue()
    await asyncio.gather(*(queue.join(name) for name in "abc"))
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("number", [500])
async def test_many_waiters_of_many_scopes_all_get_their_slot(number: int) -> None:
    queue = Queue(interval_s=0.001)
    await asyncio.gather(*(queue.join(str(at), f"scope {at % 50}") for at in range(number)))
    assert len(queue.order) == number


@settings(max_examples=30, deadline=None)
@given(
    waiters=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=8),
)
async def test_whoever_waits_and_leaves_the_order_is_urgent_first_then_by_waiting(
    waiters: list[tuple[bool, bool]],
) -> None:
    """A waiter is urgent or not, and stays or is cancelled."""
    queue = Queue(interval_s=0.001)
    await queue.pacing.slot("s")
    tasks = [queue.join(str(number), urgent=urgent) for number, (urgent, _) in enumerate(waiters)]
    await asyncio.sleep(0)
    for task, (_, stays) in zip(tasks, waiters, strict=True):
        if not stays:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    staying = [(not urgent, number) for number, (urgent, stays) in enumerate(waiters) if stays]
    assert queue.order == [str(number) for _, number in sorted(staying)]
