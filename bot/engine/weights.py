"""A model by its name in the settings: found, and loaded with its tokenizer onto the device.

Owns what transformers' classes know of a model, and gives it on in our own types. Never runs code
that comes with a model, and reads weights from nothing but safetensors.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import torch
from rich.console import Console
from rich.progress import Progress as Bar
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from bot.engine import backend as backends
from bot.engine import default_model, linear, source
from bot.engine.backend import GATHERED, Backend
from bot.engine.encoder import AnyIdEncoder, Encoder
from bot.engine.lora import Group
from bot.errors import ModelError
from bot.model_settings import ServeSettings

log = structlog.get_logger(__name__)

_LAYER_TYPES = {"full_attention", "sliding_attention"}
"""The layers, in transformers' words, whose state is keys and values alone."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """How answers are drawn where a request does not say.

    Greedy decoding makes small models repeat themselves; these numbers stand in for what the
    model's own generation settings leave open.
    """

    temperature: float = 0.6
    top_p: float = 0.9
    top_k: int = 0
    repetition_penalty: float = 1.0
    frequency_penalty: float = 0.3


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model ready to run: `context` is the most tokens a request may hold, prompt and answer;
    `linears` are those that adapters can change, once a first run has shown them, and `num_blocks`
    the room of its cache, 0 before memory was looked at; `backend` computes its attention."""

    id: str
    model: torch.nn.Module
    encoder: Encoder
    device: torch.device
    context: int
    vocab_size: int
    num_layers: int
    eos_ids: frozenset[int]
    defaults: Defaults
    linears: tuple[Group, ...] = ()
    num_blocks: int = 0
    backend: Backend = GATHERED


def load(
    settings: ServeSettings,
    state_dir: Path,
    progress: default_model.Progress | None = None,
) -> LoadedModel:
    """Load the model of the settings. Blocks for seconds, or minutes where it must be unpacked.

    Raises ModelError, with one line, if it is missing, damaged, or of a kind that cannot run here.
    """
    found = source.find(settings.model, state_dir, progress or show_progress())
    device = source.choose_device(settings.device)
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        return _load(settings, found, device)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        # transformers writes paragraphs; the first line says what is wrong.
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"cannot load the model {settings.model!r}: {line}") from error


def show_progress() -> default_model.Progress:
    """Progress as a bar on stderr, which goes away when the work is done; a line where no terminal
    is."""
    console = Console(stderr=True)
    if not console.is_terminal:
        log.info("engine.unpacking", model=default_model.MODEL_ID)
        return lambda _phase, _done, _total: None
    bar = Bar(console=console, transient=True)
    task = bar.add_task("unpacking the default model", total=None)

    def show(phase: str, done: int, total: int) -> None:
        if not bar.live.is_started:
            bar.start()
        bar.update(task, description=phase, completed=done, total=total)
        if phase == "done":
            bar.stop()

    return show


def _load(settings: ServeSettings, found: source.Source, device: torch.device) -> LoadedModel:
    dtype = source.choose_dtype(settings.dtype, device)
    backend = backends.choose(found.config().get_text_config(), dtype=dtype, device=device)
    model = found.load(dtype=dtype, device=device, attention=backend.attention)
    _pack(model, settings.cpu_weights, device)
    config = model.config.get_text_config()
    foreign = set(getattr(config, "layer_types", None) or ()) - _LAYER_TYPES
    if foreign:
        raise ValueError(f"layers of the type {', '.join(sorted(foreign))} are not supported")
    tokenizer: Any = AutoTokenizer.from_pretrained(found.tokenizer, trust_remote_code=False)
    allowed = _model_context(config)
    context = min(settings.context or allowed, allowed)
    if context < (settings.context or 0):
        log.warning("engine.context_cut", asked=settings.context, allowed=allowed)
    return LoadedModel(
        id=found.id,
        model=model,
        encoder=_encoder(tokenizer, config.vocab_size if found.is_random else None),
        device=device,
        context=context,
        vocab_size=config.vocab_size,
        num_layers=config.num_hidden_layers,
        eos_ids=_eos_ids(model.generation_config, config, tokenizer),
        defaults=_defaults(model.generation_config),
        backend=backend,
    )


def _pack(model: torch.nn.Module, cpu_weights: str, device: torch.device) -> None:
    """On the CPU, pack the weights as the setting says; elsewhere it says nothing."""
    if device.type != "cpu" or cpu_weights == "float32":
        return
    obstacle = None
    if next(model.parameters()).dtype is not torch.float32:
        obstacle = "needs serve.dtype float32"
    elif not linear.can_pack():
        obstacle = "has no kernels on this CPU"
    if obstacle is None:
        log.info("weights.packed", layers=linear.pack(model))
    elif cpu_weights == "float16":
        raise ValueError(f"serve.cpu_weights float16 {obstacle}")


def _model_context(config: Any) -> int:
    """The tokens that the model's positions allow."""
    allowed: int = config.max_position_embeddings
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") == "longrope":
        # Past this length it turns its frequencies over for all rows of a batch at once, and
        # one long chat would change the others' answers.
        allowed = min(allowed, rope["original_max_position_embeddings"])
    return allowed


def _encoder(tokenizer: Any, random_size: int | None) -> Encoder:
    """`random_size`: the ids that random weights draw from, which the tokenizer may not know."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer):
        raise ValueError("its tokenizer has no tokenizer.json, which is needed")  # noqa: TRY004
    backend.no_truncation()
    backend.no_padding()

    def render(messages: list[dict[str, str]], *, is_continued: bool) -> str:
        text: str = tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=not is_continued,
            continue_final_message=is_continued,
        )
        return text

    chat = render if tokenizer.chat_template else None
    if random_size is None:
        return Encoder(backend, chat)
    if backend.get_vocab_size() > random_size:
        raise ValueError(f"its vocabulary is smaller than that of the tokenizer, {random_size}")
    return AnyIdEncoder(backend, chat)


def _eos_ids(generation: GenerationConfig, config: Any, tokenizer: Any) -> frozenset[int]:
    """The ids that end an answer, from the first place that names any."""
    for owner in (generation, config, tokenizer):
        found = getattr(owner, "eos_token_id", None)
        if found is not None:
            return frozenset(found if isinstance(found, list) else [found])
    return frozenset()


def _defaults(generation: GenerationConfig) -> Defaults:
    """The model's own sampling where it comes with one, whole; ours otherwise."""
    names = ("temperature", "top_p", "top_k", "repetition_penalty")
    own = {n: v for n in names if (v := getattr(generation, n, None)) is not None}
    if not own:
        return Defaults()
    neutral = {"temperature": 1.0, "top_p": 1.0, "top_k": 0, "frequency_penalty": 0.0}
    return Defaults(**(neutral | own))
