"""The one thread that runs the model.

Commands come in by a deque and an event, answers go out as one list of deltas a step. It promises
each request that was submitted exactly one last delta, whatever happens, given out by `_finish`
alone. A step that raises fails the requests that were running; the others go on in fresh memory,
after a pause. A step that memory was too small for fails nobody: it is made smaller.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog
import torch

from bot.engine.logprobs import score_prompts
from bot.engine.request import Delta, FinishReason, Request, Row, State
from bot.engine.runner import Runner, is_out_of_memory
from bot.engine.sampler import Draw, Sampler
from bot.engine.scheduler import Scheduler, Step
from bot.engine.stats import Stats
from bot.engine.text import Text
from bot.engine.threads import Crew, Sample, spins

log = structlog.get_logger(__name__)

MAX_FAILED_STEPS: Final = 5
"""Steps that raise in a row before the loop gives up: by then the device is gone, not a request."""

_PAUSE_S: Final = 0.05
"""After a step that raised; twice as long after each further one in a row."""

Outbox = list[tuple[str, Delta]]
"""What a step gives out: request ids and how their answers grew."""


class Loop:
    """Runs steps on its own thread for as long as anybody waits for an answer.

    `publish` is called on that thread with each step's deltas, `on_death` once if it gives up.
    `stats` and `positions` (of the waiting requests, from 1) are replaced, never changed, so any
    thread may read them.
    """

    def __init__(
        self,
        *,
        runner: Runner,
        scheduler: Scheduler,
        sampler: Sampler,
        decode: Callable[[Sequence[int]], str],
        eos_ids: frozenset[int],
        num_threads: int,
        publish: Callable[[Outbox], None],
        on_death: Callable[[str], None],
    ) -> None:
        self._runner, self._scheduler, self._sampler = runner, scheduler, sampler
        self._decode, self._eos_ids = decode, eos_ids
        self._crew = Crew(num_threads)
        self._watches_crew = runner.is_on_cpu and spins()
        self._publish, self._on_death = publish, on_death
        self._commands: deque[Request | str] = deque()
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._texts: dict[str, Text] = {}
        self._outbox: Outbox = []
        self._num_failed_in_row = 0
        self._is_queue_changed = False
        self.stats = Stats()
        self.positions: dict[str, int] = {}
        # A daemon: a step that hangs in the device must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, request: Request) -> None:
        """Queue a request; its id must be new and its tokens checked. From any thread."""
        self._commands.append(request)
        self._wake.set()

    def cancel(self, request_id: str) -> None:
        """End a request before the next step, if it has not ended. From any thread."""
        self._commands.append(request_id)
        self._wake.set()

    def close(self, timeout_s: float) -> bool:
        """End all requests and the thread; whether it ended in time. Blocks: never on the loop."""
        self._closing.set()
        self._wake.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    # On the engine's thread from here on.

    def _run(self) -> None:
        torch.set_num_threads(self._crew.num)
        try:
            with torch.inference_mode():
                self._runner.prepare()
                is_well = self._run_steps()
            self._take_commands()
            self._finish_all("shutdown" if is_well else "error")
        except Exception as error:
            log.exception("engine.loop_failed")
            self.stats = replace(self.stats, last_error=type(error).__name__)
            is_well = False
        if not is_well:
            self._on_death(self.stats.last_error or "unknown")

    def _run_steps(self) -> bool:
        """Run until closed (True), or until steps fail too often (False)."""
        while not self._closing.is_set():
            self._wake.clear()
            self._take_commands()
            for row in self._scheduler.overdue(time.monotonic()):
                self._finish(row, "deadline")
            if self._scheduler.is_idle:
                self._flush()
                self._wake.wait()
                continue
            is_well = self._try_step()
            self._flush()
            if self._num_failed_in_row >= MAX_FAILED_STEPS:
                return False
            if not is_well:
                self._closing.wait(_PAUSE_S * 2 ** (self._num_failed_in_row - 1))
        return True

    def _finish_all(self, reason: FinishReason) -> None:
        for row in self._scheduler.rows():
            self._finish(row, reason, error="the engine stopped" if reason == "error" else None)
        self._flush()

    def _try_step(self) -> bool:
        """Run a step; False when it raised."""
        started = time.monotonic()
        before = Sample.now() if self._watches_crew else None
        try:
            self._step()
        except Exception as error:  # the border: any error of the model lands here
            log.exception("engine.step_failed", running=self._scheduler.num_running)
            self._num_failed_in_row += 1
            self.stats = self.stats.failed(type(error).__name__)
            for row in self._scheduler.running():
                self._finish(row, "error", error="the step that computed this answer failed")
            self._runner.reset()
            return False
        self._num_failed_in_row = 0
        self.stats = self.stats.timed(time.monotonic() - started, self._crew.num)
        if before and self._crew.observe(Sample.now() - before) != self.stats.threads:
            torch.set_num_threads(self._crew.num)
        return True

    def _take_commands(self) -> None:
        while self._commands:
            command = self._commands.popleft()
            if isinstance(command, Request):
                self._scheduler.add(Row(command))
                self._is_queue_changed = True
            elif row := self._scheduler.find(command):
                self._finish(row, "cancelled")

    def _step(self) -> None:
        self._make_room()
        self._start_waiting()
        step, drawn = self._compute()
        if step.is_empty:
            return
        num_prompt = sum(span.count for span in step.prefill)
        num_prompt += sum(row.num_computed < row.num_prompt for row in step.decode)
        self._scheduler.advance(step)
        for row in (*step.decode, *(span.row for span in step.prefill)):
            self._runner.cache.publish(row)
        sampled = [*step.decode, *(span.row for span in step.prefill if span.is_last)]
        for row in sampled:
            self._advance(row, drawn[row.slot])
        self.stats = self.stats.stepped(num_prompt=num_prompt, num_output=len(sampled))

    def _make_room(self) -> None:
        """Give each growing answer room for its newest token, the oldest first."""
        cache = self._runner.cache
        for row in self._scheduler.running():
            while row.state is State.RUNNING and not cache.can_append(row):
                self._preempt(self._scheduler.youngest())
            if row.state is State.RUNNING:
                cache.append(row)

    def _start_waiting(self) -> None:
        cache = self._runner.cache
        # A block is left for each answer that grows, lest it soon takes back what is given here.
        while (row := self._scheduler.next_waiting()) and cache.can_allocate(
            row, spare=self._scheduler.num_running
        ):
            is_new = row.num_cached is None
            self._scheduler.start(row)
            cache.allocate(row)
            request = row.request
            self._begin(row)
            self._is_queue_changed = True
            if is_new:
                text = Text(row, decode=self._decode, eos_ids=self._eos_ids)
                self._texts[request.id] = text
                cached_tokens = self.stats.cached_tokens + row.num_computed
                self.stats = replace(self.stats, cached_tokens=cached_tokens)

    def _begin(self, row: Row) -> None:
        """Let the sampler know what the row has drawn."""
        sampling, prompt = row.request.sampling, row.request.tokens
        self._sampler.begin(row.slot, sampling, prompt, row.output, begun=row.begun)

    def _preempt(self, row: Row) -> None:
        """Let a running row wait until there is room for it again; it goes on where it was."""
        self._sampler.end(row.slot)
        self._runner.cache.free(row)
        self._scheduler.preempt(row)
        self._is_queue_changed = True
        self.stats = replace(self.stats, preemptions=self.stats.preemptions + 1)

    def _compute(self) -> tuple[Step, dict[int, Draw | None]]:
        """Plan a step and compute it, smaller when memory is too small: the step, and what each
        slot drew."""
        while not (step := self._scheduler.plan()).is_empty:
            try:
                logits, slots = self._runner.run(step)
                draws = self._sampler.sample(logits[: len(slots)], slots)
                score_prompts(step.prefill, logits[len(slots) :])
                return step, dict(zip(slots, draws, strict=True))
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Out of the handler: the error holds on to everything that the step had computed.
            self._shrink(step)
        return step, {}

    def _shrink(self, step: Step) -> None:
        """Make the next plan smaller than a step that memory was too small for."""
        log.warning("engine.out_of_memory", running=self._scheduler.num_running)
        self.stats = replace(self.stats, out_of_memory=self.stats.out_of_memory + 1)
        victim = self._scheduler.shrink(step)
        if victim is not None and self._scheduler.num_running == 1:
            self._finish(victim, "error", error="memory is too small for this answer")
        elif victim is not None:
            self._preempt(victim)
        for row in self._scheduler.running():  # some may have drawn already
            self._begin(row)
        self._runner.relieve()

    def _advance(self, row: Row, draw: Draw | None) -> None:
        """Give a row the token it drew (None: its logits were no numbers)."""
        is_bad = not row.output and any(math.isnan(one.logprob) for one in row.prompt_scores)
        if draw is None or is_bad:
            self._finish(row, "error", error="the model computed no finite numbers", scrub=True)
            return
        if row.request.sampling.max_tokens == 0:
            self._finish(row, "length")
            return
        text = self._texts[row.request.id]
        if reason := text.draw(draw):
            self._finish(row, reason)
        elif delta := text.grown():
            self._outbox.append((row.request.id, delta))

    def _finish(
        self, row: Row, reason: FinishReason, *, error: str | None = None, scrub: bool = False
    ) -> None:
        """End a row: the only place that gives out a last delta. Frees its place and its room."""
        if row.state is State.FINISHED:
            raise RuntimeError("a request may end only once")
        text = self._texts.pop(row.request.id, None)  # None: it never ran
        if text is not None:
            last = text.last(reason, error)
        else:
            last = Delta("", row.num_prompt, len(row.output), reason, error)
        was_running = row.state is State.RUNNING
        self._scheduler.remove(row)
        if was_running:
            self._sampler.end(row.slot)
            self._runner.cache.free(row, scrub=scrub)
        self._is_queue_changed = True
        self._outbox.append((row.request.id, last))

    def _flush(self) -> None:
        cache = self._runner.cache
        self.stats = replace(
            self.stats,
            running=self._scheduler.num_running,
            waiting=self._scheduler.num_waiting,
            blocks_used=cache.num_used,
            blocks_cached=cache.num_cached,
            blocks_free=cache.num_free,
        )
        if self._is_queue_changed:
            self._is_queue_changed = False
            self.positions = self._scheduler.positions()
        if self._outbox:
            self._publish(self._outbox)
            self._outbox = []
