"""Answers that lost their room wait again: what that means for limits, places and readers."""

import asyncio
import time

import pytest
import torch

from bot.engine.engine import Engine
from bot.engine.request import Delta, Request
from bot.errors import Busy
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, until

NUM_BLOCKS = 11
"""Room for the three prompts, and not for the three answers."""

PROMPTS = prompts(30, 40, 20)
NUM_OUTPUT = 70


def slow_down(model: torch.nn.Module) -> None:
    model.register_forward_pre_hook(lambda *_: time.sleep(0.01))


def ask(engine: Engine, person: str, num: int = 3) -> list[asyncio.Task[tuple[str, Delta]]]:
    """Questions of one person, the last of which is preempted first."""
    return [
        asyncio.create_task(
            read(engine, Request(f"{person}{n}", prompt, greedy(NUM_OUTPUT), person=person))
        )
        for n, prompt in enumerate(PROMPTS[:num])
    ]


async def until_preempted(engine: Engine) -> None:
    await until(lambda: engine.stats.preemptions > 0 and engine.stats.waiting > 0)


async def test_who_was_preempted_is_not_refused_where_nobody_may_wait(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(max_running=3, max_waiting=0, num_blocks=NUM_BLOCKS, prepare=slow_down)
    asked = ask(engine, "a")
    await until_preempted(engine)
    with pytest.raises(Busy, match=r"^3 requests are running or waiting"):
        await read(engine, Request("b", (5, 6), greedy(1), person="b"))
    ends = await asyncio.gather(*asked)
    assert [(last.finish, last.num_output) for _, last in ends] == [("length", NUM_OUTPUT)] * 3
    _, last = await read(engine, Request("c", (5, 6), greedy(1), person="b"))
    assert last.finish == "length"


async def test_preempted_answers_count_once_against_the_limits_of_a_person_and_of_all(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(
        max_running=3,
        max_waiting=2,
        max_waiting_person=0,
        num_blocks=NUM_BLOCKS,
        prepare=slow_down,
    )
    asked = ask(engine, "a")
    await until_preempted(engine)
    with pytest.raises(Busy, match=r"^3 of your requests"):
        await read(engine, Request("a3", (5, 6), greedy(1), person="a"))
    # Two places in the queue are left, whoever was put back into it.
    others = [
        asyncio.create_task(read(engine, Request(f"{name}0", (5, 6), greedy(1), person=name)))
        for name in "bc"
    ]
    await asyncio.sleep(0)
    with pytest.raises(Busy, match=r"^5 requests are running or waiting"):
        await read(engine, Request("d", (5, 6), greedy(1), person="d"))
    ends = await asyncio.gather(*asked, *others)
    assert {last.finish for _, last in ends} == {"length"}
    assert engine.num_pending == 0
    again = ask(engine, "a")
    assert {last.finish for _, last in await asyncio.gather(*again)} == {"length"}


async def test_who_leaves_while_preempted_frees_its_place_in_the_queue(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(max_running=3, max_waiting=0, num_blocks=NUM_BLOCKS, prepare=slow_down)
    asked = ask(engine, "a")
    await until_preempted(engine)
    waits = next(n for n in range(3) if engine.position(f"a{n}") is not None)
    asked[waits].cancel()
    await until(lambda: engine.num_pending == 2)
    assert engine.position(f"a{waits}") is None
    # Its place is free again, and nobody else was touched.
    _, last = await read(engine, Request("b", (5, 6), greedy(1), person="b"))
    assert last.finish == "length"
    ends = await asyncio.gather(*(task for task in asked if task is not asked[waits]))
    assert {last.finish for _, last in ends} == {"length"}
    await until(lambda: engine.stats.running == 0)
    assert engine.stats.blocks_used == 0


async def test_a_deadline_ends_an_answer_that_was_preempted_with_what_it_had(
    make_engine: MakeEngine,
) -> None:
    third = PROMPTS[2]
    free, _ = await read(make_engine(), Request("free", third, greedy(NUM_OUTPUT)))
    deadline = time.monotonic() + 2

    def hold(*_: object) -> None:
        while engine.stats.preemptions and time.monotonic() < deadline:
            time.sleep(0.01)

    engine = make_engine(
        max_running=3,
        num_blocks=NUM_BLOCKS,
        prepare=lambda model: model.register_forward_pre_hook(hold),
    )
    asked = ask(engine, "a", 2)
    await asyncio.sleep(0)
    request = Request("late", third, greedy(NUM_OUTPUT), person="a", deadline=deadline)
    text, last = await read(engine, request)
    assert last.finish == "deadline"
    assert 0 < last.num_output < NUM_OUTPUT
    assert free.startswith(text)
    assert engine.stats.preemptions == 1
    assert {end.finish for _, end in await asyncio.gather(*asked)} == {"length"}
    assert engine.stats.blocks_used == 0
