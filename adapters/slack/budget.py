"""The hard limit on calls: how many of one method may go out, and who goes first.

Owns the waiting before a call. Slack counts by workspace and method, `chat.postMessage` by channel
too: each method has one `Budget`, and each channel of a post a lane of its own in it. Urgent
callers come first, else who waits longest. A 429 pauses the whole method, and afterwards the calls
go one by one, so that a limit which still holds is met by one call and not by a crowd.

`adapters.pacing` decides how often growing answers are shown at all, and whose. It gives its calls
out at the same rates, so one that was paced does not wait here; what does are calls that nobody
paces, and all of them in a 429.
"""

import asyncio
import heapq
from dataclasses import dataclass, field

from adapters.rates import Allowance, Rate
from bot.errors import PlatformUnavailable


@dataclass(slots=True)
class _Lane:
    """Those who wait for one allowance."""

    left: Allowance
    waiters: list[tuple[bool, int, asyncio.Future[None]]] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Budget:
    """The allowance of one method in one workspace."""

    def __init__(self, method: str, rate: Rate) -> None:
        self._method = method
        self._rate = rate
        self._lanes: dict[str, _Lane] = {}
        self._paused_until = 0.0
        self._count = 0

    async def enter(self, lane: str = "", *, urgent: bool = False, until: float) -> None:
        """Wait for the turn of a call, no longer than `until` on the loop's clock.

        Raises PlatformUnavailable, at once when the method is paused for longer than that.
        """
        loop = asyncio.get_running_loop()
        if self._paused_until > until:
            raise PlatformUnavailable(
                f"Slack wants no {self._method} now", self._paused_until - loop.time()
            )
        state = self._lanes.get(lane)
        if state is None:
            state = self._lanes[lane] = _Lane(Allowance(self._rate))
            if self._paused_until > loop.time():
                state.left.empty(self._paused_until)
        turn: asyncio.Future[None] = loop.create_future()
        self._count += 1
        heapq.heappush(state.waiters, (not urgent, self._count, turn))
        self._serve(lane)
        try:
            async with asyncio.timeout_at(until):
                await turn
        except TimeoutError as error:
            raise PlatformUnavailable(
                f"too many calls of {self._method} wait", max(0.0, state.left.next_at - loop.time())
            ) from error

    def is_free(self) -> bool:
        """Whether a call of the whole method could go now."""
        lane = self._lanes.get("")
        now = asyncio.get_running_loop().time()
        if self._paused_until > now:
            return False
        return lane is None or (not lane.waiters and lane.left.calls(now) > 0)

    def pause(self, pause_s: float) -> None:
        """Let no call go for `pause_s` seconds."""
        until = asyncio.get_running_loop().time() + pause_s
        self._paused_until = max(self._paused_until, until)
        for state in self._lanes.values():
            state.left.empty(self._paused_until)

    def _serve(self, lane: str) -> None:
        """Let go who may, and come back for the next one, or to forget an idle lane."""
        state = self._lanes[lane]
        loop = asyncio.get_running_loop()
        if state.timer is not None:
            state.timer.cancel()
        while state.waiters:
            turn = state.waiters[0][2]
            if not turn.done():  # else nobody waits for it any more
                if loop.time() < state.left.next_at:
                    break
                turn.set_result(None)
                state.left.take(loop.time())
            heapq.heappop(state.waiters)
        if not state.waiters and loop.time() >= state.left.full_at:
            del self._lanes[lane]
            return
        again_at = state.left.next_at if state.waiters else state.left.full_at
        state.timer = loop.call_at(again_at, self._serve, lane)
