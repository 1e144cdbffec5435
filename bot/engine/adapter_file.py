"""An adapter's folder as PEFT writes it: read, checked against the model, and nothing else.

Two files: `adapter_config.json` and `adapter_model.safetensors`. Pickles are not read, and no
pattern out of a file is run (one can be written that never ends): the tensors' names say which
linears they belong to. What would change the answers and is not understood here is refused by its
name, never left out.
"""

import hashlib
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import orjson
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bot.engine import tensor_file
from bot.engine.lora import Linear, Pair
from bot.errors import RefusedError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"

MAX_RANK = 512
_MAX_CONFIG_BYTES = 1024 * 1024

_NEUTRAL: Final[dict[str, tuple[object, ...]]] = {
    "alora_invocation_tokens": (),
    "arrow_config": (),
    "bias": ("none",),
    "corda_config": (),
    "fan_in_fan_out": (False,),
    # The others take a part of the base's weights away, which is then missing here.
    "init_lora_weights": (True, False, "gaussian", "orthogonal", "eva"),
    "kasa_config": (),
    "layer_replication": (),
    "loftq_config": ({},),
    "lora_bias": (False,),
    "lora_ga_config": (),
    "megatron_config": (),
    "modules_to_save": ([],),
    "monteclora_config": (),
    "target_parameters": ([],),
    "trainable_token_indices": (),
    "use_bdlora": (False,),
    "use_dora": (False,),
    "use_qalora": (False,),
}
"""Fields that are not supported, with the values that ask for nothing (null always does)."""

_INFORMATIVE: Final = {
    "auto_mapping",
    "base_model_name_or_path",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "lora_dropout",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
    "velora_config",
}
"""Fields about training, or about which linears have weights, which the weights say themselves."""

_TENSOR = re.compile(r"base_model\.model\.(?P<linear>.+)\.lora_(?P<half>[AB])\.weight")
_NAME = re.compile(r"[\w.]+")


class AdapterError(RefusedError):
    """An adapter cannot be loaded: one line, and whether that is because it is not there."""

    def __init__(self, line: str, *, is_missing: bool = False) -> None:
        super().__init__(line)
        self.is_missing = is_missing


class _Config(BaseModel):
    """What of the configuration takes part in the arithmetic."""

    model_config = ConfigDict(frozen=True, strict=True)

    peft_type: Literal["LORA"]
    r: Annotated[int, Field(ge=1, le=MAX_RANK)]
    lora_alpha: Annotated[float, Field(allow_inf_nan=False)]
    use_rslora: bool = False
    target_modules: str | list[str] | None = None
    rank_pattern: dict[str, Annotated[int, Field(ge=1, le=MAX_RANK)]] | None = None
    alpha_pattern: dict[str, Annotated[float, Field(allow_inf_nan=False)]] | None = None

    def rank(self, linear: str) -> int:
        pattern = self.rank_pattern or {}
        return next((pattern[n] for n in pattern if _is_named(n, linear)), self.r)

    def scale(self, linear: str) -> float:
        rank = self.rank(linear)
        pattern = self.alpha_pattern or {}
        alpha = next((pattern[n] for n in pattern if _is_named(n, linear)), self.lora_alpha)
        return alpha / (math.sqrt(rank) if self.use_rslora else rank)

    def targets(self, linear: str) -> bool:
        """Whether the configuration, too, names this linear; a pattern is believed."""
        names = self.target_modules
        return not isinstance(names, list) or any(_is_named(name, linear) for name in names)


@dataclass(frozen=True, slots=True)
class AdapterFile:
    """A checked adapter: its matrices by the linears' names, and its hash."""

    sha256: str
    pairs: dict[str, Pair]


def read(
    folder: Path,
    linears: dict[str, Linear],
    *,
    inside: Path,
    device: torch.device,
    dtype: torch.dtype,
    sha256: str | None = None,
) -> AdapterFile:
    """Read the adapter in `folder` for a model with these linears. Blocks while it does.

    With `sha256`, content that differs is not even parsed; it is the hash of both files, as
    `cat adapter_config.json adapter_model.safetensors | sha256sum` prints it. Raises AdapterError
    with one line, also for files that lie outside of `inside` once links are followed.
    """
    most = 4 * MAX_RANK * sum(one.num_in + one.num_out for one in linears.values())
    raw_config = _read(folder / CONFIG, inside, _MAX_CONFIG_BYTES).numpy().tobytes()
    raw_weights = _read(folder / WEIGHTS, inside, most + tensor_file.MAX_HEADER_BYTES)
    digest = hashlib.sha256(raw_config)
    digest.update(raw_weights.numpy().data)
    found = digest.hexdigest()
    if sha256 is not None and sha256.lower() != found:
        raise AdapterError(f"its content has the sha256 {found}, and not {sha256}")
    config = _parse(raw_config)
    try:
        tensors = tensor_file.tensors(raw_weights)
    except ValueError as error:
        raise AdapterError(f"{WEIGHTS} {error}") from error
    try:
        pairs = _pairs(config, tensors, linears, device, dtype)
    except torch.OutOfMemoryError as error:
        raise AdapterError("there is no memory left for it on the device") from error
    return AdapterFile(found, pairs)


def _read(path: Path, inside: Path, most: int) -> torch.Tensor:
    real = path.resolve()
    if not real.is_relative_to(inside):
        raise AdapterError(f"{path.name} lies outside of the folder that adapters come from")
    if not real.is_file():
        pickle = path.name == WEIGHTS and (path.parent / "adapter_model.bin").exists()
        hint = "; adapter_model.bin is a pickle, which is never read" if pickle else ""
        raise AdapterError(f"there is no {path.name} in {path.parent}{hint}", is_missing=True)
    if real.stat().st_size > most:
        raise AdapterError(f"{path.name} is larger than any adapter of this model can be")
    try:
        return tensor_file.read(real)
    except OSError as error:
        raise AdapterError(f"{path.name} cannot be read: {error.strerror}") from error


def _parse(raw: bytes) -> _Config:
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise AdapterError(f"{CONFIG} is no JSON: {error}") from error
    if not isinstance(fields, dict):
        raise AdapterError(f"{CONFIG} holds no object")
    try:
        config = _Config.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AdapterError(f"{CONFIG}: {where}: {first['msg']}") from error
    for name, value in fields.items():
        _check_field(name, value)
    for name in ("rank_pattern", "alpha_pattern"):
        for key in fields.get(name) or {}:
            if not _NAME.fullmatch(key):
                raise AdapterError(f"{CONFIG}: {name}: {key!r} is a pattern; only names are taken")
    return config


def _check_field(name: str, value: Any) -> None:
    if name in _Config.model_fields or name in _INFORMATIVE or value is None:
        return
    if name not in _NEUTRAL:
        if value not in (False, {}, []):
            raise AdapterError(f"{CONFIG}: {name} is not known here, and may change the answers")
    elif value not in _NEUTRAL[name]:
        raise AdapterError(f"{CONFIG}: {name} = {value!r} is not supported")


def _pairs(
    config: _Config,
    tensors: dict[str, torch.Tensor],
    linears: dict[str, Linear],
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, Pair]:
    halves: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        match = _TENSOR.fullmatch(name)
        if match is None:
            raise AdapterError(f"{WEIGHTS} holds the tensor {name}, which is not supported")
        halves.setdefault(match["linear"], {})[match["half"]] = tensor
    if not halves:
        raise AdapterError(f"{WEIGHTS} holds no weights")
    pairs: dict[str, Pair] = {}
    for name, half in halves.items():
        linear = linears.get(name)
        if linear is None:
            raise AdapterError(f"the model has no linear {name} that an adapter can change")
        if not config.targets(name):
            raise AdapterError(f"{CONFIG}: target_modules leaves out {name}, which has weights")
        rank = config.rank(name)
        wanted = {"A": (rank, linear.num_in), "B": (linear.num_out, rank)}
        for letter, shape in wanted.items():
            given = tuple(half[letter].shape) if letter in half else None
            if given != shape:
                raise AdapterError(
                    f"{name}: lora_{letter} should have the shape {shape}, not {given}"
                )
        up = half["B"].to(torch.float32) * config.scale(name)
        pair = Pair(half["A"].to(device, dtype), up.to(device, dtype))
        if not (pair.down.isfinite().all() and pair.up.isfinite().all()):
            raise AdapterError(f"{name}: the weights are no finite numbers in {dtype}")
        pairs[name] = pair
    return pairs


def _is_named(name: str, linear: str) -> bool:
    """Names are whole, or the end of a module's path, as PEFT takes them."""
    return linear == name or linear.endswith(f".{name}")
