"""Adapters that are swapped under one name while answers run, against one model at a time."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from bot.engine import runner, weights
from bot.engine.adapters import UnknownRelease
from bot.engine.engine import Engine
from bot.engine.request import Request
from bot.engine.weights import LoadedModel
from bot.model_settings import ServeSettings
from tests.bot.engine.support import greedy, prompts, until, with_blocks
from tests.tiny_adapter import make_tiny_adapter, merged

NUM_OUTPUT = 30
CONTENTS = ("one", "two")
NAME = "live"


class Oracle:
    """The first tokens that transformers' own `generate` gives for the bare model (content "") and
    with each adapter merged into it, one request at a time."""

    def __init__(self, tiny: Path, state: Path) -> None:
        self.folder = state / "adapters"
        found = runner.fitted(weights.load(ServeSettings(model=str(tiny)), state))
        self.loaded: LoadedModel = found
        self.prompts = [*prompts(5, 33, 64, 90, 17, seed=3)]
        self.prompts.append(self.prompts[3] + self.prompts[0])  # a beginning in common
        self._outputs: dict[tuple[str, int], list[int]] = {}
        models: dict[str, Any] = {"": AutoModelForCausalLM.from_pretrained(tiny)}
        for seed, content in enumerate(CONTENTS, 1):
            path = make_tiny_adapter(self.folder / content, tiny, seed, rank=2 * seed)
            models[content] = merged(tiny, path)
        for content, model in models.items():
            for number, prompt in enumerate(self.prompts):
                ids = torch.tensor([prompt])
                mask = torch.ones_like(ids)
                out = model.generate(
                    ids, attention_mask=mask, max_new_tokens=NUM_OUTPUT, do_sample=False
                )
                self._outputs[content, number] = out[0, len(prompt) :].tolist()

    def text(self, content: str, number: int, num_tokens: int, stop: str | None) -> str:
        text = self.loaded.encoder.decode(self._outputs[content, number][:num_tokens])
        return text.split(stop)[0] if stop else text


@pytest.fixture(scope="module")
def oracle(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Oracle:
    return Oracle(tiny, tmp_path_factory.mktemp("state"))


@dataclass
class World:
    """An engine, and which content stands under the name (None: the name is free)."""

    engine: Engine
    oracle: Oracle
    content: str | None = None
    taken: list[str] = field(default_factory=list)
    num_refused: int = 0

    async def after(self, num_steps: int) -> None:
        """Wait for so many steps, or until nobody is left to take any."""
        engine, began = self.engine, self.engine.stats.steps
        await until(lambda: engine.stats.steps >= began + num_steps or not engine.num_pending)

    async def swap(self, content: str) -> None:
        if self.content is not None:
            self.engine.adapters.unload(NAME)
            self.content = None
        await self.engine.adapters.load(NAME, content)
        self.content = content

    async def ask(self, name: str, how: dict[str, Any]) -> None:
        """Ask as drawn, perhaps leave early, and compare with the content at the time of asking."""
        await self.after(how["delay_steps"])
        number, num_tokens, leaves_after = how["number"], how["num_tokens"], how["leaves_after"]
        content = self.content if how["is_named"] else ""
        free = self.oracle.text(content or "", number, num_tokens, None)
        at = how["stop_at"]
        stop = free[at : at + 3] if at is not None and at + 3 <= len(free) else None
        if stop is not None and "\ufffd" in stop:
            stop = None  # half a code point, which no text that is streamed ever has
        sampling = greedy(num_tokens, stop=(stop,) if stop else ())
        release = NAME if how["is_named"] else ""
        request = Request(
            name, self.oracle.prompts[number], sampling, release, person=how["person"]
        )
        text, last = "", None
        async with aclosing(self.engine.generate(request)) as deltas:
            if content is None:
                with pytest.raises(UnknownRelease):
                    await anext(deltas)
                self.num_refused += 1
                return
            self.taken.append(content)
            wanted = self.oracle.text(content, number, num_tokens, stop)
            async for last in deltas:
                text += last.text
                if leaves_after is not None and last.num_output > leaves_after and not last.finish:
                    assert wanted.startswith(text)
                    return
        assert text == wanted, content
        assert last is not None
        assert last.finish == ("stop" if stop else "length")


ASKED = st.fixed_dictionaries(
    {
        "number": st.integers(0, 5),
        "is_named": st.sampled_from([True, True, False]),
        "num_tokens": st.integers(1, NUM_OUTPUT),
        "stop_at": st.none() | st.integers(0, NUM_OUTPUT - 4),
        "leaves_after": st.none() | st.integers(0, NUM_OUTPUT),
        "delay_steps": st.integers(0, 30),
        "person": st.sampled_from(["", "ann", "ben"]),
    }
)
SWAPS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(CONTENTS)), max_size=5)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    asked=st.lists(ASKED, min_size=1, max_size=10),
    swaps=SWAPS,
    max_running=st.integers(1, 5),
    num_blocks=st.integers(11, 24),
)
def test_each_answer_is_that_of_the_content_it_was_asked_of_whatever_is_swapped_meanwhile(
    oracle: Oracle,
    asked: list[dict[str, Any]],
    swaps: list[tuple[int, str]],
    max_running: int,
    num_blocks: int,
) -> None:
    async def run() -> None:
        engine = Engine(
            with_blocks(oracle.loaded, num_blocks),
            max_running=max_running,
            max_waiting=64,
            prefill_chunk=23,
            num_threads=1,
            adapters_dir=oracle.folder,
        )
        engine.start()
        world = World(engine, oracle)
        await world.swap(CONTENTS[0])

        async def swap_all() -> None:
            for num_steps, content in swaps:
                await world.after(num_steps)
                await world.swap(content)

        try:
            async with asyncio.TaskGroup() as group:
                for n, how in enumerate(asked):
                    group.create_task(world.ask(f"r{n}", how))
                group.create_task(swap_all())
            await until(lambda: engine.num_pending == 0)
            stats = engine.stats
            assert (stats.running, stats.waiting, stats.blocks_used) == (0, 0, 0)
            assert stats.blocks_cached + stats.blocks_free == num_blocks
            assert stats.failed_steps == 0
            assert len(world.taken) + world.num_refused == len(asked)
        finally:
            await engine.close()

    asyncio.run(run())


def test_the_contents_can_be_told_apart(oracle: Oracle) -> None:
    for number in range(len(oracle.prompts)):
        texts = {oracle.text(content, number, NUM_OUTPUT, None) for content in ("", *CONTENTS)}
        assert len(texts) == 1 + len(CONTENTS)
