"""What one run of the bench is to measure, and what it found."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.bench.rows import CANDOR, TRANSFORMERS, Rows
from bot.bench.targets import Target
from bot.bench.workload import FULL, Size
from bot.errors import ConfigError

PARTS = ("chats", "turns", "adapters", "roofline")

OWN_PARTS = frozenset({"adapters", "roofline"})
"""They need to know the served model: of a server that we did not start, only if asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """`parts` None takes all that can be measured. `against` holds names and URLs.

    `config` is the settings file, for the server that is started when `url` is None.
    """

    parts: frozenset[str] | None = None
    chats: tuple[int, ...] = (1, 8, 32)
    size: Size = FULL
    seed: int = 0
    has_peer: bool = True
    url: str | None = None
    api_key: str | None = None
    against: tuple[tuple[str, str], ...] = ()
    random_weights: Path | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        unknown = (self.parts or frozenset()) - set(PARTS)
        if unknown:
            raise ConfigError(f"there is no part {min(unknown)!r}; parts: {', '.join(PARTS)}")
        if not self.chats or min(self.chats) < 1 or len(set(self.chats)) < len(self.chats):
            raise ConfigError("chats should be different numbers from 1 on, such as 1,8,32")
        names = [CANDOR, TRANSFORMERS, *(name for name, _ in self.against)]
        if len(set(names)) < len(names):
            raise ConfigError(f"servers to compare need names of their own, not {names[:2]}")
        if self.url is not None and self.random_weights is not None:
            raise ConfigError("random weights need a server that is started here, not a URL")

    @property
    def measured(self) -> frozenset[str]:
        """The parts of this run."""
        if self.parts is not None:
            return self.parts
        return frozenset(PARTS) - (OWN_PARTS if self.url else frozenset())

    @property
    def most_chats(self) -> int:
        return max(self.chats)


@dataclass(frozen=True, slots=True)
class Report:
    """All that one run found."""

    rows: Rows
    targets: list[Target]
    machine: dict[str, Any] = field(default_factory=dict)

    @property
    def holds(self) -> bool:
        """Whether every target was reached."""
        return all(target.holds for target in self.targets)

    def as_json(self) -> dict[str, Any]:
        return {
            "rows": self.rows.as_json(),
            "targets": [target.as_json() for target in self.targets],
            "machine": self.machine,
        }
