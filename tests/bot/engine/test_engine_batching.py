"""The engine's answers against transformers' own `generate`, one request at a time."""

import asyncio
import shutil
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, MistralConfig, Qwen3Config

from bot.engine.engine import Engine
from bot.engine.request import Request, Sampling
from bot.engine.runner import fitted
from bot.engine.weights import load
from bot.model_settings import ServeSettings
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, until
from tests.tiny_model import round_weights


@pytest.fixture(scope="module")
def oracle(tiny: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny)


def expected(oracle: Any, engine: Engine, prompt: Sequence[int], num: int, **how: Any) -> str:
    ids = torch.tensor([prompt])
    out = oracle.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=num, do_sample=False, **how
    )
    return engine.loaded.encoder.decode(out[0, len(prompt) :].tolist())


async def test_answers_in_a_batch_equal_answers_one_at_a_time(
    make_engine: MakeEngine, oracle: Any
) -> None:
    engine = make_engine(max_running=4, prefill_chunk=16)
    asked = prompts(5, 40, 17, 3, 90, 33, 64, 1)
    got = await asyncio.gather(
        *(
            read(engine, Request(f"r{n}", prompt, greedy(20 + 3 * n)))
            for n, prompt in enumerate(asked)
        )
    )
    for n, (prompt, (text, last)) in enumerate(zip(asked, got, strict=True)):
        assert text == expected(oracle, engine, prompt, 20 + 3 * n)
        assert (last.finish, last.num_prompt, last.num_output) == (
            "length",
            len(prompt),
            20 + 3 * n,
        )


async def test_an_answer_is_the_same_whoever_joins_and_leaves_on_the_way(
    make_engine: MakeEngine, oracle: Any
) -> None:
    engine = make_engine(max_running=3)
    first, second, third, fourth = prompts(30, 9, 50, 21, seed=2)

    async def leave_early(prompt: tuple[int, ...]) -> None:
        async with aclosing(engine.generate(Request("leaver", prompt, greedy(5000)))) as deltas:
            async for delta in deltas:
                if delta.num_output > 10:
                    return

    async with asyncio.TaskGroup() as group:
        a = group.create_task(read(engine, Request("a", first, greedy(150))))
        await until(lambda: engine.stats.output_tokens > 5)
        group.create_task(leave_early(second))
        await until(lambda: engine.stats.running == 2)
        b = group.create_task(read(engine, Request("b", third, greedy(70))))
        await until(lambda: engine.stats.output_tokens > 60)
        c = group.create_task(read(engine, Request("c", fourth, greedy(40))))
    assert a.result()[0] == expected(oracle, engine, first, 150)
    assert b.result()[0] == expected(oracle, engine, third, 70)
    assert c.result()[0] == expected(oracle, engine, fourth, 40)


async def test_the_size_of_prefill_chunks_does_not_change_an_answer(
    make_engine: MakeEngine, oracle: Any
) -> None:
    (prompt,) = prompts(200)
    for chunk in (16, 77, 512):
        engine = make_engine(prefill_chunk=chunk)
        text, _ = await read(engine, Request("r", prompt, greedy(30)))
        assert text == expected(oracle, engine, prompt, 30)
        assert engine.stats.steps == -(-200 // chunk) + 29


MIXED = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (MistralConfig, {}),
        (Qwen3Config, {"use_sliding_window": True, **MIXED}),
        (Gemma3TextConfig, MIXED),
    ],
)
async def test_other_architectures_and_sliding_windows_are_exact(
    kind: type[Any], own: dict[str, Any], tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    shutil.copytree(tiny, path)
    torch.manual_seed(5)
    config = kind(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=16,
        sliding_window=8,
        max_position_embeddings=512,
        initializer_range=0.3,
        eos_token_id=2,
        **own,
    )
    oracle: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    oracle.generation_config.eos_token_id = 400
    round_weights(oracle)
    oracle.save_pretrained(path)
    loaded = fitted(load(ServeSettings(model=str(path)), tmp_path))
    engine = Engine(loaded, max_running=3, max_waiting=9, prefill_chunk=16, num_threads=1)
    engine.start()
    try:
        asked = prompts(50, 6, 23, 90)
        got = await asyncio.gather(
            *(read(engine, Request(f"r{n}", one, greedy(40))) for n, one in enumerate(asked))
        )
    finally:
        await engine.close()
    for prompt, (text, _) in zip(asked, got, strict=True):
        assert text == expected(oracle, engine, prompt, 40)


async def test_the_repetition_penalty_counts_prompt_and_answer(
    make_engine: MakeEngine, oracle: Any
) -> None:
    engine = make_engine()
    asked = prompts(12, 60, 31)
    got = await asyncio.gather(
        *(
            read(engine, Request(f"r{n}", prompt, greedy(60, repetition_penalty=penalty)))
            for n, (prompt, penalty) in enumerate(zip(asked, (1.0, 1.3, 1.8), strict=True))
        )
    )
    for prompt, penalty, (text, _) in zip(asked, (1.0, 1.3, 1.8), got, strict=True):
        assert text == expected(oracle, engine, prompt, 60, repetition_penalty=penalty)


async def test_a_seed_gives_the_same_answer_alone_and_in_company(make_engine: MakeEngine) -> None:
    engine = make_engine()
    asked = prompts(20, 35, 8)

    def drawn(seed: int) -> Sampling:
        return Sampling(max_tokens=60, temperature=1.2, top_p=0.95, seed=seed)

    alone, _ = await read(engine, Request("alone", asked[0], drawn(7)))
    (again, _), (other, _), _ = await asyncio.gather(
        read(engine, Request("again", asked[0], drawn(7))),
        read(engine, Request("other", asked[0], drawn(8))),
        read(engine, Request("company", asked[1], drawn(7))),
    )
    assert again == alone
    assert other != alone


async def test_text_held_back_for_a_stop_string_comes_at_the_end(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (prompt,) = prompts(20)
    free, _ = await read(engine, Request("free", prompt, greedy(30)))
    text, last = await read(
        engine, Request("held", prompt, greedy(30, stop=(f"{free[-3:]} and so on",)))
    )
    assert (text, last.finish) == (free, "length")


async def test_a_stop_string_that_the_very_end_completes_is_left_out(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine()
    (prompt,) = prompts(20)
    for num in range(1, 60):  # until the last token is the first half of a code point
        free, _ = await read(engine, Request(f"free{num}", prompt, greedy(num)))
        if "\ufffd" in free:
            break
    text, last = await read(engine, Request("cut", prompt, greedy(num, stop=("\ufffd",))))
    assert (text, last.finish) == (free.removesuffix("\ufffd"), "stop")


async def test_without_a_seed_two_answers_differ(make_engine: MakeEngine) -> None:
    engine = make_engine()
    (prompt,) = prompts(20)
    sampling = Sampling(max_tokens=60, temperature=1.5)
    (one, _), (two, _) = await asyncio.gather(
        read(engine, Request("one", prompt, sampling)),
        read(engine, Request("two", prompt, sampling)),
    )
    assert one != two
