"""When an answer came, and what many such times add up to. Pure.

A piece is what the server sent at once; it may hold more than a token. Seconds throughout.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: when it was asked for, when each piece of it came, and its tokens."""

    sent: float
    pieces: tuple[float, ...]
    num_tokens: int
    num_prompt: int = 0
    text: str = ""

    @property
    def first_s(self) -> float:
        """From the question to the first piece."""
        return self.pieces[0] - self.sent

    @property
    def gaps_s(self) -> list[float]:
        """From token to token: the gaps between pieces, by the tokens that a piece holds."""
        if len(self.pieces) < 2:
            return []
        share = (len(self.pieces) - 1) / max(1, self.num_tokens - 1)
        return [(later - sooner) * share for sooner, later in pairwise(self.pieces)]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a list of questions."""

    answers: tuple[Answer, ...]
    peak_bytes: int | None = None

    @property
    def num_tokens(self) -> int:
        return sum(answer.num_tokens for answer in self.answers)

    @property
    def tokens_a_second(self) -> float:
        """From the first question to the last piece."""
        began = min(answer.sent for answer in self.answers)
        ended = max(answer.pieces[-1] for answer in self.answers)
        return self.num_tokens / (ended - began)

    @property
    def decode_a_second(self) -> float | None:
        """Tokens a second while every answer grew; None if there was no such time."""
        began = max(answer.pieces[0] for answer in self.answers)
        ended = min(answer.pieces[-1] for answer in self.answers)
        if ended <= began:
            return None
        tokens = 0.0
        for answer in self.answers:
            inside = sum(began < piece <= ended for piece in answer.pieces)
            tokens += inside * answer.num_tokens / len(answer.pieces)
        return tokens / (ended - began)


def percentile(values: Sequence[float], share: float) -> float | None:
    """The value that `share` (0 to 1) of all values do not exceed, interpolated; None of none."""
    if not values:
        return None
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Sequence[float]) -> float:
    """The middle value; of an even number of values, the mean of both in the middle."""
    found = percentile(values, 0.5)
    if found is None:
        raise ValueError("no values")
    return found
