"""transformers' own continuous batching, to measure ours against: `python -m bot.engine.peer`.

Jobs, as JSON: `load` holds the model and its cache once; `chats` answers prompts greedily, so many
at a time, and tells when each token came. Times are seconds since the job began. The settings of
the batching are those it was measured best with; on the CPU it must be told how large its cache
is, or it takes most of the machine's memory.
"""

import importlib.util
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from transformers import ContinuousBatchingConfig, GenerationConfig
from transformers.utils import logging as transformers_logging

from bot.engine import errand, source
from bot.engine.errand import Json
from bot.engine.threads import choose_threads
from bot.model_settings import ServeSettings

_CPU_PAGE, _CUDA_PAGE = 16, 256
"""Tokens a page; flash attention wants 256."""

_CPU_STEP, _CUDA_STEP = 256, 4096
"""Tokens a step."""

_SILENT_S = 300.0
"""Seconds without any finished answer before a job is given up."""


class Peer:
    """One model behind transformers' manager."""

    def __init__(self) -> None:
        self._manager: Any = None
        self._num_jobs = 0

    def handle(self, job: Json) -> Json:
        """Answer one job."""
        if job["do"] == "load":
            # Threads that computed here would take the spinning from those that answer.
            with ThreadPoolExecutor(1) as own:
                return own.submit(self._load, job).result()
        return self._answer(job["prompts"], job["new_tokens"], job["chats"])

    def _load(self, job: Json) -> Json:
        """`serve`: the server's settings; `chats` at once of at most `tokens` tokens each."""
        settings = ServeSettings.model_validate(job["serve"])
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
        torch.set_num_threads(choose_threads(settings.threads))
        device = source.choose_device(settings.device)
        dtype = source.choose_dtype(settings.dtype, device)
        found = source.find(settings.model, Path(job["state_dir"]))
        model = found.load(dtype=dtype, device=device, attention="sdpa")
        is_cuda = device.type == "cuda"
        page = _CUDA_PAGE if is_cuda else _CPU_PAGE
        pages_each = -(-job["tokens"] // page) + 1
        self._manager = model.init_continuous_batching(
            generation_config=GenerationConfig(do_sample=False, eos_token_id=-1),  # type: ignore[no-untyped-call]
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=page,
                num_blocks=pages_each * (job["chats"] + 1),
                max_batch_tokens=_CUDA_STEP if is_cuda else _CPU_STEP,
                # Without the package it would ask the hub for a kernel.
                auto_switch_to_flash=importlib.util.find_spec("flash_attn") is not None,
            ),
        )
        self._manager.warmup()
        self._manager.start()
        return {"device": device.type, "dtype": str(dtype).removeprefix("torch.")}

    def _answer(self, prompts: list[list[int]], new_tokens: list[int], chats: int) -> Json:
        """All prompts, `chats` in flight: when each was given, and when its tokens came."""
        self._num_jobs += 1
        began = time.perf_counter()
        sent: dict[str, float] = {}
        came: dict[str, list[float]] = {}
        ids = [f"{self._num_jobs}-{number}" for number in range(len(prompts))]
        left = list(reversed(list(zip(ids, prompts, new_tokens, strict=True))))

        def give() -> None:
            request, tokens, count = left.pop()
            sent[request] = time.perf_counter() - began
            given = self._manager.add_request(
                tokens,
                request_id=request,
                max_new_tokens=count,
                eos_token_id=-1,
                record_timestamps=True,
            )
            if given is None:
                raise RuntimeError("transformers' batching takes no more requests")

        for _ in range(min(chats, len(left))):
            give()
        heard = time.perf_counter()
        while len(came) < len(ids):
            output = self._manager.get_result(timeout=1.0)
            if output is None:
                if not self._manager.is_running() or time.perf_counter() - heard > _SILENT_S:
                    raise RuntimeError("transformers' batching stopped")
                continue
            heard = time.perf_counter()
            if output.error is not None:
                raise RuntimeError(output.error)
            came[output.request_id] = [stamp - began for stamp in output.timestamps]
            if left:
                give()
        answers = [{"sent": sent[one], "times": came[one]} for one in ids]
        return {"answers": answers}


if __name__ == "__main__":
    errand.run(Peer().handle)
