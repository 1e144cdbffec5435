"""What goes wrong for one answer, and what that does to the others."""

import asyncio
import time
from contextlib import aclosing

import pytest
import torch

from bot.engine.request import Request
from bot.errors import Busy, ModelUnavailable, RefusedError, TooLong
from tests.bot.engine.support import CONTEXT, MakeEngine, greedy, prompts, read, until

POISON = 299
"""A token that no prompt of these tests has by chance: see `clean`."""


def clean(*lengths: int) -> list[tuple[int, ...]]:
    return [tuple(t if t != POISON else 3 for t in prompt) for prompt in prompts(*lengths)]


def poison_embedding(model: torch.nn.Module) -> None:
    with torch.no_grad():
        weight = model.get_input_embeddings().weight  # type: ignore[operator]
        weight[POISON] = float("nan")


def raise_on_poison(model: torch.nn.Module) -> None:
    def check(_: object, args: object, kwargs: dict[str, torch.Tensor]) -> None:
        if (kwargs["input_ids"] == POISON).any():
            raise RuntimeError("the device broke")

    model.register_forward_pre_hook(check, with_kwargs=True)


def slow_down(model: torch.nn.Module) -> None:
    model.register_forward_pre_hook(lambda *_: time.sleep(0.03))


async def test_a_row_without_finite_numbers_fails_alone(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=2, prefill_chunk=512, prepare=poison_embedding)
    good, later = clean(90, 10)
    wanted_good, _ = await read(engine, Request("good before", good, greedy(400)))
    wanted_later, _ = await read(engine, Request("later before", later, greedy(30)))
    bad = (*clean(60)[0], POISON)
    async with asyncio.TaskGroup() as group:
        beside = group.create_task(read(engine, Request("good", good, greedy(400))))
        await until(lambda: engine.stats.running == 1)
        bad_text, bad_last = await read(engine, Request("bad", bad, greedy(30)))
        # It gets the place of the bad one, whose numbers lie beyond its own few.
        later_text, _ = await read(engine, Request("later", later, greedy(30)))
        assert not beside.done()
    assert (bad_text, bad_last.finish) == ("", "error")
    assert later_text == wanted_later
    assert beside.result()[0] == wanted_good
    assert engine.stats.failed_steps == 0


async def test_a_step_that_raises_fails_its_answers_and_the_next_ones_are_right(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(max_running=2, prepare=raise_on_poison)
    good, waiting = clean(20, 40)
    wanted, _ = await read(engine, Request("before", waiting, greedy(20)))
    async with asyncio.TaskGroup() as group:
        beside = group.create_task(read(engine, Request("beside", good, greedy(5000))))
        await until(lambda: engine.stats.running == 1)
        bad = group.create_task(read(engine, Request("bad", (5, POISON), greedy(10))))
        behind = group.create_task(read(engine, Request("behind", waiting, greedy(20))))
    assert beside.result()[1].finish == bad.result()[1].finish == "error"
    assert behind.result()[0] == wanted
    assert (engine.stats.failed_steps, engine.stats.last_error) == (1, "RuntimeError")
    assert engine.is_alive


async def test_an_engine_whose_steps_always_raise_gives_up_and_says_so(
    make_engine: MakeEngine,
) -> None:
    def break_it(model: torch.nn.Module) -> None:
        def fail(*_: object) -> None:
            raise RuntimeError("the device is gone")

        model.register_forward_pre_hook(fail)

    engine = make_engine(max_running=1, prepare=break_it)
    asked = clean(*[5] * 8)
    ends = await asyncio.gather(
        *(read(engine, Request(f"r{n}", prompt, greedy(5))) for n, prompt in enumerate(asked))
    )
    assert {last.finish for _, last in ends} == {"error"}
    async with asyncio.timeout(5):
        await engine.died.wait()
    assert engine.death == "RuntimeError"
    assert not engine.is_alive
    with pytest.raises(ModelUnavailable):
        await read(engine, Request("late", asked[0], greedy(5)))


async def test_closing_a_stream_frees_its_place_within_a_step(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1, prepare=slow_down)
    first, second = clean(10, 12)
    async with aclosing(engine.generate(Request("a", first, greedy(5000)))) as deltas:
        async for _ in deltas:
            break
        waiting = asyncio.create_task(read(engine, Request("b", second, greedy(3))))
        await until(lambda: engine.stats.waiting == 1)
        before = engine.stats.steps
    _, last = await waiting
    assert last.finish == "length"
    # One step may have been under way; then the second's prompt and two more tokens.
    assert engine.stats.steps - before <= 2 + 3
    await until(lambda: engine.num_pending == 0)


async def test_a_request_cancelled_while_it_waits_never_runs(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1)
    first, second = clean(10, 200)
    async with aclosing(engine.generate(Request("a", first, greedy(5000)))) as deltas:
        await anext(deltas)
        waiting = asyncio.create_task(read(engine, Request("b", second, greedy(3))))
        await until(lambda: engine.stats.waiting == 1)
        waiting.cancel()
        await until(lambda: engine.stats.waiting == 0)
        assert engine.stats.prompt_tokens == 10


async def test_a_request_cancelled_in_its_prompt_frees_its_place(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1, prepare=slow_down)
    (long,) = clean(2000)
    task = asyncio.create_task(read(engine, Request("a", long, greedy(5))))
    await until(lambda: engine.stats.prompt_tokens > 0)
    task.cancel()
    await until(lambda: engine.stats.running == 0)
    assert engine.stats.prompt_tokens < 2000


async def test_a_slow_reader_gets_all_it_missed_in_one_delta(make_engine: MakeEngine) -> None:
    engine = make_engine()
    slow, fast = clean(10, 14)
    wanted, _ = await read(engine, Request("before", slow, greedy(200)))
    deltas = engine.generate(Request("slow", slow, greedy(200)))
    async with aclosing(deltas):
        got = [await anext(deltas)]
        await read(engine, Request("fast", fast, greedy(300)))  # nobody waited for the slow one
        await until(lambda: engine.stats.running == 0)
        got += [delta async for delta in deltas]
    assert "".join(delta.text for delta in got) == wanted
    assert len(got) == 2
    assert got[-1].finish == "length"


async def test_what_cannot_run_is_refused_before_it_is_queued(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1, max_waiting=1)
    (prompt,) = clean(10)
    with pytest.raises(TooLong):
        await read(engine, Request("long", prompt, greedy(CONTEXT)))
    with pytest.raises(RefusedError, match="token ids"):
        await read(engine, Request("id", (1, 100_000), greedy(5)))
    with pytest.raises(RefusedError, match="empty"):
        await read(engine, Request("empty", (), greedy(5)))
    async with (
        aclosing(engine.generate(Request("a", prompt, greedy(5000)))) as running,
        aclosing(engine.generate(Request("b", prompt, greedy(5000)))) as waiting,
    ):
        await anext(running)
        queued = asyncio.create_task(anext(waiting))
        await until(lambda: engine.stats.waiting == 1)
        with pytest.raises(RefusedError, match="under way"):
            await read(engine, Request("a", prompt, greedy(5)))
        with pytest.raises(Busy):
            await read(engine, Request("c", prompt, greedy(5)))
        assert 1 <= engine.retry_after_s() <= 60
        queued.cancel()
        await asyncio.gather(queued, return_exceptions=True)
    await until(lambda: engine.num_pending == 0)
    assert (await read(engine, Request("d", prompt, greedy(5))))[1].finish == "length"


async def test_shutdown_ends_every_request_with_that_word(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=1)
    first, second = clean(10, 12)
    tasks = [
        asyncio.create_task(read(engine, Request("a", first, greedy(50_000)))),
        asyncio.create_task(read(engine, Request("b", second, greedy(50_000)))),
    ]
    await until(lambda: engine.stats.running == 1 and engine.stats.waiting == 1)
    assert not await engine.drain(0.05)
    with pytest.raises(ModelUnavailable):
        await read(engine, Request("c", first, greedy(5)))
    await engine.close()
    ends = await asyncio.gather(*tasks)
    assert [last.finish for _, last in ends] == ["shutdown", "shutdown"]


async def test_draining_lets_answers_under_way_finish(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (prompt,) = clean(10)
    task = asyncio.create_task(read(engine, Request("a", prompt, greedy(100))))
    await until(lambda: engine.stats.running == 1)
    assert await engine.drain(10)
    assert (await task)[1].finish == "length"
