"""Trigger ids: the permission to open one modal, soon after a person did something."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from adapters.sandbox.slack.errors import SlackError

KEPT = 500
"""Trigger ids that are known after they were used or ran out; older ones are just invalid."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """Whose act it was, and the modal in which they did it, None outside one."""

    user: str
    modal: str | None
    expires_at: float


class Triggers:
    """Issues trigger ids and takes each once, within `lifetime_s` seconds."""

    def __init__(self, lifetime_s: float, clock: Callable[[], float]) -> None:
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._open: OrderedDict[str, Trigger] = OrderedDict()
        self._spent: OrderedDict[str, None] = OrderedDict()

    def issue(self, user: str, modal: str | None = None) -> str:
        """A trigger id for what `user` just did."""
        id_ = f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"
        self._open[id_] = Trigger(user, modal, self._clock() + self._lifetime_s)
        while len(self._open) > KEPT:
            self._open.popitem(last=False)
        return id_

    def spend(self, id_: str) -> Trigger:
        """Take a trigger id; raises SlackError with Slack's code for why it is none (any more)."""
        if id_ in self._spent:
            raise SlackError("exchanged_trigger_id")
        trigger = self._open.get(id_)
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if trigger.expires_at <= self._clock():
            raise SlackError("expired_trigger_id")
        del self._open[id_]
        self._spent[id_] = None
        while len(self._spent) > KEPT:
            self._spent.popitem(last=False)
        return trigger
