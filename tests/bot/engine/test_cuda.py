"""What only a GPU can show: the kernel, captured graphs, and how often a step waits for it.

Numbers in bfloat16 are compared with the same model in float32: random weights as large as the tiny
model's turn the last bits of its first layer into per cents of its logits, whatever computes them.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs

from bot.engine import weights
from bot.engine.adapters import Adapters
from bot.engine.backend import FLASH, GATHERED, MIN_CAPABILITY, Backend, choose
from bot.engine.graphs import Compute, CudaRecorder, Recorder
from bot.engine.kernels import MAX_ERROR, error, flash
from bot.engine.request import Request, Row, Sampling
from bot.engine.runner import Runner, fitted
from bot.engine.sampler import Sampler
from bot.engine.scheduler import Span, Step
from bot.engine.weights import LoadedModel
from bot.model_settings import ServeSettings
from tests.bot.engine.support import MakeEngine, greedy, prompts, read, with_backend
from tests.tiny_adapter import make_tiny_adapter


def lacking() -> str | None:
    if torch.version.cuda is None:
        return "needs CUDA, and this torch is built without it"
    if not torch.cuda.is_available():
        return "needs a CUDA device, and torch sees none"
    if torch.cuda.get_device_capability() < MIN_CAPABILITY:
        return "needs a CUDA device of compute capability 8.0 (Ampere) or newer"
    return None


MISSING = lacking()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=MISSING or "")

CUDA = torch.device("cuda")
BFLOAT16 = torch.bfloat16
EAGER = replace(FLASH, recorder=None)
LENGTHS = (3, 255, 256, 700)


class Counting:
    """A recorder that counts how often its graphs ran."""

    def __init__(self, inner: Recorder) -> None:
        self._inner = inner
        self.num_runs = 0

    def record(self, compute: Compute) -> Compute:
        replay = self._inner.record(compute)

        def run() -> torch.Tensor:
            self.num_runs += 1
            return replay()

        return run


@dataclass(frozen=True, slots=True)
class Counted:
    backend: Backend
    recorders: list[Counting]

    @property
    def num_runs(self) -> int:
        return sum(one.num_runs for one in self.recorders)


def counted() -> Counted:
    made: list[Counting] = []

    def recorder(device: torch.device) -> Recorder:
        made.append(Counting(CudaRecorder(device)))
        return made[-1]

    return Counted(replace(FLASH, recorder=recorder), made)


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    yield
    torch.cuda.empty_cache()


def load(path: Path, state_dir: Path, backend: Backend, dtype: Any = "bfloat16") -> LoadedModel:
    settings = ServeSettings(model=str(path), device="cuda", dtype=dtype)
    return with_backend(weights.load(settings, state_dir), backend)


def runner_of(loaded: LoadedModel, *, num_slots: int = 6) -> Runner:
    num_blocks = 8192 // loaded.backend.block_size
    made = Runner(replace(loaded, num_blocks=num_blocks, context=2048), num_slots=num_slots)
    made.prepare()
    return made


def started(runner: Runner, lengths: Sequence[int]) -> list[Row]:
    """Rows with room, nothing of them computed."""
    rows = [Row(Request(f"r{n}", one, greedy(50))) for n, one in enumerate(prompts(*lengths))]
    for row in rows:
        runner.cache.allocate(row)
    return rows


def ran(runner: Runner, decode: Sequence[Row], pieces: Sequence[tuple[Row, int]]) -> torch.Tensor:
    """The logits of a step that decodes these rows and computes so many tokens of those, in the
    order of the given rows; drawn is always token 11."""
    spans = tuple(Span(row, row.num_computed, count) for row, count in pieces)
    last = [span.row for span in spans if span.is_last]
    logits, slots = runner.run(Step(tuple(decode), spans))
    by_slot = {slot: logits[n].float().cpu() for n, slot in enumerate(slots)}
    for row in decode:
        row.num_computed += 1
    for span in spans:
        span.row.num_computed += span.count
    for row in (*decode, *last):
        row.output.append(11)
        runner.cache.append(row)
    return torch.stack([by_slot[row.slot] for row in (*decode, *last)])


def conversation(runner: Runner) -> torch.Tensor:
    """The logits of prompts in pieces, mixed steps, and decoding by 1 to 4 rows."""
    one, two, three, four = started(runner, LENGTHS)
    found = [
        ran(runner, (), [(one, 3), (two, 255)]),
        ran(runner, (one, two), [(three, 256), (four, 300)]),
        ran(runner, (three, one, two), [(four, 400)]),
        *(ran(runner, (four, one, three, two), ()) for _ in range(4)),
        *(ran(runner, (four, two, three), ()) for _ in range(2)),
        ran(runner, (four,), ()),
    ]
    for row in (one, two, three, four):
        runner.cache.free(row)
    return torch.cat(found)


def off(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """The mean relative difference of rows of logits."""
    return float(((found - wanted).norm(dim=-1) / wanted.norm(dim=-1)).mean())


@pytest.mark.parametrize(
    ("heads", "kv_heads", "dim"), [(32, 8, 128), (9, 3, 64), (8, 8, 128), (16, 4, 256), (4, 2, 16)]
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_kernel_computes_what_it_should(
    heads: int, kv_heads: int, dim: int, dtype: torch.dtype
) -> None:
    how: Any = {"heads": heads, "kv_heads": kv_heads, "dim": dim, "dtype": dtype, "device": CUDA}
    assert error(flash, **how) <= MAX_ERROR


def test_it_is_chosen_here(tiny: Path, tmp_path: Path) -> None:
    half = weights.load(ServeSettings(model=str(tiny), device="cuda"), tmp_path)
    assert half.backend is FLASH
    whole = weights.load(ServeSettings(model=str(tiny), device="cuda", dtype="float32"), tmp_path)
    assert whole.backend is GATHERED
    config: Any = half.model.config
    assert choose(config, dtype=BFLOAT16, device=torch.device("cpu")) is GATHERED


@torch.inference_mode()
def test_mixed_and_decode_steps_are_as_near_to_float32_as_gathered_ones(
    tiny: Path, tmp_path: Path
) -> None:
    wanted = conversation(runner_of(load(tiny, tmp_path, GATHERED, "float32")))
    gathered = conversation(runner_of(load(tiny, tmp_path, GATHERED)))
    eager = conversation(runner_of(load(tiny, tmp_path, EAGER)))
    graphs = counted()
    recorded = conversation(runner_of(load(tiny, tmp_path, graphs.backend)))
    assert graphs.num_runs == 7  # the steps without a piece of a prompt
    bound = 2 * off(gathered, wanted) + 0.01
    assert bound < 0.5, "the model is too sensitive to compare anything"
    assert off(eager, wanted) <= bound
    assert off(recorded, wanted) <= bound


@torch.inference_mode()
def test_a_captured_step_is_the_eager_one(tiny: Path, tmp_path: Path) -> None:
    loaded = load(tiny, tmp_path, FLASH)
    recorded, eager = runner_of(loaded), runner_of(replace(loaded, backend=EAGER))
    # Rows this short are computed in one part whatever the largest number of keys may be.
    for rows in ((0,), (0, 1), (0, 1, 2)):
        steps = []
        for runner in (recorded, eager):
            again = started(runner, (20, 90, 33))
            for row in again:
                ran(runner, (), [(row, row.num_tokens)])
            steps.append(ran(runner, [again[n] for n in rows], ()))
            for row in again:
                runner.cache.free(row)
        assert off(*steps) <= 0.05


@torch.inference_mode()
def test_padding_rows_change_nothing(tiny: Path, tmp_path: Path) -> None:
    loaded = load(tiny, tmp_path, FLASH)
    clean, dirty = runner_of(loaded), runner_of(loaded)
    example = torch.zeros(1, 2, 1, 16, device=CUDA, dtype=BFLOAT16)
    layers = [dirty.cache.layer(n, example, example) for n in range(loaded.num_layers)]
    steps = []
    for runner in (clean, dirty):
        rows = started(runner, (20, 90, 33))
        for row in rows:
            ran(runner, (), [(row, row.num_tokens)])
        if runner is dirty:
            for layer in layers:
                layer.keys[-1], layer.values[-1] = torch.nan, torch.nan
        steps.append(ran(runner, rows, ()))  # three rows in a graph of four
    assert torch.equal(*steps)
    for layer in layers:
        assert layer.keys[0].eq(0).all()
        assert layer.keys[1:-1].isfinite().all()


@torch.inference_mode()
def test_graphs_are_good_after_the_cache_was_reset(tiny: Path, tmp_path: Path) -> None:
    graphs = counted()
    runner = runner_of(load(tiny, tmp_path, graphs.backend))
    before = conversation(runner)
    runner.reset()
    num_runs = graphs.num_runs
    assert torch.equal(conversation(runner), before)
    assert graphs.num_runs == 2 * num_runs


@torch.inference_mode()
def test_a_second_turn_finds_blocks_of_256_tokens(tiny: Path, tmp_path: Path) -> None:
    runner = runner_of(load(tiny, tmp_path, EAGER))
    (first,) = started(runner, (600,))
    whole = ran(runner, (), [(first, 600)])
    runner.cache.publish(first)
    (again,) = started(runner, (600,))
    assert again.num_computed == 512
    rest = ran(runner, (), [(again, 88)])
    assert off(rest, whole) < 0.1


async def test_steps_with_adapters_run_eagerly(tiny: Path, tmp_path: Path) -> None:
    graphs = counted()
    loaded = fitted(load(tiny, tmp_path, graphs.backend), kv_memory_mb=64)
    make_tiny_adapter(tmp_path / "adapters/canary", tiny, 1)
    adapter = await Adapters(loaded, tmp_path / "adapters").load("canary", "canary")
    with torch.inference_mode():
        runner = runner_of(loaded)
        one, two = started(runner, (20, 30))
        two.request = replace(two.request, release=adapter.key, adapter=adapter)
        for row in (one, two):
            ran(runner, (), [(row, row.num_tokens)])
        ran(runner, (one, two), ())
        assert graphs.num_runs == 0
        ran(runner, (one,), ())
        assert graphs.num_runs == 1


@torch.inference_mode()
def test_what_cannot_be_captured_runs_eagerly_after_one_warning(tiny: Path, tmp_path: Path) -> None:
    loaded = load(tiny, tmp_path, FLASH)

    def wait(_: object, __: object, kwargs: dict[str, torch.Tensor]) -> None:
        kwargs["input_ids"].sum().item()

    handle = loaded.model.register_forward_pre_hook(wait, with_kwargs=True)
    with capture_logs() as logs:
        runner = runner_of(loaded)
    assert [one["event"] for one in logs if one["log_level"] == "warning"] == ["engine.no_graphs"]
    handle.remove()
    eager = runner_of(replace(loaded, backend=EAGER))
    assert torch.equal(conversation(runner), conversation(eager))


HOW = (
    Sampling(max_tokens=9, temperature=0),
    Sampling(max_tokens=9, temperature=0.8, top_p=0.9, seed=1, logprobs=3),
    Sampling(
        max_tokens=9,
        temperature=0.7,
        top_k=20,
        repetition_penalty=1.2,
        frequency_penalty=0.3,
        presence_penalty=0.1,
        min_tokens=5,
    ),
)


@pytest.mark.parametrize("backend", [GATHERED, EAGER, FLASH], ids=["gathered", "eager", "graphs"])
@torch.inference_mode()
def test_a_step_waits_for_the_device_once(tiny: Path, tmp_path: Path, backend: Backend) -> None:
    loaded = load(tiny, tmp_path, backend)
    runner = runner_of(loaded)
    sampler = Sampler(
        num_slots=6, vocab_size=loaded.vocab_size, device=CUDA, eos_ids=frozenset({2})
    )
    rows = started(runner, (15, 256, 33))
    late = started(runner, (40,))[0]
    for row, sampling in zip(rows, HOW, strict=True):
        sampler.begin(row.slot, sampling, row.request.tokens)
    for row in rows:
        ran(runner, (), [(row, row.num_tokens)])

    def step(spans: tuple[Span, ...]) -> None:
        logits, slots = runner.run(Step(tuple(rows), spans))
        draws = sampler.sample(logits, slots)
        for slot, draw in zip(slots, draws, strict=True):
            row = next(one for one in rows if one.slot == slot)
            assert draw is not None
            row.num_computed += 1
            row.output.append(draw.token)
            runner.cache.append(row)
        for span in spans:
            span.row.num_computed += span.count

    def waits(spans: tuple[Span, ...]) -> list[str]:
        torch.cuda.synchronize()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                step(spans)
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return [str(one.message) for one in caught if "called a synchroniz" in str(one.message)]

    step(())  # what libraries set up when they are first called
    step((Span(late, 0, 10),))
    for _ in range(20):  # a row gets its next block on the way
        assert len(waits(())) == 1
    assert len(waits((Span(late, 10, 20),))) == 1


async def test_the_engine_answers_with_all_of_it(make_engine: MakeEngine, tiny: Path) -> None:
    engine = make_engine(device="cuda")
    assert engine.loaded.backend is FLASH
    (prompt,) = prompts(300)
    first, _ = await read(engine, Request("a", prompt, greedy(40)))
    again, last = await read(engine, Request("b", prompt, greedy(40)))
    assert last.finish == "length"
    assert last.num_cached == 256
    assert len(first) > 0
    assert len(again) > 0
    assert engine.stats.failed_steps == 0
