"""A tiny model made once, engines over it, and servers of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from bot.engine import runner, weights
from bot.engine.backend import Backend
from bot.engine.engine import Engine
from bot.engine.serve import serve
from bot.model_settings import ServeSettings
from tests.bot.engine.support import CONTEXT, MakeEngine, Serving, with_backend, with_blocks
from tests.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("models") / "tiny", context=CONTEXT)


@pytest.fixture
async def make_engine(tiny: Path, tmp_path: Path) -> AsyncIterator[MakeEngine]:
    started: list[Engine] = []

    def make(
        *,
        max_running: int = 4,
        max_waiting: int = 64,
        max_running_person: int | None = None,
        max_waiting_person: int | None = None,
        prefill_chunk: int = 16,
        num_blocks: int | None = None,
        prepare: Callable[[torch.nn.Module], object] | None = None,
        backend: Backend | None = None,
        device: Literal["cpu", "cuda"] = "cpu",
    ) -> Engine:
        loaded = weights.load(ServeSettings(model=str(tiny), device=device), tmp_path)
        if backend is not None:
            loaded = with_backend(loaded, backend)
        loaded = with_blocks(loaded, num_blocks) if num_blocks else runner.fitted(loaded)
        if prepare is not None:
            prepare(loaded.model)
        engine = Engine(
            loaded,
            max_running=max_running,
            max_waiting=max_waiting,
            max_running_person=max_running_person,
            max_waiting_person=max_waiting_person,
            prefill_chunk=prefill_chunk,
            num_threads=1,
            adapters_dir=tmp_path / "adapters",
        )
        engine.start()
        started.append(engine)
        return engine

    yield make
    for engine in started:
        await engine.close()


@pytest.fixture
def serving(tiny: Path, tmp_path: Path) -> Serving:
    @asynccontextmanager
    async def run(*, drain_s: float = 0.2, **changes: Any) -> AsyncIterator[str]:
        given: dict[str, Any] = {
            "model": str(tiny),
            "port": 0,
            "threads": 1,
            "device": "cpu",
            **changes,
        }
        settings = ServeSettings(**given)
        address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(
            serve(settings, state_dir=tmp_path, ready=address.set_result, drain_s=drain_s)
        )
        await asyncio.wait((task, address), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        try:
            yield address.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return run
