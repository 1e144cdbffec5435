"""Whose turn it is: round-robin between people, by the tokens that they were given.

The next row is that of the person who has had the fewest tokens; of two with as many, of the one
whose last start is longer ago. Who comes anew has had as many as the least of those who are here,
so nobody saves up turns, and nobody's twenty requests delay another's first by more than one. The
person "" is nobody in particular: all such requests take turns as one person's, without a limit
of their own.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from bot.engine.request import Row


@dataclass(slots=True, eq=False)
class _Person:
    name: str
    num_served: int
    last_start: int = 0
    num_running: int = 0
    waiting: OrderedDict[str, Row] = field(default_factory=OrderedDict)

    @property
    def turn(self) -> tuple[int, int]:
        return self.num_served, self.last_start


class People:
    """Everybody who has a row, each with at most `max_running` that run."""

    def __init__(self, *, max_running: int) -> None:
        self._max_running = max_running
        self._people: dict[str, _Person] = {}
        self._starts = count(1)
        self.num_waiting = 0

    def wait(self, row: Row, *, first: bool = False) -> None:
        """Queue a row, behind or (`first`) before all others of its person."""
        person = self._person(row)
        person.waiting[row.request.id] = row
        person.waiting.move_to_end(row.request.id, last=not first)
        self.num_waiting += 1

    def next_waiting(self) -> Row | None:
        """The row to start next; None if nobody waits or all who do run as many as they may."""
        able = [p for p in self._people.values() if p.waiting and self._may_run(p)]
        if not able:
            return None
        return next(iter(min(able, key=lambda p: p.turn).waiting.values()))

    def start(self, row: Row) -> None:
        """A waiting row runs from now on."""
        person = self._people[row.request.person]
        del person.waiting[row.request.id]
        person.num_running += 1
        person.last_start = next(self._starts)
        self.num_waiting -= 1

    def leave(self, row: Row, *, was_running: bool) -> None:
        """A row runs or waits no longer."""
        person = self._people[row.request.person]
        if was_running:
            person.num_running -= 1
        else:
            del person.waiting[row.request.id]
            self.num_waiting -= 1
        if not person.num_running and not person.waiting:
            del self._people[person.name]

    def serve(self, row: Row, num_tokens: int) -> None:
        """Count tokens that a running row was given."""
        self._people[row.request.person].num_served += num_tokens

    def turn(self, row: Row) -> tuple[int, int]:
        """What running rows are sorted by to find whose turn it is."""
        return self._people[row.request.person].turn

    def find(self, request_id: str) -> Row | None:
        """The waiting row of that id."""
        queues = (person.waiting for person in self._people.values())
        return next((queue[request_id] for queue in queues if request_id in queue), None)

    def in_order(self) -> Iterator[Row]:
        """The waiting rows in the order in which they would start if all had as many tokens."""
        queues = [
            iter(person.waiting.values())
            for person in sorted(self._people.values(), key=lambda p: p.turn)
        ]
        while queues:
            for queue in tuple(queues):
                row = next(queue, None)
                if row is None:
                    queues.remove(queue)
                else:
                    yield row

    def _may_run(self, person: _Person) -> bool:
        return not person.name or person.num_running < self._max_running

    def _person(self, row: Row) -> _Person:
        name = row.request.person
        person = self._people.get(name)
        if person is None:
            least = min((p.num_served for p in self._people.values()), default=0)
            person = self._people[name] = _Person(name, least)
        return person
