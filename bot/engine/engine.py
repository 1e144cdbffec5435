"""The engine as asyncio sees it: requests in, streams of deltas out.

Admission is decided here, before the thread hears of a request: nothing that cannot run is
queued. A reader that is slow finds what it missed joined into one delta; nobody waits for it.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import structlog

from bot.engine.adapters import Adapters
from bot.engine.loop import Loop, Outbox
from bot.engine.metrics import Metrics, Timing
from bot.engine.request import Delta, FinishReason, Request, Score
from bot.engine.runner import Runner
from bot.engine.sampler import Sampler
from bot.engine.scheduler import Scheduler
from bot.engine.stats import Stats
from bot.engine.weights import LoadedModel
from bot.errors import Busy, ModelUnavailable, RefusedError, TooLong

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

_CLOSE_TIMEOUT_S = 30.0
"""A step on a slow CPU may take seconds; the thread ends between two."""

_SMOOTHING = 0.2
"""Weight of the newest request in the mean duration behind `retry_after_s`."""


@dataclass(slots=True)
class _Inbox:
    """What has come for one request of `person` and was not read yet.

    After each delta that was taken the reader sleeps for `interval_s`, unless the answer ends.
    """

    person: str
    timing: Timing
    interval_s: float
    text: list[str] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)
    newest: Delta = field(default_factory=lambda: Delta("", 0, 0))
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    quiet_until: float = 0.0
    alarm: asyncio.TimerHandle | None = None

    def put(self, delta: Delta) -> None:
        self.timing.grew(delta)
        self.text.append(delta.text)
        self.scores += delta.scores
        self.newest = delta
        if delta.finish is not None:
            self.arrived.set()
        elif self.alarm is None and self.quiet_until < math.inf:
            loop = asyncio.get_running_loop()
            if loop.time() >= self.quiet_until:
                self.arrived.set()
            else:
                self.alarm = loop.call_at(self.quiet_until, self.arrived.set)

    async def take(self) -> Delta:
        """Wait for something, and take all of it as one delta."""
        await self.arrived.wait()
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None
        if self.interval_s:
            self.quiet_until = asyncio.get_running_loop().time() + self.interval_s
        taken = replace(self.newest, text="".join(self.text), scores=tuple(self.scores))
        self.text.clear()
        self.scores.clear()
        self.arrived.clear()
        return taken


class Engine:
    """Serves one model, for the event loop that it is made on.

    At most `max_running` answers grow at once, and `max_waiting` requests wait for a place; of one
    person, at most as many as the limits for one say (None: no less than for all).
    """

    def __init__(
        self,
        loaded: LoadedModel,
        *,
        max_running: int,
        max_waiting: int,
        prefill_chunk: int,
        num_threads: int,
        adapters_dir: Path | None = None,
        max_running_person: int | None = None,
        max_waiting_person: int | None = None,
    ) -> None:
        self.loaded = loaded
        self.adapters = Adapters(loaded, adapters_dir)
        self.context = loaded.context
        self._max_running = max_running
        self._max_pending = max_running + max_waiting
        of_person = min(max_running_person or max_running, max_running)
        waiting_of_person = max_waiting if max_waiting_person is None else max_waiting_person
        self._max_pending_person = min(of_person + waiting_of_person, self._max_pending)
        self._pending_of: Counter[str] = Counter()
        self._inboxes: dict[str, _Inbox] = {}
        self._is_draining = False
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        self._mean_duration_s = 1.0
        self._events = asyncio.get_running_loop()
        self.died = asyncio.Event()
        self.death = ""
        self.metrics = Metrics(lambda: self.stats)
        self._loop = Loop(
            runner=Runner(loaded, num_slots=max_running),
            scheduler=Scheduler(
                max_running=max_running,
                max_running_person=max_running_person,
                prefill_chunk=prefill_chunk,
            ),
            sampler=Sampler(
                num_slots=max_running,
                vocab_size=loaded.vocab_size,
                device=loaded.device,
                eos_ids=loaded.eos_ids,
            ),
            decode=loaded.encoder.decode,
            eos_ids=loaded.eos_ids,
            num_threads=num_threads,
            publish=self._publish,
            on_death=self._on_death,
        )

    def start(self) -> None:
        """Start the thread that runs the model."""
        self._loop.start()

    @property
    def stats(self) -> Stats:
        return self._loop.stats

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs and new requests are taken."""
        return self._loop.is_alive and not self._is_draining

    @property
    def num_pending(self) -> int:
        """Requests whose last delta has not come, those that nobody reads any more included."""
        return len(self._inboxes)

    def position(self, request_id: str) -> int | None:
        """How many waiting requests, this one included, are to start before it runs; None when it
        runs or is over."""
        return self._loop.positions.get(request_id)

    def retry_after_s(self) -> int:
        """When a place in the queue is likely to be free, in whole seconds, 1 to 60."""
        turns = 1 + max(0, len(self._inboxes) - self._max_running) / self._max_running
        return max(1, min(60, round(turns * self._mean_duration_s)))

    async def generate(
        self, request: Request, *, interval_s: float = 0.0
    ) -> AsyncGenerator[Delta, None]:
        """The answer, as it grows; the last delta, and only that, has `finish`.

        Deltas that come within `interval_s` of one that was taken are joined into the next.
        Closing the generator ends the request within one step. Raises before the first delta:
        TooLong, Busy, UnknownRelease, RefusedError for token ids that the model does not have,
        ModelUnavailable while the engine shuts down or after it gave up.
        """
        if request.release:
            adapter = self.adapters.find(request.release)
            request = replace(request, release=adapter.key, adapter=adapter)
        self._check(request)
        self._admit(request)
        inbox = _Inbox(request.person, Timing(self.metrics), interval_s)
        self._inboxes[request.id] = inbox
        self._pending_of[request.person] += 1
        self._is_empty.clear()
        self._loop.submit(request)
        started = time.monotonic()
        delta: Delta | None = None
        try:
            while delta is None or delta.finish is None:
                delta = await inbox.take()
                yield delta
        finally:
            if delta is None or delta.finish is None:
                self._loop.cancel(request.id)
            else:
                passed = time.monotonic() - started
                self._mean_duration_s += _SMOOTHING * (passed - self._mean_duration_s)

    def _check(self, request: Request) -> None:
        if not request.tokens:
            raise RefusedError("the prompt is empty")
        if not 0 <= min(request.tokens) <= max(request.tokens) < self.loaded.vocab_size:
            raise RefusedError(f"token ids must be from 0 to {self.loaded.vocab_size - 1}")
        room = self.context - request.sampling.max_tokens
        if len(request.tokens) > room:
            raise TooLong(
                f"this model's maximum context length is {self.context} tokens; the prompt has "
                f"{len(request.tokens)} and {request.sampling.max_tokens} were asked for"
            )
        if request.id in self._inboxes:
            raise RefusedError("a request with this id is under way")

    def _admit(self, request: Request) -> None:
        if not self.is_alive:
            raise ModelUnavailable("the engine is shutting down")
        if len(self._inboxes) >= self._max_pending:
            raise Busy(f"{len(self._inboxes)} requests are running or waiting")
        if request.person and self._pending_of[request.person] >= self._max_pending_person:
            raise Busy(
                f"{self._pending_of[request.person]} of your requests are running or waiting"
            )

    async def drain(self, timeout_s: float) -> bool:
        """Take no more requests; whether all that were taken ended in time."""
        self._is_draining = True
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_empty.wait()
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """End what is left with "shutdown", and the thread."""
        self._is_draining = True
        if not await asyncio.to_thread(self._loop.close, _CLOSE_TIMEOUT_S):
            log.error("engine.thread_hangs", timeout_s=_CLOSE_TIMEOUT_S)
        # The thread's last deltas were handed to this loop before it ended.
        await asyncio.sleep(0)
        self._end_all("shutdown", None)

    def _publish(self, outbox: Outbox) -> None:
        self._call(self._deliver, outbox)

    def _on_death(self, reason: str) -> None:
        self._call(self._die, reason)

    def _call(self, function: Callable[[_T], None], argument: _T) -> None:
        """From the engine's thread to the event loop."""
        try:
            self._events.call_soon_threadsafe(function, argument)
        except RuntimeError:  # the event loop is closed: nobody is left to hear
            log.warning("engine.nobody_listens")

    def _deliver(self, outbox: Outbox) -> None:
        for request_id, delta in outbox:
            self._inboxes[request_id].put(delta)
            if delta.finish is not None:
                self._forget(request_id)

    def _die(self, reason: str) -> None:
        self._is_draining = True
        self._end_all("error", "the engine stopped")
        self.death = reason
        self.died.set()

    def _end_all(self, finish: FinishReason, error: str | None) -> None:
        """End what the thread can end no more: it may have stopped between two commands."""
        for request_id, inbox in list(self._inboxes.items()):
            inbox.put(Delta("", 0, 0, finish, error))
            self._forget(request_id)

    def _forget(self, request_id: str) -> None:
        person = self._inboxes.pop(request_id).person
        self._pending_of[person] -= 1
        if not self._pending_of[person]:
            del self._pending_of[person]
        if not self._inboxes:
            self._is_empty.set()
