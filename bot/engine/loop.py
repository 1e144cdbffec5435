"""The one thread that runs the model.

Commands come in by a deque and an event, answers go out as one list of deltas a step. It promises
each request that was submitted exactly one last delta, whatever happens, given out by `_finish`
alone. A step that raises fails the requests that were running; the others go on in fresh memory.
"""

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog
import torch

from bot.engine.detokenizer import Detokenizer, StopMatcher
from bot.engine.logprobs import score
from bot.engine.request import Delta, FinishReason, Request, Row, Score, State
from bot.engine.runner import Runner
from bot.engine.sampler import Draw, Sampler
from bot.engine.scheduler import Scheduler, Step

log = structlog.get_logger(__name__)

MAX_FAILED_STEPS: Final = 5
"""Steps that raise in a row before the loop gives up: by then the device is gone, not a request."""

Outbox = list[tuple[str, Delta]]
"""What a step gives out: request ids and how their answers grew."""


@dataclass(frozen=True, slots=True)
class Stats:
    """The loop's state after its newest step; counts are totals since its start."""

    running: int = 0
    waiting: int = 0
    steps: int = 0
    prompt_tokens: int = 0
    prefix_hit_tokens: int = 0
    output_tokens: int = 0
    failed_steps: int = 0
    last_error: str | None = None


@dataclass(slots=True)
class _Text:
    """The text side of a running row; `scores` wait for the delta that shows their text."""

    detokenizer: Detokenizer
    stops: StopMatcher
    scores: list[Score] = field(default_factory=list)

    def take_scores(self) -> tuple[Score, ...]:
        taken, self.scores = tuple(self.scores), []
        return taken


class Loop:
    """Runs steps on its own thread for as long as anybody waits for an answer.

    `publish` is called on that thread with each step's deltas, `on_death` once if it gives up.
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
        self._decode, self._eos_ids, self._num_threads = decode, eos_ids, num_threads
        self._publish, self._on_death = publish, on_death
        self._commands: deque[Request | str] = deque()
        self._wake = threading.Event()
        self._is_closing = False
        self._texts: dict[str, _Text] = {}
        self._outbox: Outbox = []
        self._num_failed_in_row = 0
        self.stats = Stats()
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
        self._is_closing = True
        self._wake.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    # On the engine's thread from here on.

    def _run(self) -> None:
        torch.set_num_threads(self._num_threads)
        try:
            with torch.inference_mode():
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
        while not self._is_closing:
            self._wake.clear()
            self._take_commands()
            if self._scheduler.is_idle:
                self._flush()
                self._wake.wait()
                continue
            if not self._try_step():
                return False
            self._flush()
        return True

    def _finish_all(self, reason: FinishReason) -> None:
        for row in self._scheduler.rows():
            self._finish(row, reason, error="the engine stopped" if reason == "error" else None)
        self._flush()

    def _try_step(self) -> bool:
        """Run a step; False when steps have failed too often for another."""
        try:
            self._step()
            self._num_failed_in_row = 0
        except Exception as error:  # the border: any error of the model lands here
            log.exception("engine.step_failed", running=self._scheduler.num_running)
            self._num_failed_in_row += 1
            self.stats = replace(
                self.stats,
                failed_steps=self.stats.failed_steps + 1,
                last_error=type(error).__name__,
            )
            for row in self._scheduler.running():
                self._finish(row, "error", error="the step that computed this answer failed")
            self._runner.reset()
        return self._num_failed_in_row < MAX_FAILED_STEPS

    def _take_commands(self) -> None:
        while self._commands:
            command = self._commands.popleft()
            if isinstance(command, Request):
                self._scheduler.add(Row(command))
            elif row := self._scheduler.find(command):
                self._finish(row, "cancelled")

    def _step(self) -> None:
        self._start_waiting()
        step = self._scheduler.plan()
        logits, slots = self._runner.run(step)
        draws = self._sampler.sample(logits[: len(slots)], slots)
        drawn = dict(zip(slots, draws, strict=True))
        self._score_prompts(step, logits[len(slots) :])
        for row in step.decode:
            row.num_computed += 1
        for span in step.prefill:
            span.row.num_computed += span.count
        sampled = [*step.decode, *(span.row for span in step.prefill if not span.row.is_prefill)]
        for row in sampled:
            self._advance(row, drawn[row.slot])
        self.stats = replace(
            self.stats,
            steps=self.stats.steps + 1,
            prompt_tokens=self.stats.prompt_tokens + sum(span.count for span in step.prefill),
            output_tokens=self.stats.output_tokens + len(sampled),
        )

    def _score_prompts(self, step: Step, logits: torch.Tensor) -> None:
        """Keep how probable the step's prompt tokens were, where that was asked for."""
        for span in step.prefill:
            if not (positions := span.scored):
                continue
            request = span.row.request
            following = request.tokens[positions.start + 1 : positions.stop + 1]
            span.row.prompt_scores += score(
                logits[: len(positions)],
                torch.tensor(following, device=logits.device),
                request.sampling.prompt_logprobs or 0,
            )
            logits = logits[len(positions) :]

    def _start_waiting(self) -> None:
        cache = self._runner.cache
        while (row := self._scheduler.next_waiting()) and cache.can_allocate():
            self._scheduler.start(row, cache.allocate())
            request = row.request
            self._sampler.begin(row.slot, request.sampling, request.tokens)
            self._texts[request.id] = _Text(
                Detokenizer(self._decode), StopMatcher(request.sampling.stop)
            )

    def _advance(self, row: Row, draw: Draw | None) -> None:
        """Give a row the token it drew (None: its logits were no numbers)."""
        sampling = row.request.sampling
        is_bad = not row.output and any(math.isnan(one.logprob) for one in row.prompt_scores)
        if draw is None or is_bad:
            self._finish(row, "error", error="the model computed no finite numbers", scrub=True)
            return
        if sampling.max_tokens == 0:
            self._finish(row, "length")
            return
        row.output.append(draw.token)
        if draw.token in self._eos_ids and not sampling.ignore_eos:
            self._finish(row, "stop")
            return
        text = self._texts[row.request.id]
        if draw.score is not None:
            text.scores.append(draw.score)
        delta = text.detokenizer.push(draw.token)
        is_stopped = False
        if len(row.output) > sampling.min_tokens:
            delta, is_stopped = text.stops.push(delta)
        if is_stopped:
            self._finish(row, "stop", text=delta, is_flushed=True)
        elif len(row.output) >= sampling.max_tokens:
            self._finish(row, "length", text=delta)
        elif delta:
            grown = Delta(delta, row.num_prompt, len(row.output), scores=text.take_scores())
            self._outbox.append((row.request.id, grown))

    def _finish(
        self,
        row: Row,
        reason: FinishReason,
        *,
        text: str = "",
        is_flushed: bool = False,
        error: str | None = None,
        scrub: bool = False,
    ) -> None:
        """End a row: the only place that gives out a last delta. Frees its place and its room."""
        if row.state is State.FINISHED:
            raise RuntimeError("a request may end only once")
        texts = self._texts.pop(row.request.id, None)
        if texts is not None and not is_flushed:
            # Text that was held back may yet complete a stop string.
            rest, is_stopped = texts.stops.push(texts.detokenizer.flush())
            text += rest if is_stopped else rest + texts.stops.flush()
            reason = "stop" if is_stopped and reason == "length" else reason
        was_running = row.state is State.RUNNING
        self._scheduler.remove(row)
        if was_running:
            self._sampler.end(row.slot)
            self._runner.cache.free(row.slot, scrub=scrub)
        last = Delta(
            text,
            row.num_prompt,
            len(row.output),
            finish=reason,
            error=error,
            scores=texts.take_scores() if texts is not None else (),
            prompt_scores=tuple(row.prompt_scores),
        )
        self._outbox.append((row.request.id, last))

    def _flush(self) -> None:
        self.stats = replace(
            self.stats,
            running=self._scheduler.num_running,
            waiting=self._scheduler.num_waiting,
        )
        if self._outbox:
            self._publish(self._outbox)
            self._outbox = []
