"""Log-probabilities out of the engine: complete, in order, and a broken one breaks its own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from bot.engine.engine import Engine
from bot.engine.request import Delta, Request, Score
from tests.bot.engine.support import MakeEngine, greedy, prompts, read


@pytest.fixture(scope="module")
def oracle(tiny: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny)


async def scored(engine: Engine, request: Request) -> tuple[list[Score], Delta]:
    """All scores of an answer, and its last delta."""
    scores: list[Score] = []
    async for delta in engine.generate(request):
        scores += delta.scores
    return scores, delta


def check(oracle: Any, prompt: tuple[int, ...], scores: list[Score], last: Delta) -> None:
    """All scores against one pass of transformers' own model over prompt and answer."""
    ids = [*prompt, *(one.token for one in scores)]
    with torch.inference_mode():
        expected = oracle(torch.tensor([ids])).logits[0].log_softmax(-1)
    found = [*last.prompt_scores, *scores]
    assert [one.token for one in found] == ids[1:]
    for one, row in zip(found, expected, strict=False):
        assert one.logprob == pytest.approx(float(row[one.token]), abs=1e-3)


async def test_scores_are_complete_whoever_runs_beside_and_however_prompts_are_cut(
    make_engine: MakeEngine, oracle: Any
) -> None:
    engine = make_engine(max_running=4, prefill_chunk=16)
    asked = prompts(1, 2, 16, 17, 70, 33, 5, 120)
    others = [
        asyncio.create_task(read(engine, Request(f"other{n}", one, greedy(20))))
        for n, one in enumerate(asked)
    ]
    got = await asyncio.gather(
        *(
            scored(engine, Request(f"r{n}", one, greedy(9 + n, logprobs=n % 3, prompt_logprobs=0)))
            for n, one in enumerate(asked)
        )
    )
    await asyncio.gather(*others)
    for n, (prompt, (scores, last)) in enumerate(zip(asked, got, strict=True)):
        assert len(scores) == 9 + n
        assert {len(one.top) for one in scores} == {n % 3}
        check(oracle, prompt, scores, last)


async def test_scores_come_with_the_text_they_belong_to_when_it_was_held_back(
    make_engine: MakeEngine, oracle: Any
) -> None:
    engine = make_engine()
    (prompt,) = prompts(20)
    free, _ = await read(engine, Request("free", prompt, greedy(30)))
    how = greedy(30, logprobs=0, prompt_logprobs=0, stop=(f"{free[-3:]} and so on",))
    scores, last = await scored(engine, Request("held", prompt, how))
    assert len(scores) == 30
    check(oracle, prompt, scores, last)


async def test_a_score_that_is_no_number_fails_its_request_alone(make_engine: MakeEngine) -> None:
    def poison(model: torch.nn.Module) -> None:
        def spoil(_: object, __: object, output: Any) -> None:
            if output.logits.shape[1] > 4:  # more than rows that draw: the last are a prompt's
                output.logits[0, -1] = float("nan")

        model.register_forward_hook(spoil)

    engine = make_engine(prepare=poison)
    prompt, other = prompts(10, 3)
    (_, broken), (_, well) = await asyncio.gather(
        scored(engine, Request("scored", prompt, greedy(5, prompt_logprobs=0))),
        scored(engine, Request("plain", other, greedy(5, logprobs=1))),
    )
    assert broken.finish == "error"
    assert well.finish == "length"


async def test_a_prompt_alone_is_scored_without_an_answer(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (prompt,) = prompts(40)
    scores, last = await scored(engine, Request("r", prompt, greedy(0, prompt_logprobs=1)))
    assert (scores, last.text, last.num_output, last.finish) == ([], "", 0, "length")
    assert len(last.prompt_scores) == 39
    assert engine.stats.running == 0
