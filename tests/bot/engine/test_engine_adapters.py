"""Adapters side by side in one batch, against each merged into a model of its own."""

import asyncio
import gc
import json
import shutil
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from bot.engine import adapter_file, weights
from bot.engine.adapter_file import MAX_RANK, AdapterError
from bot.engine.adapters import MAX_ADAPTERS, Adapters, UnknownRelease
from bot.engine.engine import Engine
from bot.engine.lora import watched
from bot.engine.lora_step import LoraHooks
from bot.engine.request import Request
from bot.engine.runner import fitted
from bot.model_settings import ServeSettings
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, until
from tests.tiny_adapter import make_tiny_adapter, merged

RELEASES = ("", "stable", "canary")


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    """A folder with two adapters, unlike in rank, scale and the linears that they change."""
    path = tmp_path / "adapters"
    make_tiny_adapter(path / "stable", tiny, 1)
    make_tiny_adapter(
        path / "canary",
        tiny,
        2,
        rank=8,
        targets=("q_proj", "v_proj", "up_proj", "down_proj"),
        use_rslora=True,
        rank_pattern={"v_proj": 2},
        alpha_pattern={"up_proj": 3},
    )
    return path


@pytest.fixture
def oracles(tiny: Path, folder: Path) -> dict[str, Any]:
    plain = AutoModelForCausalLM.from_pretrained(tiny)
    return {"": plain} | {name: merged(tiny, folder / name) for name in RELEASES[1:]}


def expected(oracle: Any, engine: Engine, prompt: Sequence[int], num: int) -> str:
    ids = torch.tensor([prompt])
    mask = torch.ones_like(ids)
    out = oracle.generate(ids, attention_mask=mask, max_new_tokens=num, do_sample=False)
    return engine.loaded.encoder.decode(out[0, len(prompt) :].tolist())


async def load_both(engine: Engine) -> None:
    for name in RELEASES[1:]:
        await engine.adapters.load(name, name)


async def test_a_mixed_batch_gives_each_row_its_own_release_s_answer(
    make_engine: MakeEngine, folder: Path, oracles: dict[str, Any]
) -> None:
    engine = make_engine(max_running=8, prefill_chunk=48)
    await load_both(engine)
    asked = [
        (f"r{n}", prompt, RELEASES[n % 3], 12 + 2 * n)
        for n, prompt in enumerate(prompts(5, 40, 17, 3, 90, 33, 64, 1, 20))
    ]
    got = await asyncio.gather(
        *(
            read(engine, Request(name, prompt, greedy(num), release))
            for name, prompt, release, num in asked
        )
    )
    for (_, prompt, release, num), (text, _) in zip(asked, got, strict=True):
        assert text == expected(oracles[release], engine, prompt, num), release
    (prompt,) = prompts(30)
    answers = {expected(oracle, engine, prompt, 20) for oracle in oracles.values()}
    assert len(answers) == 3  # so the above can tell them apart


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
async def test_logits_equal_the_merged_model_s_within_the_number_format_s_precision(
    tiny: Path, folder: Path, oracles: dict[str, Any], tmp_path: Path, dtype: Any
) -> None:
    """In float32 to 1e-4 of the largest logit. In bfloat16 no more than one and a half times as
    far off, on average, as the merged weights are when they are rounded to bfloat16."""
    loaded = fitted(weights.load(ServeSettings(model=str(tiny), dtype=dtype), tmp_path))
    model: Any = loaded.model
    model.set_attn_implementation("sdpa")
    hooks = LoraHooks(model, loaded.linears)
    adapters = Adapters(loaded, folder)
    ids = torch.tensor(prompts(24))
    for release in RELEASES:
        adapter = await adapters.load(release, release) if release else None
        oracle = oracles[release]
        with torch.inference_mode():
            with hooks.applied([(adapter, 10), (adapter, 14)]):
                got = model(input_ids=ids).logits.float()
            exact = oracle(input_ids=ids).logits
            rounded = oracle.to(loaded.model.dtype)(input_ids=ids).logits.float()
        if dtype == "float32":
            assert (got - exact).abs().max() < 1e-4 * exact.abs().max(), release
        else:
            assert (got - exact).abs().mean() < 1.5 * (rounded - exact).abs().mean(), release


def test_linears_with_one_input_share_it_and_the_output_layer_is_none_of_them(
    tiny: Path, tmp_path: Path
) -> None:
    loaded = fitted(weights.load(ServeSettings(model=str(tiny)), tmp_path))
    names = [[linear.name.rpartition(".")[2] for linear in group] for group in loaded.linears]
    layer = [["q_proj", "k_proj", "v_proj"], ["o_proj"], ["gate_proj", "up_proj"], ["down_proj"]]
    assert names == layer * 2


def test_linears_that_do_not_see_the_whole_row_are_left_out() -> None:
    class Routed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.whole, self.expert = torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)

        def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
            row: torch.Tensor = self.whole(input_ids)
            return torch.add(row, self.expert(row[0, :2]).sum())

    model = Routed()
    with watched(model) as groups:
        model(input_ids=torch.ones(1, 3, 4))
    assert [[linear.name for linear in group] for group in groups] == [["whole"]]


async def test_adapters_come_and_go_under_load_and_nobody_notices(
    make_engine: MakeEngine, tiny: Path, folder: Path, oracles: dict[str, Any]
) -> None:
    """Requests run all the time, on the base and on an adapter; others come and go."""
    engine = make_engine(max_running=4)
    await engine.adapters.load("stable", "stable")
    asked = prompts(12, 30, 7)
    wanted = {
        (release, prompt): expected(oracles[release], engine, prompt, 24)
        for release in ("", "stable")
        for prompt in asked
    }
    answers: list[tuple[str, tuple[int, ...], str]] = []
    is_over = False

    async def ask(number: int) -> None:
        count = 0
        while not is_over:
            release, prompt = ("", "stable")[number % 2], asked[(number + count) % 3]
            request = Request(f"{number}-{count}", prompt, greedy(24), release)
            answers.append((release, prompt, (await read(engine, request))[0]))
            count += 1

    for n in range(4):
        make_tiny_adapter(folder / f"other{n}", tiny, 10 + n, rank=2 + n)
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(ask(number))
        for n in range(8):
            name, before = f"other{n % 4}", len(answers)
            await engine.adapters.load(name, name)
            mine = merged(tiny, folder / name)
            (prompt,) = prompts(15, seed=n)
            text, last = await read(engine, Request(f"other-{n}", prompt, greedy(12), name))
            assert (text, last.finish) == (expected(mine, engine, prompt, 12), "length")
            engine.adapters.unload(name)
            await until(lambda before=before: len(answers) > before)  # type: ignore[misc]
        is_over = True
    assert len(answers) > 12
    assert all(text == wanted[release, prompt] for release, prompt, text in answers)
    assert engine.stats.failed_steps == 0


async def test_running_and_waiting_answers_finish_on_the_weights_they_began_on(
    make_engine: MakeEngine, tiny: Path, folder: Path, oracles: dict[str, Any]
) -> None:
    engine = make_engine(max_running=1)
    await load_both(engine)
    runs, waits = prompts(20, 9)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(read(engine, Request("a", runs, greedy(80), "stable")))
        await until(lambda: engine.stats.output_tokens > 3)
        waiting = group.create_task(read(engine, Request("b", waits, greedy(20), "stable")))
        await until(lambda: engine.stats.waiting == 1)
        engine.adapters.unload("stable")
        with pytest.raises(UnknownRelease, match="stable"):
            await read(engine, Request("c", waits, greedy(5), "stable"))
        make_tiny_adapter(folder / "newer", tiny, 77)
        await engine.adapters.load("stable", "newer")
        after = group.create_task(read(engine, Request("d", waits, greedy(20), "stable")))
    assert running.result()[0] == expected(oracles["stable"], engine, runs, 80)
    assert waiting.result()[0] == expected(oracles["stable"], engine, waits, 20)
    newer = merged(tiny, folder / "newer")
    assert after.result()[0] == expected(newer, engine, waits, 20)


async def test_answers_grow_and_begin_while_an_adapter_is_being_loaded(
    make_engine: MakeEngine,
    folder: Path,
    oracles: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A load that takes as long as this test wants, as from a slow disk."""
    engine = make_engine(max_running=2)
    await engine.adapters.load("stable", "stable")
    is_free = threading.Event()
    read_file = adapter_file.read

    def read_slowly(*args: Any, **named: Any) -> Any:
        assert is_free.wait(20)
        return read_file(*args, **named)

    monkeypatch.setattr(adapter_file, "read", read_slowly)
    running, other = prompts(30, 12)
    async with (
        asyncio.TaskGroup() as group,
        aclosing(engine.generate(Request("long", running, greedy(5000), "stable"))) as stream,
    ):
        await anext(stream)
        loading = group.create_task(engine.adapters.load("canary", "canary"))
        try:
            for number in range(3):
                before = engine.stats.steps
                await until(lambda before=before: engine.stats.steps > before + 20)  # type: ignore[misc]
                text, last = await read(engine, Request(f"{number}", other, greedy(12), "stable"))
                assert text == expected(oracles["stable"], engine, other, 12)
                assert last.finish == "length"
            assert not loading.done()
        finally:
            is_free.set()
        await loading
        text, _ = await read(engine, Request("canary", other, greedy(12), "canary"))
        assert text == expected(oracles["canary"], engine, other, 12)


async def test_steps_go_on_while_large_adapters_are_read_and_let_go(
    make_engine: MakeEngine, tiny: Path, folder: Path, oracles: dict[str, Any]
) -> None:
    """If the model's thread waited for loads, a load would see one step end, or two."""
    make_tiny_adapter(folder / "large", tiny, 7, rank=MAX_RANK, size=0.01)
    engine = make_engine(max_running=2)
    await engine.adapters.load("stable", "stable")
    (running,) = prompts(30)
    wanted = expected(oracles["stable"], engine, running, 40)
    most_steps = 0
    async with (
        asyncio.timeout(30),
        aclosing(engine.generate(Request("long", running, greedy(50_000), "stable"))) as stream,
    ):
        await anext(stream)
        while most_steps <= 4:
            before = engine.stats.steps
            large = await engine.adapters.load("large", "large")
            most_steps = max(most_steps, engine.stats.steps - before)
            assert large.num_bytes > 2_000_000
            text, _ = await read(engine, Request("other", running, greedy(40), "stable"))
            assert text == wanted
            engine.adapters.unload("large")
    assert engine.stats.failed_steps == 0


async def test_an_adapter_s_memory_is_freed_when_its_last_answer_ends(
    make_engine: MakeEngine, folder: Path
) -> None:
    engine = make_engine(max_running=2)
    weak = weakref.ref(await engine.adapters.load("stable", "stable"))
    (prompt,) = prompts(8)

    def is_gone() -> bool:
        gc.collect()
        return weak() is None

    stream = engine.generate(Request("a", prompt, greedy(5000), "stable"))
    async with aclosing(stream):
        await anext(stream)
        engine.adapters.unload("stable")
        await read(engine, Request("b", prompt, greedy(5)))
        assert not is_gone()
    await until(is_gone)
    again = weakref.ref(await engine.adapters.load("stable", "stable"))
    await read(engine, Request("c", prompt, greedy(5), "stable"))
    engine.adapters.unload("stable")
    weak = again
    await until(is_gone)


async def test_a_name_means_one_content_for_as_long_as_it_is_loaded(
    make_engine: MakeEngine, folder: Path
) -> None:
    engine = make_engine()
    first = await engine.adapters.load("stable", "stable")
    assert await engine.adapters.load("stable", str(folder / "stable")) is first
    with pytest.raises(AdapterError, match="other content"):
        await engine.adapters.load("stable", "canary")
    assert engine.adapters.find("stable") is first
    engine.adapters.unload("stable")
    second = await engine.adapters.load("stable", "canary")
    assert second.key != first.key
    assert second.key.startswith("stable@")


async def test_only_so_many_adapters_are_held(make_engine: MakeEngine, folder: Path) -> None:
    engine = make_engine()
    for n in range(MAX_ADAPTERS):
        await engine.adapters.load(f"a{n}", "stable")
    with pytest.raises(AdapterError, match="unload one first"):
        await engine.adapters.load("one-more", "stable")
    assert len(engine.adapters.listed()) == MAX_ADAPTERS


@pytest.mark.parametrize("name", ["tiny", "", "a b", "x" * 200, "-", "__base__", "a\nb"])
async def test_the_model_s_own_name_and_names_that_are_none_are_refused(
    make_engine: MakeEngine, folder: Path, name: str
) -> None:
    with pytest.raises(AdapterError):
        await make_engine().adapters.load(name, "stable")


def change(**fields: Any) -> Callable[[Path], None]:
    """Damage: other fields in the configuration."""

    def apply(path: Path) -> None:
        file = path / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return apply


def rewrite(work: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    """Damage: other tensors."""

    def apply(path: Path) -> None:
        tensors = load_file(path / "adapter_model.safetensors")
        work(tensors)
        save_file(tensors, path / "adapter_model.safetensors")

    return apply


Q = "base_model.model.model.layers.0.self_attn.q_proj"


def pickled(path: Path) -> None:
    (path / "adapter_model.safetensors").unlink()
    torch.save({}, path / "adapter_model.bin")


def linked(path: Path) -> None:
    secret = path.parent.parent / "secret.safetensors"
    (path / "adapter_model.safetensors").rename(secret)
    (path / "adapter_model.safetensors").symlink_to(secret)


def cut(path: Path) -> None:
    file = path / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def grown(path: Path) -> None:
    with (path / "adapter_model.safetensors").open("ab") as file:
        file.truncate(10**9)  # sparse


def header(text: str, *, length: int | None = None) -> Callable[[Path], None]:
    """Damage: another header before no numbers at all."""

    def apply(path: Path) -> None:
        size = (len(text) if length is None else length).to_bytes(8, "little")
        (path / "adapter_model.safetensors").write_bytes(size + text.encode())

    return apply


def entry(shape: object, offsets: object) -> str:
    fields = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
    return json.dumps({f"{Q}.lora_A.weight": fields})


def told_json(text: str) -> Callable[[Path], None]:
    return lambda path: void(path.joinpath("adapter_config.json").write_text(text))


def void(_: object) -> None:
    return None


BAD: list[tuple[Callable[[Path], None], str]] = [
    (change(use_dora=True), "use_dora"),
    (change(bias="all"), "bias"),
    (change(modules_to_save=["lm_head"]), "modules_to_save"),
    (change(init_lora_weights="pissa"), "init_lora_weights"),
    (change(layer_replication=[[0, 1], [0, 2]]), "layer_replication"),
    (change(fan_in_fan_out=True), "fan_in_fan_out"),
    (change(peft_type="IA3"), "peft_type"),
    (change(r=0), "r: "),
    (change(r="4"), "r: "),
    (change(r=6), "shape"),
    (change(lora_alpha="much"), "lora_alpha"),
    (change(some_new_method={"a": 1}), "some_new_method"),
    (change(target_modules=["k_proj"]), "target_modules"),
    (change(alpha_pattern={"(a+)+$": 3}), "alpha_pattern"),
    (change(rank_pattern={".*q_proj": 3}), "rank_pattern"),
    (told_json("{"), "JSON"),
    (told_json("[]"), "object"),
    (told_json('{"peft_type": "LORA", "r": 4, "lora_alpha": NaN}'), "JSON"),
    (rewrite(lambda t: void(t.pop(f"{Q}.lora_B.weight"))), "lora_B"),
    (rewrite(lambda t: t.update({f"{Q}.lora_A.weight": torch.ones(4, 63)})), "(4, 64)"),
    (rewrite(lambda t: t.update({f"{Q}.lora_A.weight": torch.ones(4, 64, 1)})), "(4, 64)"),
    (rewrite(lambda t: void(t[f"{Q}.lora_B.weight"].fill_(float("nan")))), "finite"),
    (rewrite(lambda t: t.update({f"{Q}.lora_magnitude_vector": torch.ones(64)})), "magnitude"),
    (
        rewrite(lambda t: t.update({f"{Q}.lora_A.weight": torch.ones(4, 64, dtype=torch.int8)})),
        "not supported",
    ),
    (
        rewrite(lambda t: t.update({"base_model.model.lm_head.lora_A.weight": torch.ones(4, 64)})),
        "lm_head",
    ),
    (
        rewrite(lambda t: t.update({f"{Q}x.lora_A.weight": torch.ones(4, 64)})),
        "q_projx",
    ),
    (rewrite(lambda t: t.clear()), "no weights"),
    (cut, "damaged"),
    (header("", length=3), "damaged"),
    (header("{}", length=2**63), "damaged"),
    (header("{'"), "damaged"),
    (header("[]"), "damaged"),
    (header(entry([1], [0, 4])), "damaged"),
    (header(entry([0], [-4, -4])), "data_offsets"),
    (header(entry([-1], [0, 4])), "shape"),
    (header(entry([2**62, 4], [0, 0])), "damaged"),
    (header(entry("x", [0, 4])), "shape"),
    (header(json.dumps({f"{Q}.lora_A.weight": 1})), "not supported"),
    (grown, "larger"),
    (pickled, "pickle"),
    (linked, "outside"),
    (lambda path: (path / "adapter_config.json").unlink(), "adapter_config.json"),
    (lambda path: shutil.rmtree(path), "no adapter"),
]


@pytest.mark.parametrize(("damage", "word"), BAD)
async def test_an_adapter_that_cannot_be_used_is_one_line(
    make_engine: MakeEngine, folder: Path, damage: Callable[[Path], None], word: str
) -> None:
    engine = make_engine()
    damage(folder / "stable")
    with pytest.raises(AdapterError) as caught:
        await engine.adapters.load("stable", "stable")
    assert word in str(caught.value)
    assert "\n" not in str(caught.value)
    assert engine.adapters.listed() == ()


async def test_fields_that_say_how_it_was_trained_do_not_matter(
    make_engine: MakeEngine, folder: Path
) -> None:
    engine = make_engine()
    plain = await engine.adapters.load("stable", "stable")
    for fields in (
        {"target_modules": "all-linear", "a_later_field": None, "another": False},
        {"target_modules": "(a+)+$", "lora_dropout": 0.5, "layers_to_transform": [0, 1]},
    ):
        change(**fields)(folder / "stable")
        engine.adapters.unload("stable")
        same = await engine.adapters.load("stable", "stable")
        for one, other in zip(plain.groups, same.groups, strict=True):
            assert one is not None
            assert other is not None
            assert torch.equal(one.down, other.down)


async def test_nothing_is_loaded_from_outside_of_the_folder(
    make_engine: MakeEngine, tiny: Path, folder: Path, tmp_path: Path
) -> None:
    engine = make_engine()
    away = make_tiny_adapter(tmp_path / "away", tiny, 5)
    (folder / "link").symlink_to(away)
    for path in ("../away", "../nowhere", str(away), "link", "stable/../../away", "\0"):
        with pytest.raises(AdapterError, match=r"outside|no path"):
            await engine.adapters.load("canary", path)
    shutil.rmtree(folder)
    with pytest.raises(AdapterError, match="no folder"):
        await engine.adapters.load("canary", "stable")


async def test_the_hash_is_checked_first_and_covers_both_files(
    make_engine: MakeEngine, folder: Path
) -> None:
    engine = make_engine()
    right = (await engine.adapters.load("stable", "stable")).sha256
    again = await engine.adapters.load("stable", "stable", right.upper())
    assert again.sha256 == right
    with pytest.raises(AdapterError, match="sha256"):
        await engine.adapters.load("other", "canary", right)
    change(lora_alpha=9)(folder / "stable")
    with pytest.raises(AdapterError, match="sha256"):
        await engine.adapters.load("other", "stable", right)
