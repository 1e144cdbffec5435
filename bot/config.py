"""Settings (being written)."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Section(BaseModel):
    """A table of the settings: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class ServeSettings(Section):
    """`candor serve`: the model's server."""

    model: str = Field(
        default="smollm2",
        min_length=1,
        description="The model: `smollm2` (the packaged default), or the path or hub name of any "
        "chat model that transformers loads",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on")
    port: int = Field(default=8010, ge=0, le=65535, description="Port to listen on; 0 takes any")
    socket: Path | None = Field(
        default=None, description="Unix socket to listen on instead of host and port"
    )
    api_key: SecretStr | None = Field(
        default=None, description="Bearer token that clients must show"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model runs; `auto` takes CUDA when there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Number format; `auto` is bfloat16 on CUDA, float32 on the CPU"
    )
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="CPU threads; unset: measured from the machine"
    )
    max_running: int = Field(
        default=8, ge=1, le=1024, description="Answers that grow in one batch"
    )
    max_waiting: int = Field(
        default=64, ge=0, le=100_000, description="Requests that wait for a place; more are refused"
    )
    context: int | None = Field(
        default=None, ge=256, description="Tokens a request may hold; unset: what the model allows"
    )
    prefill_chunk: int = Field(
        default=256, ge=16, le=65536, description="Prompt tokens computed in one step"
    )
