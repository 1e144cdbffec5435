"""Adapters with random weights, to measure what serving them costs.

`python -m bot.engine.random_adapter`. One job: `serve` and `state_dir` as for the server, and
`paths`, the directories to write. Each gets low-rank pairs for every linear layer but the last, in
PEFT's format.
"""

from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

from bot.engine import errand, source
from bot.engine.errand import Json
from bot.model_settings import ServeSettings

RANK = 16

_SCALE = 0.01
"""Of the weights: large enough to change answers, small enough to keep them finite."""


def handle(job: Json) -> Json:
    """Write the adapters, each different."""
    settings = ServeSettings.model_validate(job["serve"])
    found = source.find(settings.model, Path(job["state_dir"]))
    config = found.config()
    for seed, path in enumerate(job["paths"], start=1):
        write(config, base=found.path, path=Path(path), seed=seed)
    return {"rank": RANK}


def write(config: Any, *, base: str, path: Path, seed: int) -> None:
    """One adapter of a model of that configuration."""
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    last = model.get_output_embeddings()
    linears = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not last
    }
    random = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for name, linear in linears.items():
        shapes = {"lora_A": (RANK, linear.in_features), "lora_B": (linear.out_features, RANK)}
        for part, shape in shapes.items():
            key = f"base_model.model.{name}.{part}.weight"
            tensors[key] = torch.randn(shape, generator=random) * _SCALE
    path.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path / "adapter_model.safetensors", metadata={"format": "pt"})
    settings = {
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "lora_alpha": 2 * RANK,
        "lora_dropout": 0.0,
        "modules_to_save": None,
        "peft_type": "LORA",
        "r": RANK,
        "target_modules": sorted({name.rpartition(".")[2] for name in linears}),
        "task_type": "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": False,
    }
    (path / "adapter_config.json").write_bytes(orjson.dumps(settings))


if __name__ == "__main__":
    errand.run(handle)
