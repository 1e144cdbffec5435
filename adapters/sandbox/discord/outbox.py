"""Events on their way to the gateway: at once, or as a fault would have it.

Without a fault an event is dispatched before `publish` returns, so order is the order of
happening. One that is held or delayed gets its sequence number when it goes.
"""

import asyncio
from collections.abc import Callable

from adapters.sandbox.discord.dispatch import Dispatch
from adapters.sandbox.discord.gateway import Gateway
from adapters.sandbox.faults import Fault, Faults, Passing


class Outbox:
    """Lets events through to `gateway`; `name_of` gives the name of the channel of an id."""

    def __init__(
        self, gateway: Gateway, faults: Faults, name_of: Callable[[int | None], str | None]
    ) -> None:
        self._gateway = gateway
        self._faults = faults
        self._name_of = name_of
        self._held: list[Callable[[], None]] = []
        self._timers: set[asyncio.TimerHandle] = set()

    def publish(self, dispatch: Dispatch) -> None:
        """Send an event to every session that wants it, when its faults let it go.

        Nothing strikes what is sent while no bot is connected.
        """
        hits: dict[str, Fault] = {}
        if self._gateway.connected():
            passing = Passing(dispatch.name, self._name_of(dispatch.channel_id))
            hits = self._faults.strike("event", passing)
        again = "redeliver" in hits
        if (late := hits.get("delay_event")) is not None:
            self._after(late.seconds or 0.0, lambda: self._send(dispatch, again=again))
        elif (held := hits.get("reorder")) is not None:
            self._hold(dispatch, held.seconds or 0.0, again=again)
        else:
            self._send(dispatch, again=again)

    def close(self) -> None:
        """Forget what was held or delayed."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._held.clear()

    def _send(self, dispatch: Dispatch, *, again: bool) -> None:
        self._gateway.publish(dispatch)
        if again:
            self._gateway.replay(dispatch)
        released, self._held = self._held, []
        for release in released:
            release()

    def _hold(self, dispatch: Dispatch, patience_s: float, *, again: bool) -> None:
        gone = False

        def release() -> None:
            nonlocal gone
            if not gone:
                gone = True
                self._gateway.publish(dispatch)
                if again:
                    self._gateway.replay(dispatch)

        self._held.append(release)
        self._after(patience_s, release)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        def run() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, run)
        self._timers.add(timer)
