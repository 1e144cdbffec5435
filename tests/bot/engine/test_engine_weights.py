"""Which models load, what is taken from them, and one line for those that do not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MambaConfig, MambaForCausalLM

from bot.engine import runner, weights
from bot.engine.weights import Defaults
from bot.errors import ModelError
from bot.model_settings import ServeSettings
from tests.tiny_model import make_tiny_model


def loaded(path: Path, **changes: Any) -> weights.LoadedModel:
    return weights.load(ServeSettings(model=str(path), **changes), path.parent)


def test_a_model_is_named_by_its_directory_and_limited_by_itself_and_the_settings(
    tmp_path: Path,
) -> None:
    path = make_tiny_model(tmp_path / "my-model", context=1024)
    assert (loaded(path).id, loaded(path).context) == ("my-model", 1024)
    assert loaded(path, context=300).context == 300
    assert loaded(path, context=5000).context == 1024


def test_a_model_s_own_sampling_is_taken_whole_and_ours_where_it_has_none(tmp_path: Path) -> None:
    path = make_tiny_model(tmp_path / "model", can_end=True)
    assert loaded(path).defaults == Defaults()
    assert loaded(path).eos_ids == {2}
    own = {"temperature": 0.7, "top_k": 20, "eos_token_id": [2, 5], "do_sample": True}
    (path / "generation_config.json").write_text(json.dumps(own))
    assert loaded(path).defaults == Defaults(
        temperature=0.7, top_p=1.0, top_k=20, repetition_penalty=1.0, frequency_penalty=0.0
    )
    assert loaded(path).eos_ids == {2, 5}


def test_weights_are_float32_on_the_cpu_unless_asked_otherwise(tmp_path: Path) -> None:
    path = make_tiny_model(tmp_path / "model")
    for asked, wanted in (("auto", torch.float32), ("bfloat16", torch.bfloat16)):
        model = loaded(path, device="cpu", dtype=asked).model
        assert next(model.parameters()).dtype is wanted


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "pickle"])
def test_a_model_that_cannot_be_loaded_is_one_line(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "model"
    if damage != "missing":
        make_tiny_model(path)
    match damage:
        case "empty":
            (path / "config.json").unlink()
        case "cut":
            whole = (path / "model.safetensors").read_bytes()
            (path / "model.safetensors").write_bytes(whole[:1000])
        case "pickle":
            (path / "model.safetensors").rename(path / "pytorch_model.bin")
    with pytest.raises(ModelError) as caught:
        loaded(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_model_whose_memory_is_not_attention_is_refused(tmp_path: Path) -> None:
    path = make_tiny_model(tmp_path / "model")
    config = MambaConfig(
        vocab_size=320, hidden_size=32, num_hidden_layers=1, state_size=4, eos_token_id=2
    )
    (path / "model.safetensors").unlink()
    MambaForCausalLM(config).save_pretrained(path)
    with pytest.raises(ModelError):
        runner.fitted(loaded(path))


def test_layers_of_an_unknown_kind_are_refused_by_name(tmp_path: Path) -> None:
    path = make_tiny_model(tmp_path / "model")
    config = json.loads((path / "config.json").read_text())
    config["layer_types"] = ["full_attention", "linear_attention"]
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="linear_attention"):
        loaded(path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_without_a_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"serve\.device"):
        loaded(make_tiny_model(tmp_path / "model"), device="cuda")
