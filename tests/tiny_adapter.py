"""A small LoRA adapter in PEFT's format, made on the spot, and its base with it merged in."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def make_tiny_adapter(
    path: Path,
    model_dir: Path,
    seed: int,
    *,
    rank: int = 4,
    targets: Sequence[str] = ALL,
    size: float = 0.15,
    **changes: Any,
) -> Path:
    """Write an adapter of random weights for the model to `path`, with all fields that PEFT 0.21
    writes; returns `path`.

    `changes` are fields of its configuration; ranks follow `rank_pattern`. Weights of about `size`
    are large enough for a greedy answer of the tiny model to become another one.
    """
    config = _AS_WRITTEN | {
        "base_model_name_or_path": str(model_dir),
        "r": rank,
        "target_modules": sorted(targets),
        **changes,
    }
    model = AutoModelForCausalLM.from_pretrained(model_dir)
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, module in model.named_modules():
        last = name.rpartition(".")[2]
        if last not in targets:
            continue
        r = config["rank_pattern"].get(last, rank)
        for half, shape in (("A", (r, module.in_features)), ("B", (module.out_features, r))):
            key = f"base_model.model.{name}.lora_{half}.weight"
            tensors[key] = torch.randn(shape, generator=generator) * size
    path.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path / "adapter_model.safetensors")
    (path / "adapter_config.json").write_text(json.dumps(config, indent=2))
    return path


def merged(model_dir: Path, adapter: Path) -> Any:
    """The model with the adapter's products added to its weights: what the answers must equal."""
    model: Any = AutoModelForCausalLM.from_pretrained(model_dir)
    config = json.loads((adapter / "adapter_config.json").read_text())
    tensors = load_file(adapter / "adapter_model.safetensors")
    for name, module in model.named_modules():
        key = f"base_model.model.{name}.lora_"
        if f"{key}A.weight" not in tensors:
            continue
        down, up = tensors[f"{key}A.weight"], tensors[f"{key}B.weight"]
        alpha = config["alpha_pattern"].get(name.rpartition(".")[2], config["lora_alpha"])
        rank = down.shape[0]
        scale = alpha / (math.sqrt(rank) if config["use_rslora"] else rank)
        module.weight.data += scale * up @ down
    return model


_AS_WRITTEN: dict[str, Any] = {
    "alora_invocation_tokens": None,
    "alpha_pattern": {},
    "arrow_config": None,
    "auto_mapping": None,
    "bias": "none",
    "corda_config": None,
    "ensure_weight_tying": False,
    "eva_config": None,
    "exclude_modules": None,
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "kasa_config": None,
    "layer_replication": None,
    "layers_pattern": None,
    "layers_to_transform": None,
    "loftq_config": {},
    "lora_alpha": 8,
    "lora_bias": False,
    "lora_dropout": 0.05,
    "lora_ga_config": None,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "modules_to_save": None,
    "monteclora_config": None,
    "peft_type": "LORA",
    "peft_version": "0.21.2",
    "qalora_group_size": 16,
    "rank_pattern": {},
    "revision": None,
    "target_parameters": None,
    "task_type": "CAUSAL_LM",
    "trainable_token_indices": None,
    "use_bdlora": None,
    "use_dora": False,
    "use_qalora": False,
    "use_rslora": False,
    "velora_config": None,
}
