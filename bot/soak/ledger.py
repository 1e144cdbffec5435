"""The ledger of a soak: all that was counted and found, and whether it holds. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bot.bench.targets import Target
from bot.soak.findings import BREACHES, Findings
from bot.soak.memory import GROWTH, Memory
from bot.soak.plan import Plan


@dataclass(frozen=True, slots=True)
class Ledger:
    """What one soak did and found. `notes` say what it left out, `faults` how often each kind of
    fault struck on each platform, `exits` how the bot ended when nobody killed it, `folder` where
    the logs are, if they were kept."""

    plan: Plan
    findings: Findings
    people: Mapping[str, int]
    faults: Mapping[str, Mapping[str, int]]
    num_kills: int
    exits: tuple[str, ...]
    memory: Memory
    seconds: float
    notes: tuple[str, ...] = ()
    folder: str | None = None

    @property
    def targets(self) -> list[Target]:
        """What must hold. Memory is judged only where the run was long enough to tell."""
        found = [Target(kind, self.findings.num(kind), 0, is_most=True) for kind in BREACHES]
        found.append(Target("exits", len(self.exits), 0, is_most=True))
        found.append(Target("kills", self.num_kills, self.plan.kills))
        if self.memory.growth is not None:
            found.append(Target("memory", round(self.memory.growth, 3), GROWTH, is_most=True))
        return found

    @property
    def holds(self) -> bool:
        """Whether every target was reached."""
        return all(target.holds for target in self.targets)

    def as_json(self) -> dict[str, Any]:
        memory = {**asdict(self.memory), "aged_growth": self.memory.aged_growth}
        return {
            "plan": asdict(self.plan),
            "seconds": round(self.seconds, 1),
            "counts": {**self.findings.counts, **self.people, "kills": self.num_kills},
            "faults": {platform: dict(kinds) for platform, kinds in self.faults.items()},
            "memory": memory,
            "exits": list(self.exits),
            "notes": list(self.notes),
            "folder": self.folder,
            "breaches": [asdict(breach) for breach in self.findings.breaches],
            "targets": [target.as_json() for target in self.targets],
        }
