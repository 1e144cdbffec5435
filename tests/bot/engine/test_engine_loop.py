"""One last delta for each request, whatever order things happen in."""

import random
import threading
import time
from pathlib import Path

import pytest
import torch

from bot.engine import weights
from bot.engine.loop import Loop, Outbox
from bot.engine.request import Delta, Request
from bot.engine.runner import Runner
from bot.engine.sampler import Sampler
from bot.engine.scheduler import Scheduler
from bot.model_settings import ServeSettings
from tests.bot.engine.support import greedy, with_blocks


@pytest.mark.parametrize("seed", range(4))
def test_each_request_gets_exactly_one_last_delta_and_nothing_after(
    tiny: Path, tmp_path: Path, seed: int
) -> None:
    # Room for two long answers: the third is preempted.
    loaded = with_blocks(weights.load(ServeSettings(model=str(tiny)), tmp_path), 12)
    chance = random.Random(seed)

    def fail_sometimes(*_: object) -> None:
        if chance.random() < 0.03:
            raise RuntimeError("a step fails")

    loaded.model.register_forward_pre_hook(fail_sometimes)
    deltas: dict[str, list[Delta]] = {}
    all_ended = threading.Event()

    def publish(outbox: Outbox) -> None:
        for request_id, delta in outbox:
            deltas.setdefault(request_id, []).append(delta)
        if sum(ds[-1].finish is not None for ds in deltas.values()) >= 35:
            all_ended.set()

    loop = Loop(
        runner=Runner(loaded, num_slots=3),
        scheduler=Scheduler(max_running=3, prefill_chunk=16),
        sampler=Sampler(num_slots=3, vocab_size=loaded.vocab_size, device=torch.device("cpu")),
        decode=loaded.encoder.decode,
        eos_ids=frozenset({7, 8, 9, 10}),
        num_threads=1,
        publish=publish,
        on_death=lambda reason: pytest.fail(reason),
    )
    loop.start()
    ids = [f"r{n}" for n in range(40)]
    for request_id in ids:
        prompt = tuple(chance.randrange(3, 300) for _ in range(chance.randrange(1, 60)))
        loop.submit(Request(request_id, prompt, greedy(chance.randrange(1, 40))))
        if chance.random() < 0.5:
            loop.cancel(chance.choice(ids))
        time.sleep(chance.random() * 0.01)
    assert all_ended.wait(30)
    assert loop.close(10)
    assert set(deltas) == set(ids)
    for came in deltas.values():
        assert [delta.finish is not None for delta in came] == [False] * (len(came) - 1) + [True]
    reasons = {came[-1].finish for came in deltas.values()}
    assert {"cancelled", "error"} <= reasons
    assert (loop.stats.running, loop.stats.waiting, loop.stats.blocks_used) == (0, 0, 0)
    assert loop.stats.failed_steps > 0
