"""What this machine could reach at most with a model: `python -m bot.engine.roofline`.

Measures copy bandwidth and matrix products, and counts what one token needs of each, from the
model's configuration alone. One job: `serve` (the server's settings), `state_dir`, and `seconds`
to measure for (0: only describe). Dense models; of a mixture of experts it counts all experts.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

from bot.engine import errand, source
from bot.engine.errand import Json
from bot.engine.threads import choose_threads
from bot.model_settings import ServeSettings

_COPY_BYTES = {"cpu": 256 << 20, "cuda": 4 << 30}
"""Far more than any cache holds."""

_MATMUL_SIZE = {"cpu": 1024, "cuda": 8192}


def handle(job: Json) -> Json:
    """The model's needs, and the machine's rates where they are asked for."""
    settings = ServeSettings.model_validate(job["serve"])
    threads = choose_threads(settings.threads)
    torch.set_num_threads(threads)
    device = source.choose_device(settings.device)
    dtype = source.choose_dtype(settings.dtype, device)
    found = source.find(settings.model, Path(job["state_dir"]))
    answer: Json = {
        "model": found.id,
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "dtype": str(dtype).removeprefix("torch."),
        "threads": threads,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        **needs(found.config(), dtype),
    }
    if seconds := job["seconds"]:
        answer["copy_bytes_s"] = copy_bandwidth(device, seconds)
        answer["matmul_flops_s"] = {
            str(each).removeprefix("torch."): matmul_rate(each, device, seconds)
            for each in (torch.float32, torch.bfloat16)
        }
    return answer


def needs(config: Any, dtype: torch.dtype) -> Json:
    """What one token takes: bytes of weights read in a step, and of keys and values for each token
    of context; operations of the weights, and of the attention for each token of context."""
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    num_weights = sum(each.numel() for each in model.parameters())
    if model.get_input_embeddings().weight is not model.get_output_embeddings().weight:
        # Of these a step reads one row for each token.
        num_weights -= model.get_input_embeddings().weight.numel()
    text = config.get_text_config()
    heads = text.num_attention_heads
    kv_heads = getattr(text, "num_key_value_heads", None) or heads
    dim = getattr(text, "head_dim", None) or text.hidden_size // heads
    return {
        "weight_bytes": num_weights * dtype.itemsize,
        "kv_bytes": 2 * text.num_hidden_layers * kv_heads * dim * dtype.itemsize,
        "weight_flops": 2 * num_weights,
        "kv_flops": 4 * text.num_hidden_layers * heads * dim,
    }


def copy_bandwidth(device: torch.device, seconds: float) -> float:
    """Bytes read and written a second, in the best of many copies."""
    here = torch.ones(_COPY_BYTES[device.type] // 4, device=device)
    there = torch.empty_like(here)
    return 2 * here.nbytes / _best_s(lambda: there.copy_(here), device, seconds)


def matmul_rate(dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """Operations a second, in the best of many products of square matrices."""
    size = _MATMUL_SIZE[device.type]
    left = torch.ones(size, size, dtype=dtype, device=device)
    out = torch.empty_like(left)
    return 2 * size**3 / _best_s(lambda: torch.mm(left, left, out=out), device, seconds)


def _best_s(work: Callable[[], object], device: torch.device, seconds: float) -> float:
    """The shortest time that `work` took in `seconds` of repeating it, three times at least."""
    best = float("inf")
    spent: list[float] = []
    while len(spent) < 3 or sum(spent) < seconds:
        began = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        spent.append(time.perf_counter() - began)
        best = min(best, spent[-1])
    return best


if __name__ == "__main__":
    errand.run(handle)
