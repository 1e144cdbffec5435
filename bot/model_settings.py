"""The settings of the model: how the bot asks it, and its server."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from bot.setting_types import Secret, Section, WebUrl

DEFAULT_SYSTEM_PROMPT = "You are a helpful AI assistant named Candor."
"""Short on purpose: of four prompts tried with the default model, the only one that it answers
well under; a larger model takes more guidance."""


class ModelSettings(Section):
    """How the bot reaches the model, and how it asks."""

    url: WebUrl | None = Field(
        default=None,
        description="Base URL of any OpenAI-compatible server, such as http://127.0.0.1:8000/v1; "
        "unset: `candor run` starts `candor serve` by itself",
    )
    api_key: Secret | None = Field(default=None, description="Key for that server")
    api_key_file: Path | None = Field(default=None, description="A file that holds `api_key`")
    name: str | None = Field(
        default=None, min_length=1, description="Model to ask for; unset: the server's first"
    )
    system_prompt: str = Field(
        default=DEFAULT_SYSTEM_PROMPT, max_length=20_000, description="What the model is told first"
    )
    temperature: float = Field(default=0.2, ge=0, le=2, description="0 always takes the likeliest")
    top_p: float = Field(default=0.9, gt=0, le=1, description="Share of likely tokens drawn from")
    frequency_penalty: float = Field(
        default=0.3,
        ge=-2,
        le=2,
        description="Above 0, each use of a token in an answer makes it less likely; the default "
        "model goes in circles without, larger models need none",
    )
    repetition_penalty: float = Field(
        default=1.0,
        ge=1,
        le=2,
        description="Above 1, tokens of the prompt and the answer become less likely; small models "
        "then avoid the words of the question; 1 leaves it to the server",
    )
    max_tokens: int = Field(
        default=512, ge=1, le=131_072, description="Length of one answer, in tokens"
    )
    timeout_s: float = Field(
        default=120, gt=0, le=3600, description="Seconds without a new token before giving up"
    )
    answer_s: float = Field(
        default=600,
        gt=0,
        le=86_400,
        description="Seconds that an answer may take, its wait at the server included; then it "
        "ends as it stands",
    )
    wait_s: float = Field(
        default=60,
        ge=0,
        le=3600,
        description="Seconds that a question waits for a model that is starting or restarting",
    )


class ServeSettings(Section):
    """`candor serve`: the model's server."""

    model: str = Field(
        default="smollm2",
        min_length=1,
        description="The model: `smollm2` (the packaged default), or the path or hub name of any "
        "chat model that transformers loads",
    )
    host: str = Field(default="127.0.0.1", min_length=1, description="Address to listen on")
    port: int = Field(default=8010, ge=0, le=65535, description="Port to listen on; 0 takes any")
    socket: Path | None = Field(
        default=None, description="Unix socket to listen on instead of host and port"
    )
    api_key: Secret | None = Field(default=None, description="Bearer token that clients must show")
    api_key_file: Path | None = Field(default=None, description="A file that holds `api_key`")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where the model runs; `auto` takes CUDA when there is one"
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto", description="Number format; `auto` is bfloat16 on CUDA, float32 on the CPU"
    )
    cpu_weights: Literal["auto", "float16", "float32"] = Field(
        default="auto",
        description="How the CPU keeps the weights of a float32 model: `float16` reads half the "
        "bytes a token, twice as fast for one chat, and computes in float32 all the same; `auto` "
        "is that wherever the CPU can",
    )
    threads: int | None = Field(
        default=None, ge=1, le=1024, description="CPU threads; unset: measured from the machine"
    )
    max_running: int = Field(default=8, ge=1, le=1024, description="Answers that grow in one batch")
    max_waiting: int = Field(
        default=64, ge=0, le=100_000, description="Requests that wait for a place; more are refused"
    )
    max_running_person: int = Field(
        default=4,
        ge=1,
        le=1024,
        description="The same as max_running, of one person; requests that name nobody have no "
        "limit of their own",
    )
    max_waiting_person: int = Field(
        default=16, ge=0, le=100_000, description="The same as max_waiting, of one person"
    )
    context: int | None = Field(
        default=None, ge=256, description="Tokens a request may hold; unset: what the model allows"
    )
    prefill_chunk: int = Field(
        default=256, ge=16, le=65536, description="Prompt tokens computed in one step"
    )
    adapters_dir: Path | None = Field(
        default=None,
        description="Folder that LoRA adapters may be loaded from while serving, and from nowhere "
        "else; unset: adapters under state_dir",
    )
    stream_interval_ms: int = Field(
        default=50,
        ge=0,
        le=10_000,
        description="Milliseconds over which a stream's text is joined, after its first piece; 0 "
        "sends each token by itself",
    )
    kv_memory_mb: int | None = Field(
        default=None,
        ge=1,
        description="Memory, in MiB, for the conversations that the model has in mind; unset: most "
        "of what is free on CUDA, at most 1024 and half of what is free on the CPU",
    )
