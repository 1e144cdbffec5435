"""What the engine must reach, as ratios inside one run. Pure.

A target that this run set out to measure and could not has no value, and does not hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bot.bench.rows import TRANSFORMERS, Rows
from bot.bench.timing import median

_VS_TRANSFORMERS = {"cpu": {8: 1.5, 32: 3.0}, "cuda": {64: 1.5}}
_VS_LLAMA_CPP = {1: 0.5}
_VS_OTHERS = {32: 1.0}
_OF_BANDWIDTH = {"cuda": {1: 0.7, 64: 0.7}}
_TURN20_VS_TURN2 = 1.3
_TWO_ADAPTERS_VS_BASE = 0.75


@dataclass(frozen=True, slots=True)
class Target:
    """One ratio and its bound: a least one, or with `is_most` a greatest."""

    name: str
    value: float | None
    bound: float
    is_most: bool = False

    @property
    def holds(self) -> bool:
        if self.value is None:
            return False
        return self.value <= self.bound if self.is_most else self.value >= self.bound

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "value": self.value, "bound": self.bound, "holds": self.holds}


@dataclass(frozen=True, slots=True)
class Aim:
    """What a run set out to measure: on which device, which parts, against whom."""

    engine: str
    device: str
    parts: frozenset[str]
    chats: tuple[int, ...]
    against: tuple[str, ...]
    turns: int


def targets(aim: Aim, rows: Rows) -> list[Target]:
    """The targets of this run."""
    found: list[Target] = []
    if "chats" in aim.parts:
        for other in aim.against:
            for chats, bound in _bounds(aim.device, other).items():
                if chats in aim.chats:
                    name = f"{aim.device}_{chats}_vs_{other}"
                    found.append(Target(name, _speed(rows, aim.engine, other, chats), bound))
    if "turns" in aim.parts and aim.turns >= 20:
        value = _turns(rows, aim.engine)
        found.append(Target("turn20_vs_turn2_ttft", value, _TURN20_VS_TURN2, is_most=True))
    if "adapters" in aim.parts:
        found.append(Target("two_adapters_vs_base", _adapters(rows), _TWO_ADAPTERS_VS_BASE))
    if "roofline" in aim.parts:
        for chats, bound in _OF_BANDWIDTH.get(aim.device, {}).items():
            if chats in aim.chats:
                row = rows.roofline(chats)
                value = row.reached_of_bandwidth if row else None
                found.append(Target(f"{aim.device}_{chats}_vs_bandwidth", value, bound))
    return found


def _bounds(device: str, other: str) -> dict[int, float]:
    if other == TRANSFORMERS:
        return _VS_TRANSFORMERS.get(device, {})
    return _VS_LLAMA_CPP if "llama" in other else _VS_OTHERS


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of passes that were measured one after the other."""
    return median([our / their for our, their in zip(ours, theirs, strict=True)])


def _speed(rows: Rows, engine: str, other: str, chats: int) -> float | None:
    ours, theirs = rows.chats(engine, chats), rows.chats(other, chats)
    if ours is None or theirs is None:
        return None
    return ratio(ours.output_tok_s_rounds, theirs.output_tok_s_rounds)


def _turns(rows: Rows, engine: str) -> float | None:
    early, late = rows.turn(engine, 2), rows.turn(engine, 20)
    return late.ttft_s / early.ttft_s if early and late else None


def _adapters(rows: Rows) -> float | None:
    base, mixed = rows.adapters(1), rows.adapters(2)
    if base is None or mixed is None:
        return None
    return ratio(mixed.output_tok_s_rounds, base.output_tok_s_rounds)
