"""People beside each other: turns, limits, places in the queue, and deadlines."""

import asyncio
import time
from contextlib import aclosing

import pytest
import torch

from bot.engine.engine import Engine
from bot.engine.request import Request
from bot.errors import Busy
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, until


def slow_down(model: torch.nn.Module) -> None:
    model.register_forward_pre_hook(lambda *_: time.sleep(0.005))


async def ask(engine: Engine, name: str, prompt: tuple[int, ...], num_tokens: int) -> None:
    await read(engine, Request(name, prompt, greedy(num_tokens), person=name[0]))


@pytest.mark.parametrize(("max_running", "max_running_person"), [(1, 1), (4, 2), (4, 4)])
async def test_twenty_requests_delay_another_person_s_first_token_by_one_turn(
    make_engine: MakeEngine, max_running: int, max_running_person: int
) -> None:
    engine = make_engine(
        max_running=max_running, max_running_person=max_running_person, prepare=slow_down
    )
    prompt, other = prompts(60, 50)
    many = [asyncio.create_task(ask(engine, f"a{n}", prompt, 20)) for n in range(20)]
    await until(lambda: engine.stats.running == max_running_person)
    async with aclosing(engine.generate(Request("b", other, greedy(5), person="b"))) as deltas:
        await anext(deltas)
    # All of the other's that ran when b came may have ended, and none that came after b.
    assert sum(task.done() for task in many) <= max_running_person
    await asyncio.gather(*many)


async def test_one_person_s_requests_are_limited_and_another_s_still_taken(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(
        max_running=4, max_running_person=1, max_waiting_person=2, prepare=slow_down
    )
    (prompt,) = prompts(10)
    mine = [asyncio.create_task(ask(engine, f"a{n}", prompt, 400)) for n in range(3)]
    await until(lambda: engine.stats.running == 1 and engine.stats.waiting == 2)
    with pytest.raises(Busy, match="3 of your requests"):
        await ask(engine, "a3", prompt, 5)
    await ask(engine, "b", prompt, 5)
    await asyncio.gather(*(read(engine, Request(f"n{n}", prompt, greedy(5))) for n in range(8)))
    mine.pop().cancel()
    await until(lambda: engine.stats.waiting == 1)
    mine.append(asyncio.create_task(ask(engine, "a4", prompt, 400)))
    await until(lambda: engine.stats.waiting == 2)
    for task in mine:
        task.cancel()
    await asyncio.gather(*mine, return_exceptions=True)
    await until(lambda: engine.num_pending == 0)
    await ask(engine, "a5", prompt, 5)


async def test_a_waiting_request_knows_its_position(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1, prepare=slow_down)
    (prompt,) = prompts(10)
    running = asyncio.create_task(ask(engine, "a0", prompt, 400))
    await until(lambda: engine.stats.running == 1)
    names = ["a1", "a2", "b1", "a3"]
    tasks = [asyncio.create_task(ask(engine, name, prompt, 400)) for name in names]
    await until(lambda: engine.stats.waiting == 4)
    assert engine.position("a0") is None
    # b has had nothing yet; then they take turns.
    assert [engine.position(name) for name in ("b1", "a1", "a2", "a3")] == [1, 2, 3, 4]
    tasks[2].cancel()
    await until(lambda: engine.stats.waiting == 3)
    assert [engine.position(name) for name in ("b1", "a1", "a2", "a3")] == [None, 1, 2, 3]
    running.cancel()
    await until(lambda: engine.position("a1") is None)
    assert engine.position("a2") == 1
    for task in tasks:
        task.cancel()
    await asyncio.gather(running, *tasks, return_exceptions=True)
    await until(lambda: engine.num_pending == 0)


async def test_a_deadline_ends_an_answer_that_grows_and_one_that_waits(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(max_running=1, prepare=slow_down)
    (prompt,) = prompts(10)
    wanted, _ = await read(engine, Request("free", prompt, greedy(400)))
    now = time.monotonic()
    running = asyncio.create_task(
        read(engine, Request("a", prompt, greedy(5000), deadline=now + 0.6))
    )
    await until(lambda: engine.stats.running == 1)
    waiting = asyncio.create_task(read(engine, Request("b", prompt, greedy(5), deadline=now + 0.3)))
    text, last = await waiting
    assert (text, last.finish, last.num_output) == ("", "deadline", 0)
    assert not running.done()
    text, last = await running
    assert last.finish == "deadline"
    assert 0 < last.num_output < 400
    assert wanted.startswith(text)
    assert engine.stats.blocks_used == 0
    _, last = await read(engine, Request("c", prompt, greedy(5), deadline=now))
    assert last.finish == "deadline"
    _, last = await read(engine, Request("d", prompt, greedy(5), deadline=now + 3600))
    assert last.finish == "length"
