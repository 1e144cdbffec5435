"""Faults on demand: what is armed, what it hits, how often it is left, and what has fired.

A world asks `Faults.strike` at each of its seams, with what is passing there, and does what it is
told. What is hit depends on what passes, in which order, and on the seeds alone; and a channel's
draws do not depend on what other channels do meanwhile. Nothing is done here but to call `perform`
for acts.
"""

import logging
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from adapters.sandbox.errors import ControlError

MAX_ARMED = 100
MAX_FIRED = 10_000
"""Entries that the ledger keeps; the oldest give way, and `num_fired` counts on."""

Site = Literal["event", "ack", "call", "answer", "handshake"]
"""Where a fault can strike: an event before it is sent, the acknowledgement of one, a call of the
API before the work, its answer after work that went well, the identification of a socket."""

_NAMED_BY: Mapping[Site, Literal["event", "call", "handshake"]] = {
    "event": "event",
    "ack": "event",
    "call": "call",
    "answer": "call",
    "handshake": "handshake",
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One way to go wrong on one platform.

    `names` are the only things that it strikes, where it does not strike all of its sites.
    `variants` begin with the default; `seconds` and `code` are the defaults of those options, None
    for a kind that has no such option. An act happens to the world instead of to what is passing,
    so it may also happen at once. Of those that `refuse` only one can strike a call.
    """

    about: str
    sites: frozenset[Site]
    names: tuple[str, ...] = ()
    variants: tuple[str, ...] = ()
    seconds: float | None = None
    code: int | None = None
    is_act: bool = False
    refuses: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is to go wrong, where, and how often.

    `on` is an event type, method or route, and `channel` the name of a channel; None is any. The
    first `skip` that match are let through, each further one is hit with `probability`, until
    `times` of them were hit (None: without end).
    """

    kind: str
    on: str | None = None
    channel: str | None = None
    variant: str | None = None
    seconds: float | None = None
    code: int | None = None
    times: int | None = 1
    skip: int = 0
    probability: float = 1.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Passing:
    """What passes a site: an event type, method or route, and the name of its channel."""

    name: str
    channel: str | None = None


@dataclass(frozen=True, slots=True)
class Struck:
    """An entry of the ledger. `site` is "now" for an act at once; `at` is Unix time, seconds."""

    fault: int
    kind: str
    variant: str | None
    site: Site | Literal["now"]
    name: str | None
    channel: str | None
    at: float


@dataclass(slots=True)
class Armed:
    """A fault that waits."""

    id: int
    fault: Fault
    kind: Kind
    num_fired: int = 0
    _num_seen: int = 0
    _draws: dict[Passing, random.Random] = field(default_factory=dict)

    def wants(self, site: Site, passing: Passing) -> bool:
        """Whether it is aimed at what passes there."""
        return (
            site in self.kind.sites
            and self.fault.on in (None, passing.name)
            and self.fault.channel in (None, passing.channel)
            and (not self.kind.names or passing.name in self.kind.names)
        )

    def draws(self, passing: Passing) -> bool:
        """Whether this one is hit. Counts it, so ask once for each that it wants."""
        self._num_seen += 1
        if self._num_seen <= self.fault.skip:
            return False
        if self.fault.probability >= 1:
            return True
        draw = self._draws.get(passing)
        if draw is None:
            key = f"{self.fault.seed} {passing.name} {passing.channel}"
            draw = self._draws[passing] = random.Random(key)  # noqa: S311 - repeatable on purpose
        return draw.random() < self.fault.probability


class Faults:
    """The faults of one world.

    `events` are the event types there are. `perform` does an act in the channel of what was
    passing, and raises ControlError when there is nothing to do it to. `clock` gives seconds of
    Unix time; `changed` is called after every change of what is armed or has fired.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        *,
        events: Collection[str],
        perform: Callable[[Fault, str | None], None],
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.kinds = kinds
        self.fired: deque[Struck] = deque(maxlen=MAX_FIRED)
        self.num_fired = 0
        self._events = tuple(sorted(events))
        self._calls: tuple[str, ...] = ()
        self._perform = perform
        self._clock = clock
        self._changed = changed
        self._armed: dict[int, Armed] = {}
        self._next_id = 1
        self._performing = False

    def know_calls(self, names: Collection[str]) -> None:
        """Name the methods or routes there are, before a fault on one can be armed."""
        self._calls = tuple(sorted(names))

    @property
    def armed(self) -> Sequence[Armed]:
        """What waits, in the order of arming."""
        return tuple(self._armed.values())

    def targets(self, kind: Kind) -> tuple[str, ...]:
        """What a fault of that kind can be aimed at with `on`."""
        if kind.names:
            return kind.names
        known = {"event": self._events, "call": self._calls, "handshake": ()}
        sources = sorted({_NAMED_BY[site] for site in kind.sites}, reverse=True)
        return tuple(name for source in sources for name in known[source])

    def arm(self, fault: Fault) -> int:
        """Arm a fault and return its id; an act without `on` happens now and is not kept.

        Raises ControlError for what the kind does not know, and when an act cannot be done now.
        """
        kind = self.kinds.get(fault.kind)
        if kind is None:
            raise ControlError(f"kind: {fault.kind!r} is unknown; allowed: {', '.join(self.kinds)}")
        self._check(fault, kind)
        fault = replace(
            fault,
            variant=fault.variant or next(iter(kind.variants), None),
            seconds=kind.seconds if fault.seconds is None else fault.seconds,
            code=kind.code if fault.code is None else fault.code,
        )
        fault_id = self._next_id
        if kind.is_act and fault.on is None:
            if fault.times != 1 or fault.skip or fault.probability < 1:
                raise ControlError(
                    f"on: {fault.kind} happens at once without it; "
                    "times, skip and probability need it"
                )
            self._perform(fault, None)
            self._record(fault_id, fault, "now", None)
        elif len(self._armed) >= MAX_ARMED:
            raise ControlError(f"{MAX_ARMED} faults are armed already; clear some")
        else:
            self._armed[fault_id] = Armed(fault_id, fault, kind)
        self._next_id += 1
        self._changed()
        return fault_id

    def _check(self, fault: Fault, kind: Kind) -> None:
        for option, default in (
            ("variant", kind.variants or None),
            ("seconds", kind.seconds),
            ("code", kind.code),
        ):
            if getattr(fault, option) is not None and default is None:
                raise ControlError(f"{option}: {fault.kind} has no such option")
        if fault.variant is not None and fault.variant not in kind.variants:
            known = ", ".join(kind.variants)
            raise ControlError(f"variant: {fault.variant!r} is unknown; allowed: {known}")
        if fault.on is not None and fault.on not in self.targets(kind):
            raise ControlError(f"on: {fault.kind} has no target {fault.on!r}")

    def disarm(self, fault_id: int) -> None:
        """Take one fault back; raises ControlError when it is not armed (any more)."""
        if self._armed.pop(fault_id, None) is None:
            raise ControlError(f"fault {fault_id} is not armed")
        self._changed()

    def clear(self) -> None:
        """Take all faults back. The ledger stays."""
        self._armed.clear()
        self._changed()

    def strike(self, site: Site, passing: Passing) -> dict[str, Fault]:
        """What hits what is passing, by kind; acts were performed by then and are not among it.

        Of two of one kind the one armed first strikes; the other is not used up. What an act leads
        to (the event that tells of a deletion) is not hit.
        """
        hits: dict[str, Fault] = {}
        if self._performing:
            return hits
        refused = False
        for armed in self.armed:
            if armed.fault.kind in hits or (armed.kind.refuses and refused):
                continue
            if not armed.wants(site, passing) or not armed.draws(passing):
                continue
            if armed.kind.is_act:
                if not self._performed(armed.fault, passing):
                    continue
            else:
                hits[armed.fault.kind] = armed.fault
                refused |= armed.kind.refuses
            armed.num_fired += 1
            if armed.fault.times == armed.num_fired:
                del self._armed[armed.id]
            self._record(armed.id, armed.fault, site, passing)
            self._changed()
        return hits

    def _performed(self, fault: Fault, passing: Passing) -> bool:
        self._performing = True
        try:
            self._perform(fault, passing.channel)
        except ControlError as error:
            _log.debug("fault %s found nothing to strike: %s", fault.kind, error)
            return False
        finally:
            self._performing = False
        return True

    def _record(
        self, fault_id: int, fault: Fault, site: Site | Literal["now"], passing: Passing | None
    ) -> None:
        self.num_fired += 1
        self.fired.append(
            Struck(
                fault=fault_id,
                kind=fault.kind,
                variant=fault.variant,
                site=site,
                name=None if passing is None else passing.name,
                channel=fault.channel if passing is None else passing.channel,
                at=self._clock(),
            )
        )


def error_page(status: int, reason: str) -> str:
    """The HTML that a proxy in front of an API answers with."""
    title = f"{status} {reason}"
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
