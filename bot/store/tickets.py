"""Tickets: the token by which a message can be answered that the bot has no other way to.

Discord gives one with each interaction, for a quarter of an hour. A ticket is kept under the
question that it answers, so that another process can go on with the answer; the latest one counts.
What a person asks about is kept likewise while they still write their question.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

from bot.domain import MessageRef, Quote
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.turns import Turns

REMEMBERED: Final = 1000
"""Tickets that this process has at hand without asking the store."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A token, the application that it belongs to, and the time at which it ends."""

    application: int
    token: str
    ends_at: float

    def __repr__(self) -> str:
        return f"Ticket(ends_at={self.ends_at})"


class Tickets:
    """The tickets in Redis. `clock` gives seconds of Unix time."""

    def __init__(
        self, client: Client, turns: Turns, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._turns = turns
        self._clock = clock
        self._at_hand: OrderedDict[str, Ticket] = OrderedDict()

    async def keep(self, question: MessageRef, ticket: Ticket) -> None:
        """The question can be answered by this ticket; it holds here though the store is away.

        Raises StoreUnavailable.
        """
        self._remember(question, ticket)
        with converted():
            await self._client.set(
                keys.ticket(question.key),
                json.dumps(asdict(ticket)),
                ex=self._left_s(ticket.ends_at),
            )

    async def renew(self, turn: str, ticket: Ticket) -> None:
        """The question of a turn can be answered by this ticket. Raises StoreUnavailable."""
        found = await self._turns.get(turn)
        if found is not None:
            await self.keep(found.question, ticket)

    async def of(self, question: MessageRef) -> Ticket | None:
        """The ticket of a question, if there is one that still works. Raises StoreUnavailable."""
        ticket = self._at_hand.get(question.key)
        if ticket is None or ticket.ends_at <= self._clock():  # another process may have a new one
            with converted():
                kept = await self._client.get(keys.ticket(question.key))
            if kept is None:
                return None
            ticket = Ticket(**json.loads(kept))
            self._remember(question, ticket)
        return ticket if ticket.ends_at > self._clock() else None

    async def set_about(self, form: str, about: Quote, ends_at: float) -> None:
        """What the question in a form is about. Raises StoreUnavailable."""
        with converted():
            await self._client.set(
                keys.asked_about(form), json.dumps(asdict(about)), ex=self._left_s(ends_at)
            )

    async def about(self, form: str) -> Quote | None:
        """What the question in a form is about; None when that is forgotten. Raises
        StoreUnavailable."""
        with converted():
            kept = await self._client.get(keys.asked_about(form))
        return None if kept is None else Quote(**json.loads(kept))

    def _remember(self, question: MessageRef, ticket: Ticket) -> None:
        self._at_hand[question.key] = ticket
        self._at_hand.move_to_end(question.key)
        while len(self._at_hand) > REMEMBERED:
            self._at_hand.popitem(last=False)

    def _left_s(self, ends_at: float) -> int:
        return max(1, int(ends_at - self._clock()))
