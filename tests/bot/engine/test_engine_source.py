"""Models of a shape alone: they answer, the same in every process, with any tokenizer."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bot.engine import random_adapter, roofline, runner, weights
from bot.engine.engine import Engine
from bot.engine.request import Request
from bot.engine.source import RANDOM, find
from bot.errors import ModelError
from bot.model_settings import ServeSettings
from tests.bot.engine.support import greedy, read
from tests.tiny_model import make_tiny_model


@pytest.fixture
def shape(tmp_path: Path) -> Path:
    """A configuration with more ids than the tokenizer beside it."""
    path = make_tiny_model(tmp_path / "tiny")
    config = json.loads((path / "config.json").read_text())
    (path / "large.json").write_text(json.dumps(config | {"vocab_size": 5000}))
    return path / "large.json"


def test_a_shape_gives_the_same_random_weights_each_time(shape: Path, tmp_path: Path) -> None:
    settings = ServeSettings(model=f"{RANDOM}{shape}")
    one, two = (weights.load(settings, tmp_path) for _ in range(2))
    assert (one.id, one.vocab_size) == ("random-large", 5000)
    for a, b in zip(one.model.parameters(), two.model.parameters(), strict=True):
        assert torch.equal(a, b)
    assert one.encoder.decode([1000, 4999]) != ""


def test_a_vocabulary_smaller_than_the_tokenizer_s_is_refused(shape: Path, tmp_path: Path) -> None:
    config = json.loads(shape.read_text())
    shape.write_text(json.dumps(config | {"vocab_size": 100}))
    with pytest.raises(ModelError, match="vocabulary is smaller"):
        weights.load(ServeSettings(model=f"{RANDOM}{shape}"), tmp_path)


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no configuration .*nothing\.json"):
        find(f"{RANDOM}{tmp_path / 'nothing.json'}", tmp_path)


async def test_an_answer_goes_on_after_the_model_s_own_end_when_asked_to(
    shape: Path, tmp_path: Path
) -> None:
    loaded = weights.load(ServeSettings(model=f"{RANDOM}{shape}"), tmp_path)
    loaded = replace(runner.fitted(loaded), eos_ids=frozenset(range(5000)))
    engine = Engine(loaded, max_running=2, max_waiting=2, prefill_chunk=16, num_threads=1)
    engine.start()
    try:
        _, ended = await read(engine, Request("a", (5, 6, 7), greedy(8)))
        _, went_on = await read(engine, Request("b", (5, 6, 7), greedy(8, ignore_eos=True)))
    finally:
        await engine.close()
    assert (ended.finish, ended.num_output) == ("stop", 1)
    assert (went_on.finish, went_on.num_output) == ("length", 8)


def test_a_random_adapter_has_a_pair_for_each_linear_layer_but_the_last(
    shape: Path, tmp_path: Path
) -> None:
    config = find(f"{RANDOM}{shape}", tmp_path).config()
    for seed in (1, 2):
        random_adapter.write(config, base="tiny", path=tmp_path / f"adapter-{seed}", seed=seed)
    adapter = json.loads((tmp_path / "adapter-1/adapter_config.json").read_text())
    assert (adapter["peft_type"], adapter["r"]) == ("LORA", random_adapter.RANK)
    one, two = (load_file(tmp_path / f"adapter-{n}/adapter_model.safetensors") for n in (1, 2))
    model = find(f"{RANDOM}{shape}", tmp_path).load(
        dtype=torch.float32, device=torch.device("cpu"), attention="sdpa"
    )
    linears = {
        name: module
        for name, module in model.named_modules()
        if name.rpartition(".")[2] in adapter["target_modules"]
    }
    assert len(linears) == 2 * 7
    assert len(one) == 2 * len(linears)
    for name, linear in linears.items():
        pair = [one[f"base_model.model.{name}.lora_{part}.weight"] for part in "BA"]
        assert (pair[0] @ pair[1]).shape == linear.weight.shape
        assert torch.any(pair[0] @ pair[1] != 0)
    assert not any(torch.equal(one[name], two[name]) for name in one)


def test_the_needs_of_a_shape_are_counted_without_its_weights(shape: Path, tmp_path: Path) -> None:
    config = find(f"{RANDOM}{shape}", tmp_path).config()
    needs = roofline.needs(config, torch.bfloat16)
    # Two layers of 4 * 64 * 64 less the grouped keys and values, the MLP, norms, and the output.
    layer = 64 * 64 * 2 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64
    assert needs["weight_bytes"] == 2 * (2 * layer + 64 + 5000 * 64)
    assert needs["kv_bytes"] == 2 * 2 * 2 * 16 * 2
    assert roofline.copy_bandwidth(torch.device("cpu"), 0.0) > 1e6
    assert roofline.matmul_rate(torch.float32, torch.device("cpu"), 0.0) > 1e6
