"""A safetensors file read once into memory: what is hashed there is what is used.

The library's own readers do not fit a thread beside running answers. The one of bytes copies them
while it holds the interpreter, measured a millisecond a megabyte, and every answer pauses; the one
of files maps them, and a file that somebody cuts short at that moment ends the process.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

import orjson
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_HEADER_BYTES: Final = 16 * 1024 * 1024

_FORMATS = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

_Size = Annotated[int, Field(ge=0)]


class _Entry(BaseModel):
    """One tensor in the header; `data_offsets` count from the header's end."""

    model_config = ConfigDict(frozen=True, strict=True)

    dtype: Literal["F32", "F16", "BF16"]
    shape: Annotated[list[_Size], Field(max_length=8)]
    data_offsets: Annotated[list[_Size], Field(min_length=2, max_length=2)]


def read(path: Path) -> torch.Tensor:
    """The file's bytes `[size]`. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        raw = torch.empty(path.stat().st_size, dtype=torch.uint8)
        view = raw.numpy().data
        num = 0
        while num < len(view) and (more := file.readinto(view[num:])):
            num += more
    return raw[:num]


def tensors(raw: torch.Tensor) -> dict[str, torch.Tensor]:
    """The tensors, in their own memory: first the header's length, the header as JSON, the numbers.

    Raises ValueError, with one line, for a file that is damaged or holds anything but floats.
    """
    num = int.from_bytes(raw[:8].numpy().tobytes(), "little")
    if not 2 <= num <= min(MAX_HEADER_BYTES, len(raw) - 8):
        raise ValueError("is damaged: its header does not fit")
    try:
        header = orjson.loads(raw[8 : 8 + num].numpy().tobytes())
    except orjson.JSONDecodeError as error:
        raise ValueError(f"is damaged: its header is no JSON: {error}") from error
    if not isinstance(header, dict):
        raise ValueError("is damaged: its header holds no object")  # noqa: TRY004 -- their data
    data = raw[8 + num :]
    return {
        name: _tensor(name, entry, data) for name, entry in header.items() if name != "__metadata__"
    }


def _tensor(name: str, entry: Any, data: torch.Tensor) -> torch.Tensor:
    try:
        found = _Entry.model_validate(entry)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"holds the tensor {name}, not supported: {where}: {first['msg']}"
        ) from error
    start, end = found.data_offsets
    kind = _FORMATS[found.dtype]
    num = kind.itemsize
    for size in found.shape:
        num *= size
    if not (start + num == end <= len(data)):
        raise ValueError(f"is damaged: the tensor {name} lies outside of it")
    # A copy begins where its numbers may be read; the place in the file need not.
    return data[start:end].clone().view(kind).reshape(found.shape)
