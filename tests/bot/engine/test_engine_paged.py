"""Attention over blocks where they lie: the tables, and answers against transformers' own.

On the CPU the kernel is `plain`; what the tables say to it, they say to the one on a GPU.
"""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma3TextConfig, MistralConfig

from bot.engine import kernels
from bot.engine.backend import Backend
from bot.engine.cache import Cache
from bot.engine.engine import Engine
from bot.engine.kernels import how, plain
from bot.engine.paged import PAGED, Tables, Tail, attend, tables_of, tables_of_decoded
from bot.engine.request import Request, Row
from bot.engine.runner import fitted
from bot.engine.weights import load
from bot.model_settings import ServeSettings
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, with_backend
from tests.tiny_model import round_weights

CPU = torch.device("cpu")


def paged(block_size: int) -> Backend:
    return Backend(PAGED, block_size, plain)


def generated(oracle: Any, engine: Engine, prompt: tuple[int, ...], num: int) -> str:
    ids = torch.tensor([prompt])
    out = oracle.generate(
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=num, do_sample=False
    )
    return engine.loaded.encoder.decode(out[0, len(prompt) :].tolist())


@pytest.mark.parametrize("block_size", [16, 256])
async def test_answers_equal_those_of_one_at_a_time(
    make_engine: MakeEngine, tiny: Path, block_size: int
) -> None:
    engine = make_engine(max_running=4, prefill_chunk=48, backend=paged(block_size))
    oracle = AutoModelForCausalLM.from_pretrained(tiny)
    asked = prompts(5, 40, 300, 17, 90, 33, 1)
    got = await asyncio.gather(
        *(read(engine, Request(f"r{n}", one, greedy(20 + n))) for n, one in enumerate(asked))
    )
    for n, (prompt, (text, _)) in enumerate(zip(asked, got, strict=True)):
        assert text == generated(oracle, engine, prompt, 20 + n)
    assert engine.stats.failed_steps == 0


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        (MistralConfig, {}),
        (Gemma3TextConfig, {"layer_types": ["sliding_attention", "full_attention"]}),
    ],
)
async def test_sliding_windows_are_exact(
    kind: type[Any], own: dict[str, Any], tiny: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model"
    shutil.copytree(tiny, path)
    torch.manual_seed(5)
    config = kind(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
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
    loaded = fitted(
        with_backend(load(ServeSettings(model=str(path), device="cpu"), tmp_path), paged(256))
    )
    engine = Engine(loaded, max_running=3, max_waiting=9, prefill_chunk=16, num_threads=1)
    engine.start()
    try:
        asked = prompts(50, 6, 90)
        got = await asyncio.gather(
            *(read(engine, Request(f"r{n}", one, greedy(30))) for n, one in enumerate(asked))
        )
    finally:
        await engine.close()
    for prompt, (text, _) in zip(asked, got, strict=True):
        assert text == generated(oracle, engine, prompt, 30)


async def test_with_blocks_of_256_the_next_turn_finds_whole_blocks(
    make_engine: MakeEngine,
) -> None:
    engine = make_engine(prefill_chunk=256, backend=paged(256))
    (prompt,) = prompts(600)
    first, last = await read(engine, Request("a", prompt, greedy(5)))
    again, found = await read(engine, Request("b", prompt, greedy(5)))
    assert (last.num_cached, found.num_cached) == (0, 512)
    assert again == first


def cache_with(*lengths: int) -> tuple[Cache, list[Row]]:
    cache = Cache(num_slots=4, num_blocks=20, block_size=16, context=64)
    rows = [Row(Request(f"r{n}", one, greedy(9))) for n, one in enumerate(prompts(*lengths))]
    for row in rows:
        cache.allocate(row)
    cache.refresh()
    return cache, rows


def place(row: Row, position: int) -> int:
    return row.blocks[position // 16] * 16 + position % 16


def test_the_tables_of_a_mixed_step_say_whose_token_is_where() -> None:
    cache, (one, two, three) = cache_with(20, 40, 33)
    tails = [Tail(one.slot, 19, 20), Tail(two.slot, 10, 40), Tail(three.slot, 0, 33)]
    positions = [19, *range(10, 40), *range(33)]
    slots = [one.slot] + [two.slot] * 30 + [three.slot] * 33
    tables = tables_of(
        cache, plain, tails, slots=torch.tensor(slots), positions=torch.tensor(positions)
    )
    assert tables.starts.tolist() == [0, 1, 31, 64]
    assert tables.lengths.tolist() == [20, 40, 33]
    assert tables.ends.tolist() == [0, 20, 60, 93]
    assert (tables.max_q, tables.max_k) == (33, 40)
    for row, line in zip((one, two, three), tables.blocks.tolist(), strict=True):
        assert line == row.blocks + [0] * (4 - len(row.blocks))
    wanted = [place(one, 19)]
    wanted += [place(two, at) for at in range(10, 40)]
    wanted += [place(three, at) for at in range(33)]
    assert tables.places.tolist() == wanted
    integers = (tables.starts, tables.lengths, tables.ends, tables.blocks)
    assert {one.dtype for one in integers} == {torch.int32}


def test_the_tables_of_decoded_tokens_are_the_same_computed_from_the_device() -> None:
    cache, (one, two, _) = cache_with(20, 40, 33)
    slots, positions = torch.tensor([two.slot, one.slot]), torch.tensor([39, 19])
    known = tables_of(
        cache,
        plain,
        [Tail(two.slot, 39, 40), Tail(one.slot, 19, 20)],
        slots=slots,
        positions=positions,
    )
    made = tables_of_decoded(cache, plain, slots=slots, positions=positions, max_k=64)
    for name in ("places", "starts", "lengths", "ends", "blocks"):
        assert torch.equal(getattr(made, name), getattr(known, name)), name
        assert getattr(made, name).dtype is getattr(known, name).dtype
    assert (made.max_q, made.max_k) == (1, 64)


def test_capped_scores_and_sinks_are_refused() -> None:
    cache, (one,) = cache_with(20)
    tables: Tables = tables_of(
        cache,
        plain,
        [Tail(one.slot, 19, 20)],
        slots=torch.tensor([one.slot]),
        positions=torch.tensor([19]),
    )
    layer = torch.nn.Module()
    heads = torch.zeros(1, 2, 1, 8)
    for own in ({"softcap": 30.0}, {"s_aux": torch.zeros(2)}):
        with pytest.raises(NotImplementedError):
            attend(layer, heads, heads, heads, None, layout=tables, **own)


@pytest.mark.parametrize(
    ("max_q", "heads", "window", "wanted"),
    [
        (1, 8, None, ((-1, -1), None)),  # grouped single queries: the one form that may split
        (1, 2, None, ((-1, -1), 1)),
        (7, 8, None, ((-1, 0), 1)),
        (1, 8, 100, ((99, 0), 1)),
        (7, 2, 100, ((99, 0), 1)),
    ],
)
def test_keys_are_split_only_where_torch_sums_the_parts_rightly(
    max_q: int, heads: int, window: int | None, wanted: Any
) -> None:
    assert how(max_q=max_q, heads=heads, kv_heads=2, window=window) == wanted


def off_by(kernel: kernels.Kernel) -> float:
    return kernels.error(kernel, heads=4, kv_heads=2, dim=16, dtype=torch.bfloat16, device=CPU)


def test_the_check_of_a_kernel_passes_one_that_rounds() -> None:
    def rounding(*args: Any, **kwargs: Any) -> torch.Tensor:
        return plain(*args, **kwargs) * 1.01

    assert off_by(plain) == 0
    assert 0 < off_by(rounding) < kernels.MAX_ERROR


def test_the_check_of_a_kernel_fails_one_that_is_wrong_for_any_row() -> None:
    def first_row_only(*args: Any, **kwargs: Any) -> torch.Tensor:
        out = plain(*args, **kwargs)
        out[1:] = 0
        return out

    def without_windows(*args: Any, **kwargs: Any) -> torch.Tensor:
        _left, right = kwargs.pop("window_size")
        return plain(*args, window_size=(-1, right), **kwargs)

    def without_causality(*args: Any, **kwargs: Any) -> torch.Tensor:
        left, _ = kwargs.pop("window_size")
        return plain(*args, window_size=(left, -1), **kwargs)

    def one_key_short(*args: Any, **kwargs: Any) -> torch.Tensor:
        lengths = kwargs.pop("seqused_k")
        return plain(*args, seqused_k=(lengths - 1).clamp(min=1), **kwargs)

    def in_order(*args: Any, **kwargs: Any) -> torch.Tensor:
        blocks = kwargs.pop("block_table")
        numbers = torch.arange(blocks.numel(), dtype=torch.int32).view_as(blocks)
        return plain(*args, block_table=numbers % len(args[1]), **kwargs)

    def no_numbers(*args: Any, **kwargs: Any) -> torch.Tensor:
        return plain(*args, **kwargs) * torch.nan

    for wrong in (first_row_only, without_windows, without_causality, in_order, no_numbers):
        assert not off_by(wrong) <= kernels.MAX_ERROR, wrong
    assert not off_by(one_key_short) <= kernels.MAX_ERROR
