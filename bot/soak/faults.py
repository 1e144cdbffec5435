"""Faults in waves: what goes wrong, when, and how often. The plan is pure, by the seed alone.

All kinds that the sandbox knows come in turn, but for those that a bot is right to end by. Every
fault strikes a bounded number of times, and a wave takes back what is left of the one before.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bot.domain import Platform
from bot.soak.sandbox import Refused, Sandbox

LEFT_OUT: Final = {"revoke_token": "a bot ends when its token is refused, by design"}
"""Kinds that are not armed, with the reason."""

_EVERY_S: Final = (5.0, 12.0)
"""From wave to wave."""
_AT_ONCE: Final = (2, 4)
"""Faults of a wave."""
_TIMES: Final = (1, 3)
_LONGEST_S: Final = {"rate_limit": 3.0, "reorder": 4.0, "delay_event": 4.0, "delay_answer": 3.0}
_RARE: Final = frozenset({"delete_message", "silence_socket"})
"""Each strikes once: the first spoils an answer on purpose, the second costs a client a minute."""
_CHANNELS: Final = ("general", "random", "dm")
_CODES: Final = {"discord": (4000, 1001, 4009), "slack": (1001, 1011)}


@dataclass(frozen=True, slots=True)
class Wave:
    """What is armed `at_s` seconds from the start: bodies for the control API."""

    at_s: float
    faults: tuple[Mapping[str, Any], ...]


def waves(
    kinds: Sequence[Mapping[str, Any]], *, platform: Platform, seed: int, seconds: float
) -> tuple[Wave, ...]:
    """The waves of one platform in so many seconds."""
    draw = random.Random(f"{seed} faults {platform}")  # noqa: S311 - repeatable on purpose
    usable = [kind for kind in kinds if kind["name"] not in LEFT_OUT]
    queue: list[Mapping[str, Any]] = []
    found: list[Wave] = []
    at = draw.uniform(0, _EVERY_S[0])
    while at < seconds and usable:
        faults = []
        for _ in range(draw.randint(*_AT_ONCE)):
            if not queue:
                queue = draw.sample(usable, len(usable))
            faults.append(_fault(queue.pop(), platform, draw))
        found.append(Wave(at, tuple(faults)))
        at += draw.uniform(*_EVERY_S)
    return tuple(found)


class Storm:
    """Arms the waves on one platform."""

    def __init__(self, sandbox: Sandbox, platform: Platform) -> None:
        self._sandbox = sandbox
        self._platform = platform
        self.num_armed = 0

    async def run(self, planned: Sequence[Wave], start: float) -> None:
        """Arm wave after wave, then take back what is left. `start` is in monotonic seconds."""
        try:
            for wave in planned:
                await asyncio.sleep(max(0.0, start + wave.at_s - time.monotonic()))
                await self._sandbox.clear_faults(self._platform)
                for fault in wave.faults:
                    await self._arm(fault)
        finally:
            await self._sandbox.clear_faults(self._platform)

    async def _arm(self, fault: Mapping[str, Any]) -> None:
        try:
            await self._sandbox.arm(self._platform, fault)
        except Refused:  # an act at once, with no bot connected or no message there
            return
        self.num_armed += 1


def _fault(kind: Mapping[str, Any], platform: Platform, draw: random.Random) -> dict[str, Any]:
    name = str(kind["name"])
    fault: dict[str, Any] = {
        "kind": name,
        "times": 1 if name in _RARE else draw.randint(*_TIMES),
        "seed": draw.randrange(1 << 32),
    }
    if name == "delete_message":
        fault["channel"] = draw.choice(_CHANNELS)  # so that the audit knows where one may lack
    # What happens in the middle of a call or an event is worth more than what happens at once.
    if kind["on"] and draw.random() < (0.7 if kind["at_once"] else 0.5):
        fault["on"] = draw.choice(list(kind["on"]))
    elif kind["at_once"]:
        fault["times"] = 1
    if kind["variants"]:
        fault["variant"] = draw.choice(list(kind["variants"]))
    if kind["seconds"] is not None:
        fault["seconds"] = round(draw.uniform(0.2, _LONGEST_S.get(name, 2.0)), 2)
    if kind["code"] is not None:
        fault["code"] = draw.choice(_CODES[platform])
    return fault
