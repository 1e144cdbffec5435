"""Where a model comes from: a directory, a name on the hub, or a bare configuration.

`random:PATH/config.json` is a model of that shape with random weights: it answers nonsense at the
speed of the real one, so that a size can be measured without its weights. Its tokenizer is the
one beside the configuration, or else the default model's.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from bot.engine import default_model
from bot.errors import ModelError

RANDOM = "random:"

_SEED = 0
"""Of random weights: two processes that hold the same configuration hold the same model."""


@dataclass(frozen=True, slots=True)
class Source:
    """A model that can be loaded: `path` and `tokenizer` are paths or hub names."""

    id: str
    path: str
    tokenizer: str
    is_random: bool = False

    def config(self) -> Any:
        """transformers' configuration of it."""
        return AutoConfig.from_pretrained(self.path, trust_remote_code=False)

    def load(self, *, dtype: torch.dtype, device: torch.device, attention: str) -> Any:
        """The model on the device, ready to answer; raises what transformers raises."""
        if self.is_random:
            with torch.random.fork_rng(), device:
                torch.manual_seed(_SEED)
                model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                    self.config(), dtype=dtype, attn_implementation=attention
                )
        else:
            model = AutoModelForCausalLM.from_pretrained(
                self.path,
                dtype=dtype,
                attn_implementation=attention,
                use_safetensors=True,
                trust_remote_code=False,
            )
        return model.eval().requires_grad_(False).to(device)


def find(name: str, state_dir: Path, progress: default_model.Progress | None = None) -> Source:
    """The model that `serve.model` names. Unpacks the default model where it is needed.

    Raises ModelError for a path that is not there.
    """
    if name == "smollm2":
        path = default_model.converted(state_dir, progress)
        return Source(path.name, str(path), str(path))
    if name.startswith(RANDOM):
        return _random(Path(name.removeprefix(RANDOM)).expanduser(), state_dir, progress)
    path = Path(name).expanduser()
    if path.is_dir():
        return Source(path.name, str(path), str(path))
    if name.startswith(("/", ".", "~")):
        raise ModelError(f"serve.model: there is no directory {path}")
    return Source(name, name, name)


def _random(config: Path, state_dir: Path, progress: default_model.Progress | None) -> Source:
    if not config.is_file():
        raise ModelError(f"serve.model: there is no configuration {config}")
    has_tokenizer = (config.parent / "tokenizer.json").is_file()
    tokenizer = config.parent if has_tokenizer else default_model.converted(state_dir, progress)
    return Source(f"random-{config.stem}", str(config), str(tokenizer), is_random=True)


def choose_device(setting: str) -> torch.device:
    """Where the model runs. Raises ModelError for CUDA where there is none."""
    if setting == "cuda" and not torch.cuda.is_available():
        raise ModelError("serve.device is cuda, but torch sees no CUDA device")
    if setting == "auto":
        setting = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(setting)


def choose_dtype(setting: str, device: torch.device) -> torch.dtype:
    """The number format of the weights."""
    if setting == "auto":
        # Without bfloat16 instructions the CPU computes it at half the speed of float32.
        setting = "bfloat16" if device.type == "cuda" else "float32"
    dtype: torch.dtype = getattr(torch, setting)
    return dtype
