"""The lines of the report, one class for each part; what was measured and nothing of how it looks.

Rates are tokens of answers a second, the median of the rounds; `*_rounds` has each round's.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

Json = dict[str, Any]

CANDOR = "candor"
"""The engine's name in rows; another server's when `--url` names one."""

TRANSFORMERS = "transformers"


@dataclass(frozen=True, slots=True)
class Chats:
    """So many concurrent chats. Percentiles are over all answers of all rounds."""

    part: ClassVar[str] = "chats"
    engine: str
    chats: int
    requests: int
    output_tok_s: float
    output_tok_s_rounds: list[float]
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    itl_p50_s: float | None
    itl_p95_s: float | None
    peak_rss_bytes: int | None


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation: the time to the first piece, the median of conversations."""

    part: ClassVar[str] = "turns"
    engine: str
    turn: int
    prompt_tokens: int
    ttft_s: float
    ttft_s_rounds: list[float]


@dataclass(frozen=True, slots=True)
class Adapters:
    """A batch by whose weights answer: `releases` takes turns over its requests."""

    part: ClassVar[str] = "adapters"
    engine: str
    chats: int
    releases: list[str]
    output_tok_s: float
    output_tok_s_rounds: list[float]


@dataclass(frozen=True, slots=True)
class Machine:
    """What the machine can do, and what one token of the model takes of it."""

    part: ClassVar[str] = "machine"
    model: str
    device: str
    dtype: str
    weight_bytes: int
    kv_bytes: int
    weight_flops: int
    kv_flops: int
    copy_bytes_s: float
    matmul_flops_s: dict[str, float]


@dataclass(frozen=True, slots=True)
class Roofline:
    """Decoding alone, and the share that it reaches of what the machine allows."""

    part: ClassVar[str] = "roofline"
    engine: str
    chats: int
    context: int
    decode_tok_s: float
    decode_tok_s_rounds: list[float]
    bound_tok_s: float
    bound_by: str
    reached: float
    reached_of_bandwidth: float


@dataclass(frozen=True, slots=True)
class Failed:
    """What could not be measured, and why."""

    part: str
    engine: str
    error: str
    chats: int | None = None


Row = Chats | Turn | Adapters | Machine | Roofline | Failed


@dataclass(slots=True)
class Rows:
    """All rows so far."""

    all: list[Row] = field(default_factory=list)

    def add(self, row: Row) -> None:
        self.all.append(row)

    def chats(self, engine: str, chats: int) -> Chats | None:
        """The row of that engine at so many chats, if it was measured."""
        for row in self.all:
            if isinstance(row, Chats) and (row.engine, row.chats) == (engine, chats):
                return row
        return None

    def turn(self, engine: str, turn: int) -> Turn | None:
        for row in self.all:
            if isinstance(row, Turn) and (row.engine, row.turn) == (engine, turn):
                return row
        return None

    def adapters(self, num_releases: int) -> Adapters | None:
        for row in self.all:
            if isinstance(row, Adapters) and len(row.releases) == num_releases:
                return row
        return None

    def roofline(self, chats: int) -> Roofline | None:
        for row in self.all:
            if isinstance(row, Roofline) and row.chats == chats:
                return row
        return None

    def as_json(self) -> list[Json]:
        return [{"part": row.part, **asdict(row)} for row in self.all]
