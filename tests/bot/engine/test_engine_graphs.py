"""Recorded decode steps: what is recorded, what a step is padded with, and that nothing changes.

On the CPU a step is not recorded but computed again from the same inputs, which is what a graph
does on a GPU.
"""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from transformers import AutoModelForCausalLM

from bot.engine import runner, weights
from bot.engine.backend import Backend
from bot.engine.engine import Engine
from bot.engine.graphs import Compute, next_size, padded, sizes
from bot.engine.kernels import plain
from bot.engine.paged import PAGED
from bot.engine.request import Request, Row, Sampling
from bot.engine.runner import Runner
from bot.engine.scheduler import Span, Step
from bot.model_settings import ServeSettings
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, with_backend
from tests.tiny_adapter import make_tiny_adapter

CPU = torch.device("cpu")


class Again:
    """Computes again what it is given. Counts, and fails for the `failing`th function."""

    def __init__(self, *, failing: int | None = None) -> None:
        self.failing = failing
        self.recorded: list[int] = []
        self.num_runs = 0

    def record(self, compute: Compute) -> Compute:
        if len(self.recorded) == self.failing:
            raise RuntimeError("operation not permitted when stream is capturing\nmore")
        self.recorded.append(len(compute()))

        def run() -> torch.Tensor:
            self.num_runs += 1
            return compute()

        return run


def recording(recorder: Again | None) -> Backend:
    return Backend(PAGED, 16, plain, (lambda _: recorder) if recorder else None)


def test_the_sizes_reach_the_largest_and_waste_little() -> None:
    assert sizes(1) == (1,)
    assert sizes(8) == (1, 2, 4, 8)
    assert sizes(32) == (1, 2, 4, 8, 16, 24, 32)
    assert sizes(30) == (1, 2, 4, 8, 16, 24, 30)
    for most in range(1, 1025):
        found = sizes(most)
        assert list(found) == sorted(set(found))
        assert found[-1] == most
    known = sizes(1024)
    assert len(known) < 40
    for rows in range(25, 1025):
        assert next_size(known, rows) < rows + max(8, rows / 4)


def test_a_step_takes_the_next_size() -> None:
    known = sizes(32)
    assert [next_size(known, n) for n in (1, 2, 3, 4, 5, 9, 17, 25, 32)] == [
        1, 2, 4, 4, 8, 16, 24, 32, 32,
    ]  # fmt: skip


def test_what_is_missing_stands_in_the_spare_slot() -> None:
    inputs = padded([7, 8, 9], [30, 31, 32], [2, 0, 1], size=4, spare_slot=5)
    assert inputs == [7, 8, 9, 0, 30, 31, 32, 0, 2, 0, 1, 5]


def filled(
    recorder: Again | None, tiny: Path, tmp_path: Path, num_rows: int
) -> tuple[Runner, Step]:
    """A runner whose rows have their prompts computed, and the step that decodes them."""
    loaded = with_backend(
        weights.load(ServeSettings(model=str(tiny), device="cpu"), tmp_path), recording(recorder)
    )
    made = Runner(replace(loaded, num_blocks=40, context=128), num_slots=6)
    rows = [
        Row(Request(f"r{n}", one, greedy(9))) for n, one in enumerate(prompts(*range(3, 40, 7)))
    ][:num_rows]
    made.prepare()
    for row in rows:
        made.cache.allocate(row)
        made.run(Step((), (Span(row, 0, row.num_tokens),)))
        row.num_computed = row.num_tokens
        row.output.append(11)
        made.cache.append(row)
    return made, Step(tuple(rows), ())


@pytest.mark.parametrize("num_rows", [1, 3, 5, 6])
def test_a_recorded_step_gives_the_logits_of_one_that_is_not(
    tiny: Path, tmp_path: Path, num_rows: int
) -> None:
    again = Again()
    with torch.inference_mode():
        recorded, step = filled(again, tiny, tmp_path, num_rows)
        plainly, same = filled(None, tiny, tmp_path, num_rows)
        got, slots = recorded.run(step)
        wanted, same_slots = plainly.run(same)
        assert again.num_runs == 1
        assert got.shape == wanted.shape
        assert len(got) == num_rows
        assert slots == same_slots
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
        # What padding computed is in the spare slot's block, and nobody's is as it was.
        example = torch.zeros(1, 2, 1, 16)
        for index in range(2):
            ours = recorded.cache.layer(index, example, example)
            theirs = plainly.cache.layer(index, example, example)
            for one, other in ((ours.keys, theirs.keys), (ours.values, theirs.values)):
                torch.testing.assert_close(one[:-1], other[:-1], rtol=1e-4, atol=1e-4)
                assert one[0].eq(0).all()
                assert one[-1].ne(0).any()
                assert other[-1].eq(0).all()


async def test_answers_are_the_same_with_recorded_steps(
    make_engine: MakeEngine, tiny: Path
) -> None:
    again = Again()
    engine = make_engine(max_running=3, backend=recording(again))
    oracle: Any = AutoModelForCausalLM.from_pretrained(tiny)
    asked = prompts(5, 40, 17, 33, 60)
    got = await asyncio.gather(
        *(read(engine, Request(f"r{n}", one, greedy(20 + 3 * n))) for n, one in enumerate(asked))
    )
    for n, (prompt, (text, _)) in enumerate(zip(asked, got, strict=True)):
        ids = torch.tensor([prompt])
        out = oracle.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=20 + 3 * n,
            do_sample=False,
        )
        assert text == engine.loaded.encoder.decode(out[0, len(prompt) :].tolist())
    assert again.recorded == [3, 2, 1]  # the largest first
    # Steps with a piece of a prompt are not recorded.
    assert 0 < again.num_runs < engine.stats.steps


async def test_answers_are_the_same_with_recorded_steps_in_little_memory(
    make_engine: MakeEngine,
) -> None:
    asked = [
        (prompt, Sampling(max_tokens=70, temperature=1.1, seed=n))
        for n, prompt in enumerate(prompts(30, 40, 20))
    ]

    async def answers(engine: Engine) -> list[str]:
        tasks = [
            asyncio.create_task(read(engine, Request(f"r{n}", prompt, sampling)))
            for n, (prompt, sampling) in enumerate(asked)
        ]
        return [text for text, _ in await asyncio.gather(*tasks)]

    wanted = await answers(make_engine(max_running=3))
    again = Again()
    tight = make_engine(max_running=3, num_blocks=11, backend=recording(again))
    assert await answers(tight) == wanted
    assert tight.stats.preemptions > 0
    assert again.num_runs > 0


async def test_steps_with_an_adapter_are_not_recorded(
    make_engine: MakeEngine, tiny: Path, tmp_path: Path
) -> None:
    again = Again()
    make_tiny_adapter(tmp_path / "adapters/canary", tiny, 1)
    plainly = make_engine()
    engine = make_engine(backend=recording(again))
    (prompt,) = prompts(20)
    request = Request("a", prompt, greedy(30), release="canary")
    for one in (plainly, engine):
        await one.adapters.load("canary", "canary")
    wanted, _ = await read(plainly, request)
    assert (await read(engine, request))[0] == wanted
    assert again.num_runs == 0
    mixed = await asyncio.gather(
        read(engine, replace(request, id="b")),
        read(engine, Request("c", prompt, greedy(30))),
    )
    assert mixed[0][0] == wanted
    assert mixed[1][0] != wanted
    alone = again.num_runs
    await read(engine, Request("d", prompt, greedy(30)))
    assert again.num_runs == alone + 29


@pytest.mark.parametrize("failing", [0, 2])
async def test_what_cannot_be_recorded_is_computed_anyway_after_one_warning(
    make_engine: MakeEngine, failing: int
) -> None:
    (prompt,) = prompts(20)
    wanted, _ = await read(make_engine(), Request("a", prompt, greedy(10)))
    again = Again(failing=failing)
    with capture_logs() as logs:
        engine = make_engine(backend=recording(again))
        text, _ = await read(engine, Request("a", prompt, greedy(10)))
    assert text == wanted
    assert again.num_runs == 0
    (warning,) = [one for one in logs if one["log_level"] == "warning"]
    assert warning["event"] == "engine.no_graphs"
    assert warning["because"] == "operation not permitted when stream is capturing"


async def test_recorded_steps_go_on_after_a_step_that_failed(make_engine: MakeEngine) -> None:
    again = Again()
    engine = make_engine(backend=recording(again))
    (prompt,) = prompts(20)
    wanted, _ = await read(engine, Request("a", prompt, greedy(10)))
    before = again.num_runs

    def fail(_: object, args: object) -> None:
        handle.remove()
        raise RuntimeError("the step is broken")

    handle = engine.loaded.model.register_forward_pre_hook(fail)
    _, last = await read(engine, Request("b", prompt, greedy(10)))
    assert last.finish == "error"
    text, _ = await read(engine, Request("c", prompt, greedy(10)))
    assert text == wanted
    assert again.num_runs > before


def test_the_check_at_load_records_nothing(tiny: Path, tmp_path: Path) -> None:
    again = Again()
    loaded = weights.load(ServeSettings(model=str(tiny), device="cpu"), tmp_path)
    fitted = runner.fitted(with_backend(loaded, recording(again)))
    assert again.recorded == []
    assert fitted.num_blocks > 0
