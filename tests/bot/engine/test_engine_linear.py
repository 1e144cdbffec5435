"""Packed linear layers against the layers that they replace."""

import asyncio
import copy
import importlib.metadata
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, AutoTokenizer

from bot.engine import linear, weights
from bot.engine.encoder import Message
from bot.engine.engine import Engine
from bot.engine.linear import PackedLinear
from bot.engine.request import Request
from bot.engine.runner import fitted
from bot.errors import ModelError
from bot.model_settings import ServeSettings
from tests.bot.engine.support import greedy, read
from tests.tiny_model import make_tiny_model, round_weights

pytestmark = pytest.mark.skipif(not linear.can_pack(), reason="torch has no kernels for it here")

QUESTIONS = (
    "What is the capital of France?",
    "Explain photosynthesis in one sentence.",
    "How do I reverse a list in Python?",
    "What is the difference between a virus and a bacterium?",
    "Give me three names for a small orange cat.",
    "What is 7 times 8?",
    "Who wrote Romeo and Juliet?",
    "Why is the sky blue?",
    "Write a short poem about rain.",
    "How do I boil an egg?",
    "What does HTTP stand for?",
    "Name the largest ocean.",
    "How many days does a leap year have?",
    "What is a mutex?",
    "Summarise the story of Cinderella.",
    "What should I eat before a long run?",
    "How can I say no politely?",
    "What is the boiling point of water?",
    "Translate 'good morning' to Spanish.",
    "What makes bread rise?",
)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Two threads that wait for each other on a busy machine take many times as long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def load(path: Path, **changes: Any) -> weights.LoadedModel:
    return weights.load(ServeSettings(model=str(path), device="cpu", **changes), path.parent)


def packed(layer: nn.Linear) -> nn.Module:
    """The layer as `pack` leaves it."""
    model = nn.Sequential(layer)
    linear.pack(model)
    return model[0]


@torch.inference_mode()
@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize(("num_in", "num_out"), [(64, 96), (576, 192), (1030, 7), (1, 1)])
def test_a_packed_layer_is_its_float16_weights_in_float32_arithmetic(
    num_in: int, num_out: int, has_bias: bool
) -> None:
    layer = nn.Linear(num_in, num_out, bias=has_bias)
    exact = nn.Linear(num_in, num_out, bias=has_bias).double()
    exact.weight.copy_(layer.weight.half())
    if has_bias:
        exact.bias.copy_(layer.bias)
    inputs = torch.randn(2, 50, num_in)
    wanted = exact(inputs.double())
    quick = packed(layer)
    assert isinstance(quick, PackedLinear)
    assert (quick.in_features, quick.out_features) == (num_in, num_out)
    for num_rows in (50, 17, 8, 4, 3, 2, 1, 0):
        # A row is the same to the last bits, whoever is in the step with it.
        got = quick(inputs[:, :num_rows])
        assert got.dtype is torch.float32
        torch.testing.assert_close(got.double(), wanted[:, :num_rows], rtol=0, atol=2e-5)
    strided = torch.randn(9, 2 * num_in)[:, ::2]
    torch.testing.assert_close(quick(strided), quick(strided.contiguous()))


@torch.inference_mode()
@pytest.mark.parametrize("scale", [1e5, 1e-7, float("nan"), float("inf")])
def test_weights_that_float16_cannot_hold_stay_as_they_are(scale: float) -> None:
    layer = nn.Linear(16, 16)
    layer.weight.mul_(scale * 10)
    assert packed(layer) is layer


def test_a_layer_that_is_used_twice_is_packed_once_and_other_kinds_are_left_alone() -> None:
    class Scaled(nn.Linear):
        """Somebody else's layer, with a forward of its own."""

    shared = nn.Linear(8, 8)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared, Scaled(8, 8))})
    assert linear.pack(model) == 1
    assert isinstance(model["a"], PackedLinear)
    assert model["b"][0] is model["a"]  # type: ignore[index]
    assert isinstance(model["b"][1], Scaled)  # type: ignore[index]


class Attention(nn.Module):
    """The three layers that share a matrix, and one that is called with their sum."""

    def __init__(self, num_keys: int = 8, *, has_bias: bool = False) -> None:
        super().__init__()
        self.q_proj = nn.Linear(24, 32, bias=has_bias)
        self.k_proj = nn.Linear(24, num_keys, bias=has_bias)
        self.v_proj = nn.Linear(24, num_keys, bias=has_bias)
        self.o_proj = nn.Linear(32, 24)

    def parts(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        """The outputs of the three, each for its own input."""
        layers = (self.q_proj, self.k_proj, self.v_proj)
        return [layer(given) for layer, given in zip(layers, inputs, strict=True)]


@torch.inference_mode()
@pytest.mark.parametrize("has_bias", [False, True])
def test_layers_that_share_a_matrix_answer_for_whatever_input_they_are_given(
    has_bias: bool,
) -> None:
    plain = Attention(has_bias=has_bias)
    round_weights(plain)
    quick = copy.deepcopy(plain)
    assert linear.pack(quick) == 4
    one, two = torch.randn(1, 5, 24), torch.randn(1, 3, 24)
    for inputs in ((one, one, one), (one, two, one), (two, two, one), (one, one, two)):
        for got, wanted in zip(quick.parts(*inputs), plain.parts(*inputs), strict=True):
            torch.testing.assert_close(got, wanted, rtol=0, atol=2e-5)
    again = quick.q_proj(one)
    wanted = again.clone()
    again.zero_()  # as an adapter may add to it in place
    torch.testing.assert_close(quick.q_proj(one), wanted, rtol=0, atol=0)
    torch.testing.assert_close(quick.k_proj(one), plain.k_proj(one), rtol=0, atol=2e-5)


def test_layers_of_different_kinds_share_no_matrix() -> None:
    model = Attention()
    model.k_proj = nn.Linear(16, 8, bias=False)
    assert linear.pack(model) == 4
    assert model.k_proj(torch.ones(2, 16)).shape == (2, 8)


def test_a_packed_model_lets_the_old_weights_go_and_keeps_no_output() -> None:
    model = Attention()
    old = [weakref.ref(weight) for weight in model.parameters() if weight.ndim == 2]
    linear.pack(model)
    assert not any(weight() is not None for weight in old)
    with torch.inference_mode():
        inputs = torch.randn(1, 2, 24)
        model.parts(inputs, inputs, inputs)
    gone = weakref.ref(inputs)
    del inputs
    assert gone() is None


def test_a_packed_model_keeps_its_embedding_and_no_second_copy_of_its_head(
    tiny: Path,
) -> None:
    plain, quick = (load(tiny, cpu_weights=how).model for how in ("float32", "auto"))
    assert sum(isinstance(module, PackedLinear) for module in quick.modules()) == 15
    assert not any(isinstance(module, nn.Linear) for module in quick.modules())
    wanted = {name: weight for name, weight in plain.named_parameters() if weight.ndim == 1}
    wanted["model.embed_tokens.weight"] = plain.get_parameter("model.embed_tokens.weight")
    got = dict(quick.named_parameters())
    assert got.keys() == wanted.keys()
    assert all(torch.equal(got[name], wanted[name]) for name in wanted)


def test_weights_are_packed_on_the_cpu_unless_asked_otherwise(tmp_path: Path) -> None:
    path = make_tiny_model(tmp_path / "model")
    for changes, is_packed in (
        ({}, True),
        ({"cpu_weights": "float16"}, True),
        ({"cpu_weights": "float32"}, False),
        ({"dtype": "bfloat16"}, False),
    ):
        model: Any = load(path, **changes).model
        assert isinstance(model.lm_head, PackedLinear) is is_packed
    with pytest.raises(ModelError, match=r"serve\.cpu_weights .* serve\.dtype"):
        load(path, cpu_weights="float16", dtype="bfloat16")


def test_a_cpu_without_the_kernels_keeps_float32_and_says_so_where_float16_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_tiny_model(tmp_path / "model")
    monkeypatch.setattr(torch.backends.quantized, "engine", "onednn")
    model: Any = load(path).model
    assert type(model.lm_head) is nn.Linear
    with pytest.raises(ModelError, match=r"serve\.cpu_weights .* CPU"):
        load(path, cpu_weights="float16")


@pytest.mark.model
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
@torch.inference_mode()
@pytest.mark.slow
def test_the_packed_default_model_predicts_what_float32_predicts(default_model_dir: Path) -> None:
    plain, quick = (AutoModelForCausalLM.from_pretrained(default_model_dir) for _ in range(2))
    linear.pack(quick)
    losses, num_same, num_tokens = torch.zeros(2), 0, 0
    for ids in readmes(AutoTokenizer.from_pretrained(default_model_dir)):
        both = [model(ids).logits[0] for model in (plain, quick)]
        losses += torch.tensor(
            [cross_entropy(one[:-1], ids[0, 1:], reduction="sum") for one in both]
        )
        num_same += int((both[0].argmax(-1) == both[1].argmax(-1)).sum())
        num_tokens += ids.shape[1]
    assert num_tokens > 2000
    wanted, got = (losses / num_tokens).exp().tolist()
    assert got == pytest.approx(wanted, rel=0.001)
    assert num_same / num_tokens >= 0.995


def readmes(tokenizer: Any) -> Iterator[torch.Tensor]:
    """The beginnings of what installed packages say of themselves: `[1, tokens]` each."""
    for package in ("aiohttp", "pydantic", "redis", "rich", "transformers", "typer"):
        text = str(importlib.metadata.metadata(package))
        yield torch.tensor([tokenizer.encode(text)[:360]])


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("one_thread")
async def test_the_packed_default_model_answers_questions_as_generate_does(
    default_model_dir: Path, tmp_path: Path
) -> None:
    plain: Any = AutoModelForCausalLM.from_pretrained(default_model_dir)
    loaded = weights.load(ServeSettings(model=str(default_model_dir), context=512), tmp_path)
    engine = Engine(fitted(loaded), max_running=8, max_waiting=20, prefill_chunk=128, num_threads=1)
    chats = [loaded.encoder.encode_chat([Message("user", text)]) for text in QUESTIONS]
    engine.start()
    try:
        got = await asyncio.gather(
            *(read(engine, Request(f"r{n}", chat, greedy(16))) for n, chat in enumerate(chats))
        )
    finally:
        await engine.close()
    num_same = 0
    for chat, (text, _) in zip(chats, got, strict=True):
        ids = torch.tensor([chat])
        out = plain.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=16, do_sample=False
        )
        num_same += text == loaded.encoder.decode(out[0, len(chat) :].tolist())
    assert num_same >= len(QUESTIONS) - 1  # two words may be as likely as each other
