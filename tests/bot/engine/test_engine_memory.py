"""Little memory: who waits, who is preempted and resumed, and that no answer changes for it."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from bot.engine import weights
from bot.engine.engine import Engine
from bot.engine.request import Delta, Request, Sampling
from bot.engine.weights import LoadedModel
from bot.errors import TooLong
from bot.model_settings import ServeSettings
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, until, with_blocks
from tests.tiny_adapter import make_tiny_adapter

NUM_OUTPUT = 60
NO_MEMORY = "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"


class Oracle:
    """The first tokens that transformers' own `generate` gives, one request at a time."""

    def __init__(self, path: Path, loaded: LoadedModel) -> None:
        self.loaded = loaded
        model: Any = AutoModelForCausalLM.from_pretrained(path)
        self.prompts = [*prompts(5, 33, 64, 90, 17, 48, seed=3)]
        self.prompts.append(self.prompts[3] + self.prompts[0])  # a beginning in common
        self.outputs = []
        for prompt in self.prompts:
            ids = torch.tensor([prompt])
            out = model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=NUM_OUTPUT,
                do_sample=False,
            )
            self.outputs.append(out[0, len(prompt) :].tolist())

    def text(self, number: int, num_tokens: int, stop: str | None) -> str:
        text = self.loaded.encoder.decode(self.outputs[number][:num_tokens])
        return text.split(stop)[0] if stop else text


@pytest.fixture(scope="module")
def oracle(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    loaded = weights.load(ServeSettings(model=str(tiny)), tmp_path_factory.mktemp("state"))
    return Oracle(tiny, loaded)


ASKED = st.fixed_dictionaries(
    {
        "number": st.integers(0, 6),
        "num_tokens": st.integers(1, NUM_OUTPUT),
        "stop_at": st.none() | st.integers(0, NUM_OUTPUT - 4),
        "leaves_after": st.none() | st.integers(0, NUM_OUTPUT),
        "delay_steps": st.integers(0, 12),
        "person": st.sampled_from(["", "ann", "ben"]),
    }
)


async def ask(engine: Engine, oracle: Oracle, name: str, how: dict[str, Any]) -> None:
    """Ask as drawn, perhaps leave early, and compare what came with the oracle's."""
    number, num_tokens, leaves_after = how["number"], how["num_tokens"], how["leaves_after"]
    free = oracle.text(number, num_tokens, None)
    at = how["stop_at"]
    stop = free[at : at + 3] if at is not None and at + 3 <= len(free) else None
    if stop is not None and "\ufffd" in stop:
        stop = None  # half a code point, which no text that is streamed ever has
    wanted = oracle.text(number, num_tokens, stop)
    began = engine.stats.steps
    await until(lambda: engine.stats.steps >= began + how["delay_steps"] or not engine.num_pending)
    sampling = greedy(num_tokens, stop=(stop,) if stop else ())
    request = Request(name, oracle.prompts[number], sampling, person=how["person"])
    text, last = "", None
    async with aclosing(engine.generate(request)) as deltas:
        async for last in deltas:
            text += last.text
            if leaves_after is not None and last.num_output > leaves_after and not last.finish:
                assert wanted.startswith(text)
                return
    assert text == wanted
    assert last is not None
    assert last.finish == ("stop" if stop else "length")


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    asked=st.lists(ASKED, min_size=1, max_size=10),
    max_running=st.integers(1, 5),
    prefill_chunk=st.sampled_from([16, 23, 64]),
    num_blocks=st.integers(11, 24),
)
def test_answers_equal_those_of_one_at_a_time_whatever_comes_and_goes_in_little_memory(
    oracle: Oracle,
    asked: list[dict[str, Any]],
    max_running: int,
    prefill_chunk: int,
    num_blocks: int,
) -> None:
    async def run() -> None:
        engine = Engine(
            with_blocks(oracle.loaded, num_blocks),
            max_running=max_running,
            max_waiting=64,
            prefill_chunk=prefill_chunk,
            num_threads=1,
        )
        engine.start()
        try:
            async with asyncio.TaskGroup() as group:
                for n, how in enumerate(asked):
                    group.create_task(ask(engine, oracle, f"r{n}", how))
            await until(lambda: engine.num_pending == 0)
            stats = engine.stats
            assert (stats.running, stats.waiting, stats.blocks_used) == (0, 0, 0)
            assert stats.blocks_cached + stats.blocks_free == num_blocks
            assert stats.failed_steps == 0
        finally:
            await engine.close()

    asyncio.run(run())


async def together(engine: Engine, *asked: tuple[tuple[int, ...], Sampling]) -> list[str]:
    """The answers to requests that come in this order; all must end by their length."""
    tasks = []
    for n, (prompt, sampling) in enumerate(asked):
        tasks.append(asyncio.create_task(read(engine, Request(f"t{n}", prompt, sampling))))
        await asyncio.sleep(0)
    got = await asyncio.gather(*tasks)
    assert {last.finish for _, last in got} == {"length"}
    return [text for text, _ in got]


async def test_who_is_preempted_goes_on_where_it_was(make_engine: MakeEngine) -> None:
    asked = [
        (prompt, Sampling(max_tokens=70, temperature=1.1, seed=n, repetition_penalty=1.2))
        for n, prompt in enumerate(prompts(30, 40, 20))
    ]
    roomy = make_engine(max_running=3)
    wanted = await together(roomy, *asked)
    tight = make_engine(max_running=3, num_blocks=11)
    assert await together(tight, *asked) == wanted
    assert roomy.stats.preemptions == 0
    assert tight.stats.preemptions > 0
    assert tight.stats.output_tokens == 3 * 70


async def test_what_can_never_fit_is_refused_at_once(make_engine: MakeEngine) -> None:
    engine = make_engine(num_blocks=20)
    (prompt,) = prompts(300)
    with pytest.raises(TooLong, match="320"):
        await read(engine, Request("a", prompt, greedy(21)))
    _, last = await read(engine, Request("b", prompt, greedy(20)))
    assert last.finish == "length"


def no_memory_for(model: torch.nn.Module, num_tokens: int) -> None:
    """Let steps of more tokens than that fail as they do when memory is short."""

    def check(_: object, args: object, kwargs: dict[str, torch.Tensor]) -> None:
        if kwargs["input_ids"].shape[1] > num_tokens:
            raise RuntimeError(NO_MEMORY)

    model.register_forward_pre_hook(check, with_kwargs=True)


@pytest.mark.parametrize("most", [20, 2])
async def test_a_step_without_memory_fails_no_request(make_engine: MakeEngine, most: int) -> None:
    asked = [
        (prompt, Sampling(max_tokens=20, temperature=1.1, seed=n))
        for n, prompt in enumerate(prompts(*([90, 10, 40] if most > 16 else [1, 1, 1, 1])))
    ]
    wanted = await together(make_engine(), *asked)
    engine = make_engine(prefill_chunk=64, prepare=lambda model: no_memory_for(model, most))
    assert await together(engine, *asked) == wanted
    assert engine.stats.out_of_memory > 0
    assert engine.stats.failed_steps == 0
    # A smaller share of the prompts is enough, or else fewer answers at once.
    assert (engine.stats.preemptions > 0) == (most == 2)


async def test_a_request_too_large_for_memory_fails_alone(make_engine: MakeEngine) -> None:
    large = 299

    def check(_: object, args: object, kwargs: dict[str, torch.Tensor]) -> None:
        if (kwargs["input_ids"] == large).any():
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    engine = make_engine(
        prepare=lambda model: model.register_forward_pre_hook(check, with_kwargs=True)
    )
    others = [tuple(t if t != large else 3 for t in prompt) for prompt in prompts(30, 50)]
    wanted = [
        (await read(engine, Request(f"w{n}", p, greedy(40))))[0] for n, p in enumerate(others)
    ]
    got = await asyncio.gather(
        read(engine, Request("a", others[0], greedy(40))),
        read(engine, Request("large", (5, 6, large), greedy(40))),
        read(engine, Request("b", others[1], greedy(40))),
    )
    assert got[1][1].finish == "error"
    assert "memory" in (got[1][1].error or "")
    assert [got[0][0], got[2][0]] == wanted
    assert engine.stats.failed_steps == 0


async def test_the_next_turn_computes_only_what_is_new(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (prompt,) = prompts(100)
    async with aclosing(engine.generate(Request("a", prompt, greedy(40)))) as deltas:
        first = [delta async for delta in deltas]
    assert first[-1].num_cached == 0
    computed = engine.stats.prompt_tokens
    answer = engine.loaded.encoder.encode_text("".join(delta.text for delta in first))
    turn = (*prompt, *answer, *prompts(30, seed=9)[0])
    same = await read(engine, Request("b", turn, greedy(5)))
    # The tiny model's answers are no text that people write, so only the prompt is sure to match.
    assert same[1].num_cached >= 96
    assert engine.stats.prompt_tokens - computed == len(turn) - same[1].num_cached
    assert engine.stats.cached_tokens == same[1].num_cached


@pytest.mark.parametrize(("release", "salt"), [("canary", ""), ("", "x")])
async def test_another_release_or_salt_computes_everything(
    make_engine: MakeEngine, tiny: Path, tmp_path: Path, release: str, salt: str
) -> None:
    engine = make_engine()
    make_tiny_adapter(tmp_path / "adapters/canary", tiny, 1)
    await engine.adapters.load("canary", "canary")
    (prompt,) = prompts(100)
    await read(engine, Request("a", prompt, greedy(5)))
    other = Request("b", prompt, greedy(5), release=release, cache_salt=salt)
    assert (await read(engine, other))[1].num_cached == 0
    assert (await read(engine, replace(other, id="c")))[1].num_cached == 96


async def test_who_asks_for_the_prompt_s_log_probabilities_computes_all_of_it(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine()
    (prompt,) = prompts(100)
    await read(engine, Request("a", prompt, greedy(5)))
    scoring = Sampling(max_tokens=1, temperature=0, prompt_logprobs=0)
    _, last = await read(engine, Request("b", prompt, scoring))
    assert last.num_cached == 0
    assert len(last.prompt_scores) == 99


async def test_the_cache_may_be_full_of_old_conversations(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=2, num_blocks=20)
    asked = prompts(*[100] * 6)
    ends: list[tuple[str, Delta]] = []
    for n, prompt in enumerate((*asked, *asked)):
        ends.append(await read(engine, Request(f"r{n}", prompt, greedy(10))))
    assert [text for text, _ in ends[:6]] == [text for text, _ in ends[6:]]
    assert engine.stats.blocks_cached + engine.stats.blocks_free == 20
    assert engine.stats.preemptions == 0


async def test_a_thousand_cancelled_requests_leave_nothing_behind(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=8, max_waiting=1000, num_blocks=40)
    before = asyncio.all_tasks()
    asked = prompts(*[7, 70, 20, 130, 45] * 200)
    tasks = []
    for n, prompt in enumerate(asked):
        request = Request(f"r{n}", prompt, greedy(500), person=f"p{n % 7}")
        tasks.append(asyncio.create_task(read(engine, request)))
        if n % 50 == 0:
            await until(lambda: engine.stats.running > 0)
        if n % 3 == 0:
            tasks[n // 2].cancel()
    for task in tasks:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(end, asyncio.CancelledError) for end in ends)
    await until(lambda: engine.num_pending == 0)
    await until(lambda: engine.stats.waiting == 0)
    assert (engine.stats.running, engine.stats.blocks_used) == (0, 0)
    assert engine.stats.blocks_cached + engine.stats.blocks_free == 40
    assert asyncio.all_tasks() == before
    _, last = await read(engine, Request("after", asked[0], greedy(5)))
    assert last.finish == "length"


async def test_a_reader_that_never_reads_holds_up_nobody(make_engine: MakeEngine) -> None:
    engine = make_engine(max_running=2)
    silent, other = prompts(10, 14)
    async with aclosing(engine.generate(Request("silent", silent, greedy(300)))) as deltas:
        await anext(deltas)
        for n in range(3):
            _, last = await read(engine, Request(f"r{n}", other, greedy(150)))
            assert last.finish == "length"
        await until(lambda: engine.num_pending == 0)
        assert (engine.stats.running, engine.stats.blocks_used) == (0, 0)
