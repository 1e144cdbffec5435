"""Events on their way to the app: accepted here, sent by a transport, repeated until acknowledged.

Promises: an event keeps its event id over all repetitions; the events of one channel start their
way in order, but for those that a fault holds or delays; at most `limit` are on their way, and a
further one is dropped, with a warning for the first of a row. What happened to each is kept in
`Deliveries.log`. Every event goes out through `_send`.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from adapters.sandbox.faults import Fault, Faults
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.passing import event_passing

MAX_LOGGED_DELIVERIES = 2_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sending of an event: `number` is 0 at first, `reason` why the one before failed."""

    event_id: str
    body: Json
    number: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an attempt.

    `failure` is None when the app acknowledged, else Slack's word for what went wrong; `repeat`
    tells whether the app would have it again.
    """

    failure: str | None = None
    repeat: bool = True


@dataclass(frozen=True, slots=True)
class LoggedDelivery:
    """An attempt that came to its end."""

    event_id: str
    event_type: str
    number: int
    transport: Literal["socket", "http"]
    outcome: Outcome


AskKind = Literal["interactive", "slash_commands"]
"""What a person did that the app must answer itself; Socket Mode's own names."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the app acknowledged a person's act with: `payload` is what it sent along, if anything.

    `failure` is None when it acknowledged in time, else Slack's word for what went wrong.
    """

    payload: Json | None = None
    failure: str | None = None


class Transport(Protocol):
    """Socket Mode or signed HTTP."""

    name: Literal["socket", "http"]
    no_ack: str
    """Slack's word for an acknowledgement that did not come in time."""

    async def send(self, attempt: Attempt) -> Outcome:
        """Send once and wait for the acknowledgement. Does not raise for what the app does."""

    async def ask(self, kind: AskKind, payload: Json) -> Answer:
        """Send a person's act, once and for all: Slack never repeats those.

        Does not raise for what the app does.
        """


class Deliveries:
    """Sends events through `transport`, which may be changed at any time.

    An event that is not acknowledged is repeated after each of `delays`; where a fault drops an
    acknowledgement, that is noticed after `ack_timeout`. Both are seconds.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        delays: tuple[float, ...],
        ack_timeout: float,
        limit: int,
        faults: Faults,
    ) -> None:
        self.transport = transport
        self.log: deque[LoggedDelivery] = deque(maxlen=MAX_LOGGED_DELIVERIES)
        self._delays = delays
        self._ack_timeout = ack_timeout
        self._limit = limit
        self._faults = faults
        self._num_submitted = 0
        self._held: dict[int, asyncio.Future[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_full = False
        self._closed = False

    @property
    def pending(self) -> int:
        """Events that are neither acknowledged nor given up."""
        return len(self._tasks)

    def submit(self, event_id: str, body: Json) -> None:
        """Start an event on its way. Needs a running loop; does nothing once closed."""
        if self._closed:
            return
        if len(self._tasks) >= self._limit:
            if not self._is_full:
                _log.warning("slack sandbox: %d events are waiting; more are dropped", self._limit)
            self._is_full = True
            return
        self._is_full = False
        hits = self._faults.strike("event", event_passing(body))
        self._num_submitted += 1
        delivery = self._deliver(event_id, body, self._num_submitted, hits)
        task = asyncio.get_running_loop().create_task(delivery)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up everything that is on its way."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(
        self, event_id: str, body: Json, order: int, hits: Mapping[str, Fault]
    ) -> None:
        if (late := hits.get("delay_event")) is not None:
            await asyncio.sleep(late.seconds or 0.0)
        if (held := hits.get("reorder")) is not None:
            await self._hold(order, held.seconds or 0.0)
        number = 0
        outcome = await self._send(Attempt(event_id, body, number, None))
        self._release(before=order)
        for delay in self._delays:
            if outcome.failure is None or not outcome.repeat:
                break
            await asyncio.sleep(delay)
            number += 1
            outcome = await self._send(Attempt(event_id, body, number, outcome.failure))
        if "redeliver" in hits and outcome.failure is None:
            again = Attempt(event_id, body, number + 1, self.transport.no_ack)
            await self._send(again)

    async def _hold(self, order: int, patience_s: float) -> None:
        """Wait until an event that was submitted later has been sent."""
        self._held[order] = asyncio.get_running_loop().create_future()
        try:
            await asyncio.wait({self._held[order]}, timeout=patience_s)
        finally:
            del self._held[order]

    def _release(self, *, before: int) -> None:
        for order, future in self._held.items():
            if order < before and not future.done():
                future.set_result(None)

    async def _send(self, attempt: Attempt) -> Outcome:
        transport = self.transport
        loop = asyncio.get_running_loop()
        given_up_at = loop.time() + self._ack_timeout
        outcome = await transport.send(attempt)
        acknowledged = outcome.failure is None
        if acknowledged and self._faults.strike("ack", event_passing(attempt.body)):
            await asyncio.sleep(max(0.0, given_up_at - loop.time()))
            outcome = Outcome(transport.no_ack)
        self.log.append(
            LoggedDelivery(
                event_id=attempt.event_id,
                event_type=attempt.body["event"]["type"],
                number=attempt.number,
                transport=transport.name,
                outcome=outcome,
            )
        )
        return outcome


def new_event_id() -> str:
    """An id as Slack gives events."""
    return "Ev" + secrets.token_hex(5).upper()
