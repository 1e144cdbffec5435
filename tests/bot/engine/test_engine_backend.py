"""Which attention is chosen, and why."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from transformers import DeepseekV3Config, Gemma3TextConfig, LlamaConfig, MambaConfig, Qwen3Config

from bot.engine.backend import FLASH, GATHERED, Facts, choose, fault, head_dims, obstacle
from bot.engine.kernels import Kernel, plain

GOOD = Facts(
    platform="cuda",
    capability=(9, 0),
    dtype=torch.bfloat16,
    head_dims=frozenset({128}),
    has_kernel=True,
)


def test_blocks_are_read_where_they_lie_on_a_card_and_a_model_that_allow_it() -> None:
    assert obstacle(GOOD) is None
    assert obstacle(replace(GOOD, capability=(8, 0), dtype=torch.float16)) is None
    assert obstacle(replace(GOOD, head_dims=frozenset({256}))) is None


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"platform": "cpu"}, "cpu"),
        ({"platform": "rocm"}, "rocm"),
        ({"capability": (7, 5)}, "7.5"),
        ({"dtype": torch.float32}, "float32"),
        ({"head_dims": frozenset({128, 64})}, "one size"),
        ({"head_dims": frozenset({512})}, "512"),
        ({"head_dims": frozenset({100})}, "100"),
        ({"has_kernel": False}, "varlen"),
    ],
)
def test_what_stands_against_it_is_said(change: dict[str, Any], because: str) -> None:
    found = obstacle(replace(GOOD, **change))
    assert found is not None
    assert because in found


@pytest.mark.parametrize(
    ("config", "dims"),
    [
        (LlamaConfig(hidden_size=64, num_attention_heads=4), {16}),
        (Qwen3Config(head_dim=128), {128}),
        (Gemma3TextConfig(head_dim=256), {256}),
        (
            DeepseekV3Config(qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128),
            {64, 128, 192},
        ),
    ],
)
def test_the_sizes_of_heads_are_all_those_that_a_model_has(config: Any, dims: set[int]) -> None:
    assert head_dims(config) >= dims


def test_heads_that_cannot_be_told_are_none() -> None:
    assert head_dims(MambaConfig()) == frozenset()
    assert obstacle(replace(GOOD, head_dims=frozenset())) is not None


def test_a_kernel_is_tried_on_the_device_before_it_is_trusted() -> None:
    config = LlamaConfig(hidden_size=64, num_attention_heads=4, num_key_value_heads=2)

    def found(kernel: Kernel) -> str | None:
        return fault(kernel, config, dtype=torch.bfloat16, device=torch.device("cpu"))

    def refusing(*_: Any, **__: Any) -> torch.Tensor:
        raise RuntimeError("FlashAttention only supports Ampere GPUs or newer.\nand more")

    assert found(plain) is None
    assert found(refusing) == "FlashAttention only supports Ampere GPUs or newer."
    assert "off by" in (found(lambda *a, **k: plain(*a, **k) * 2) or "")


def test_on_the_cpu_blocks_are_small_and_gathered() -> None:
    config = LlamaConfig(hidden_size=64, num_attention_heads=4)
    chosen = choose(config, dtype=torch.float32, device=torch.device("cpu"))
    assert chosen is GATHERED
    assert chosen.kernel is None
    assert (GATHERED.block_size, FLASH.block_size) == (32, 256)
