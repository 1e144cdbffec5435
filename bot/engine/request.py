"""What is asked of the engine, and how far an answer has come.

`Sampling` and `Request` are values that cannot be wrong once built. `Row` is a request on its way
through the scheduler; only the engine's thread touches it. No torch here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from bot.engine.lora import Adapter

FinishReason = Literal["stop", "length", "cancelled", "deadline", "error", "shutdown"]
"""Why an answer ended; each request hears exactly one of them, last."""

MAX_STOPS = 16
MAX_STOP_CHARS = 256
MAX_SEED = 2**63 - 1
MAX_LOGPROBS = 20
MAX_SALT_CHARS = 256

SCORED_CHUNK = 256
"""Most prompt tokens of a step whose log-probabilities are wanted: so many rows of logits exist at
once (77 MB in bfloat16 for a vocabulary of 150,000)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How one answer is drawn. Raises ValueError, with a line for the caller, outside the ranges.

    `temperature` 0 is greedy; `top_k` 0, `top_p` 1 and `min_p` 0 are off; `repetition_penalty` 1
    is off and counts prompt and answer, `frequency_penalty` and `presence_penalty` count the
    answer alone; text from the first stop string on is left out. With `max_tokens` 0 only the
    prompt is computed; with `ignore_eos` an answer goes on after the model's own end. `logprobs`
    and `prompt_logprobs` ask for log-probabilities, each with that many of the most probable
    tokens beside the drawn or given one; None for none at all.
    """

    max_tokens: int
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int | None = None
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    min_p: float = 0.0
    min_tokens: int = 0
    ignore_eos: bool = False
    logprobs: int | None = None
    prompt_logprobs: int | None = None

    def __post_init__(self) -> None:
        if self.max_tokens < 0:
            raise ValueError("max_tokens must not be negative")
        # A NaN passes none of these comparisons. Temperatures near 0 would overflow the division.
        if not (self.temperature == 0 or 1e-3 <= self.temperature <= 10):
            raise ValueError("temperature must be 0, or between 0.001 and 10")
        if not 0 < self.top_p <= 1:
            raise ValueError("top_p must be over 0 and at most 1")
        if self.top_k < 0:
            raise ValueError("top_k must not be negative; 0 turns it off")
        if not (0.1 <= self.repetition_penalty <= 10):
            raise ValueError("repetition_penalty must be between 0.1 and 10")
        if len(self.stop) > MAX_STOPS:
            raise ValueError(f"stop may hold at most {MAX_STOPS} strings")
        if any(not 1 <= len(text) <= MAX_STOP_CHARS for text in self.stop):
            raise ValueError(f"stop strings must have 1 to {MAX_STOP_CHARS} characters")
        if self.seed is not None and not -MAX_SEED <= self.seed <= MAX_SEED:
            raise ValueError("seed must fit 64 bits")
        for name in ("frequency_penalty", "presence_penalty"):
            if not -2 <= getattr(self, name) <= 2:
                raise ValueError(f"{name} must be between -2 and 2")
        if not 0 <= self.min_p <= 1:
            raise ValueError("min_p must be between 0 and 1")
        if not 0 <= self.min_tokens <= self.max_tokens:
            raise ValueError("min_tokens must be between 0 and max_tokens")
        for name in ("logprobs", "prompt_logprobs"):
            if not 0 <= (getattr(self, name) or 0) <= MAX_LOGPROBS:
                raise ValueError(f"{name} must be between 0 and {MAX_LOGPROBS}")


@dataclass(frozen=True, slots=True)
class Request:
    """One answer asked for: an id that no other request has, the prompt's token ids, and how.

    `release` names the adapter to answer with ("": the bare model). The engine puts the adapter
    itself beside it, and its content into the name, before its thread sees the request. `person`
    is who is served in turn with others, "" for nobody known; a prompt's beginning is shared only
    with requests of the same `cache_salt`; `deadline` is a time of `time.monotonic()`. The last
    `num_begun` tokens are the beginning of the answer itself, which goes on after them.
    """

    id: str
    tokens: tuple[int, ...]
    sampling: Sampling
    release: str = ""
    person: str = ""
    cache_salt: str = ""
    deadline: float | None = None
    num_begun: int = 0
    adapter: "Adapter | None" = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Score:
    """How probable a token was to the model itself, before temperature, penalties and limits.

    `rank` 1 is the most probable; `top` holds the most probable tokens with theirs.
    """

    token: int
    logprob: float
    rank: int
    top: tuple[tuple[int, float], ...] = ()


class State(Enum):
    """Where a row stands."""

    WAITING = auto()
    RUNNING = auto()
    FINISHED = auto()


@dataclass(slots=True, eq=False)
class Row:
    """A request on its way. `num_computed` tokens of it have their keys and values in `blocks`.

    `slot`, `blocks`, `hashes` and `num_published` are the cache's; `number` and `num_charged` are
    the scheduler's. `num_cached` tokens of the prompt were found in the cache when it first ran.
    """

    request: Request
    state: State = State.WAITING
    number: int = 0
    slot: int = -1
    blocks: list[int] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    num_published: int = 0
    num_computed: int = 0
    num_charged: int = 0
    num_cached: int | None = None
    output: list[int] = field(default_factory=list)
    prompt_scores: list[Score] = field(default_factory=list)

    @property
    def num_prompt(self) -> int:
        return len(self.request.tokens)

    @property
    def begun(self) -> Sequence[int]:
        """The tokens of the prompt that are the answer's beginning."""
        prompt = self.request.tokens
        return prompt[len(prompt) - self.request.num_begun :]

    @property
    def num_tokens(self) -> int:
        """Prompt and output."""
        return len(self.request.tokens) + len(self.output)

    @property
    def is_prefill(self) -> bool:
        """Whether more than the last token is still to be computed."""
        return self.num_computed < self.num_tokens - 1

    def tokens(self, start: int, end: int) -> Sequence[int]:
        """Tokens `start` to `end` of prompt and output."""
        prompt = self.request.tokens
        if end <= len(prompt):
            return prompt[start:end]
        return [*prompt[start:], *self.output[max(0, start - len(prompt)) : end - len(prompt)]]


@dataclass(frozen=True, slots=True)
class Delta:
    """What an answer grew by: text, and the counts so far, in tokens.

    `num_cached` tokens of the prompt did not have to be computed. The last delta of a request,
    and only that one, has `finish`; `error` says more when it is "error". Text may come with it,
    and `prompt_scores` where they were asked for: one for each token of the prompt but the first.
    `scores` are those of the tokens drawn since the delta before, the end-of-answer token left out.
    """

    text: str
    num_prompt: int
    num_output: int
    finish: FinishReason | None = None
    error: str | None = None
    num_cached: int = 0
    scores: tuple[Score, ...] = ()
    prompt_scores: tuple[Score, ...] = ()
