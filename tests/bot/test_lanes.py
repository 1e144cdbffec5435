"""Lanes: order in one, independence of several, and bounds."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import Busy
from bot.lanes import Lanes, Ticket


async def is_called(ticket: Ticket) -> bool:
    """Whether a ticket's time has come."""
    waiting = asyncio.create_task(ticket.called())
    await asyncio.sleep(0)
    try:
        return waiting.done()
    finally:
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_in_one_lane_one_goes_after_the_other_in_the_order_of_joining() -> None:
    lanes = Lanes(total=10, each=10)
    first, second, third = (lanes.join("a") for _ in range(3))
    assert [await is_called(one) for one in (first, second, third)] == [True, False, False]
    assert [one.ahead for one in (first, second, third)] == [0, 1, 2]
    first.leave()
    assert [await is_called(one) for one in (second, third)] == [True, False]
    second.leave()
    assert await is_called(third)


async def test_who_waits_goes_on_when_the_one_before_leaves() -> None:
    lanes = Lanes(total=10, each=10)
    first, second = lanes.join("a"), lanes.join("a")
    waiting = asyncio.create_task(second.called())
    await asyncio.sleep(0)
    assert not waiting.done()
    first.leave()
    await asyncio.wait_for(waiting, 1)


async def test_different_lanes_do_not_wait_for_each_other() -> None:
    lanes = Lanes(total=10, each=10)
    assert await is_called(lanes.join("a"))
    assert await is_called(lanes.join("b"))


async def test_one_who_leaves_while_waiting_is_passed_over() -> None:
    lanes = Lanes(total=10, each=10)
    first, second, third = (lanes.join("a") for _ in range(3))
    second.leave()
    assert third.ahead == 1
    assert not await is_called(third)
    first.leave()
    assert await is_called(third)
    assert not await is_called(second)


async def test_leaving_twice_changes_nothing() -> None:
    lanes = Lanes(total=10, each=10)
    first, second = lanes.join("a"), lanes.join("a")
    first.leave()
    first.leave()
    assert len(lanes) == 1
    assert await is_called(second)
    second.leave()
    second.leave()
    assert len(lanes) == 0


def test_a_full_lane_takes_no_more_and_others_do() -> None:
    lanes = Lanes(total=10, each=2)
    first, _ = lanes.join("a"), lanes.join("a")
    with pytest.raises(Busy):
        lanes.join("a")
    lanes.join("b")
    first.leave()
    lanes.join("a")


def test_over_all_lanes_there_are_no_more_places_than_the_total() -> None:
    lanes = Lanes(total=3, each=2)
    tickets = [lanes.join(key) for key in "abc"]
    with pytest.raises(Busy):
        lanes.join("d")
    assert len(lanes) == 3
    tickets[0].leave()
    lanes.join("d")


def test_who_was_refused_takes_no_place() -> None:
    lanes = Lanes(total=1, each=1)
    ticket = lanes.join("a")
    for key in "ab":
        with pytest.raises(Busy):
            lanes.join(key)
    ticket.leave()
    assert len(lanes) == 0
    lanes.join("b")


@settings(deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5)), max_size=40))
async def test_whoever_comes_and_goes_the_first_of_each_lane_and_nobody_else_is_called(
    steps: list[tuple[str, int]],
) -> None:
    """A step lets the one at a place of a lane leave, or else somebody join it."""
    lanes = Lanes(total=5, each=3)
    plain: dict[str, list[Ticket]] = {key: [] for key in "abc"}
    for key, place in steps:
        lane = plain[key]
        if place < len(lane):
            lane.pop(place).leave()
        elif len(lane) == 3 or sum(map(len, plain.values())) == 5:
            with pytest.raises(Busy):
                lanes.join(key)
        else:
            lane.append(lanes.join(key))
        assert len(lanes) == sum(map(len, plain.values()))
        for tickets in plain.values():
            assert [one.ahead for one in tickets] == list(range(len(tickets)))
            called = [await is_called(one) for one in tickets]
            assert called == [True, False, False][: len(tickets)]
