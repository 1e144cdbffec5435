"""How attention is computed here, and what comes with it: the size of blocks, and graphs.

Chosen once, when a model is loaded. On CUDA the kernel reads the cache's blocks where they lie,
if the card, the number format and the model allow it, and if it computes what it should; anywhere
else the blocks are gathered for torch's general attention.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import structlog
import torch

from bot.engine.attention import ATTENTION
from bot.engine.graphs import CudaRecorder, Recorder
from bot.engine.kernels import MAX_ERROR, Kernel, error, flash
from bot.engine.paged import PAGED

log = structlog.get_logger(__name__)

MIN_CAPABILITY: Final = (8, 0)
"""Ampere; FlashAttention runs on nothing older."""

MAX_HEAD_DIM: Final = 256
"""FlashAttention's."""


@dataclass(frozen=True, slots=True)
class Backend:
    """`attention` is its name in transformers, `block_size` the cache's, in tokens. Where `kernel`
    is none, blocks are gathered; `recorder` makes what records decode steps, None for nothing."""

    attention: str
    block_size: int
    kernel: Kernel | None = None
    recorder: Callable[[torch.device], Recorder] | None = None


GATHERED: Final = Backend(ATTENTION, 32)
"""Smaller blocks are found again sooner, larger ones are read faster where they lie scattered: 32
rows of 100 to 400 tokens took 40 ms with 16 tokens a block, 26 with 32, and 22 with 64."""

FLASH: Final = Backend(PAGED, 256, flash, CudaRecorder)
"""FlashAttention 2, which torch ships, takes blocks of a multiple of 256 tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the choice depends on. `head_dims` are all the sizes of heads that a model has."""

    platform: Literal["cpu", "cuda", "rocm"]
    capability: tuple[int, int]
    dtype: torch.dtype
    head_dims: frozenset[int]
    has_kernel: bool


def obstacle(facts: Facts) -> str | None:
    """Why blocks must be gathered; None if a kernel may read them where they lie."""
    if facts.platform != "cuda":
        return f"no CUDA but {facts.platform}"
    if facts.capability < MIN_CAPABILITY:
        return f"compute capability {facts.capability[0]}.{facts.capability[1]} is below 8.0"
    if facts.dtype not in (torch.bfloat16, torch.float16):
        return f"{facts.dtype} is not a half precision format"
    if len(facts.head_dims) != 1:
        return "the model's heads are not all of one size"
    (dim,) = facts.head_dims
    if dim > MAX_HEAD_DIM or dim % 8:
        return f"heads of {dim} numbers: over {MAX_HEAD_DIM}, or no multiple of 8"
    if not facts.has_kernel:
        return "this torch has no torch.nn.attention.varlen"
    return None


def choose(config: Any, *, dtype: torch.dtype, device: torch.device) -> Backend:
    """The backend for a model of this configuration (transformers', of the text part)."""
    if device.type != "cuda":
        return GATHERED
    because = obstacle(facts_of(config, dtype=dtype, device=device))
    if because is not None:
        log.info("engine.attention", name=ATTENTION, because=because)
        return GATHERED
    because = fault(flash, config, dtype=dtype, device=device)
    if because is not None:
        log.warning("engine.attention", name=ATTENTION, because=because)
        return GATHERED
    log.info("engine.attention", name=PAGED, block_size=FLASH.block_size)
    return FLASH


def facts_of(config: Any, *, dtype: torch.dtype, device: torch.device) -> Facts:
    """The facts of this machine and a model's configuration."""
    is_cuda = device.type == "cuda"
    return Facts(
        platform="cpu" if not is_cuda else "rocm" if torch.version.hip else "cuda",
        capability=torch.cuda.get_device_capability(device) if is_cuda else (0, 0),
        dtype=dtype,
        head_dims=head_dims(config),
        has_kernel=_has_kernel(),
    )


def head_dims(config: Any) -> frozenset[int]:
    """The sizes of a model's heads: some have other ones for values, or in some layers. None for a
    model whose heads cannot be told."""
    sizes = {
        value
        for name, value in config.to_dict().items()
        if name.endswith("head_dim") and isinstance(value, int)
    }
    heads = getattr(config, "num_attention_heads", None)
    if not isinstance(heads, int):
        return frozenset()
    return frozenset(sizes or {config.hidden_size // heads})


def _has_kernel() -> bool:
    try:
        from torch.nn.attention import varlen
    except ImportError:
        return False
    return hasattr(varlen, "varlen_attn")


def fault(kernel: Kernel, config: Any, *, dtype: torch.dtype, device: torch.device) -> str | None:
    """What is wrong with a kernel on this device for such a model's heads, which are all of one
    size, found by trying; None if nothing is."""
    (dim,) = head_dims(config)
    heads = config.num_attention_heads
    try:
        with torch.inference_mode():
            off = error(
                kernel,
                heads=heads,
                kv_heads=getattr(config, "num_key_value_heads", None) or heads,
                dim=dim,
                dtype=dtype,
                device=device,
            )
    except (RuntimeError, TypeError, ValueError) as failure:
        return (str(failure).strip() or type(failure).__name__).splitlines()[0]
    return None if off <= MAX_ERROR else f"the kernel is off by {off:.2g} on this device"
