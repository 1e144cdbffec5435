"""Events on their way to the app: accepted here, sent by a transport, repeated until acknowledged.

Promises: an event keeps its event id over all repetitions; the events of one channel start their
way in order; at most `limit` are on their way, a further one is dropped with a warning. What
happened to each is kept in `Deliveries.log`. Every event goes out through `_send`.
"""

import asyncio
import logging
import secrets
from collections import deque
from dataclasses import dataclass
from typing import Literal, Protocol

from adapters.sandbox.slack.messages import Json

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


class Transport(Protocol):
    """Socket Mode or signed HTTP."""

    name: Literal["socket", "http"]

    async def send(self, attempt: Attempt) -> Outcome:
        """Send once and wait for the acknowledgement. Does not raise for what the app does."""


class Deliveries:
    """Sends events through `transport`, which may be changed at any time."""

    def __init__(self, transport: Transport, *, delays: tuple[float, ...], limit: int) -> None:
        self.transport = transport
        self.log: deque[LoggedDelivery] = deque(maxlen=MAX_LOGGED_DELIVERIES)
        self._delays = delays
        self._limit = limit
        self._tasks: set[asyncio.Task[None]] = set()
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
            _log.warning("slack sandbox: %d events are waiting; one is dropped", self._limit)
            return
        task = asyncio.get_running_loop().create_task(self._deliver(event_id, body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up everything that is on its way."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _deliver(self, event_id: str, body: Json) -> None:
        outcome = await self._send(Attempt(event_id, body, 0, None))
        for number, delay in enumerate(self._delays, start=1):
            if outcome.failure is None or not outcome.repeat:
                return
            await asyncio.sleep(delay)
            outcome = await self._send(Attempt(event_id, body, number, outcome.failure))

    async def _send(self, attempt: Attempt) -> Outcome:
        transport = self.transport
        outcome = await transport.send(attempt)
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
