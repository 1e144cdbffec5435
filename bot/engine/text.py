"""The text of one answer, and the deltas that it grows by.

Owns the token that ends an answer: the model's own end, a stop string, or the most tokens that
were asked for. Knows no queue, no memory and no thread. Promises that nothing of a stop string and
no half of a code point is ever in a delta, and that each score comes with the text of its token.
"""

from collections.abc import Callable, Sequence

from bot.engine.detokenizer import Detokenizer, StopMatcher
from bot.engine.request import Delta, FinishReason, Row, Score
from bot.engine.sampler import Draw


class Text:
    """The text side of a row, from its first start to its last delta.

    What was drawn and not given out yet waits here. `decode` gives the text of token ids,
    `eos_ids` are those that the model ends its answers with.
    """

    def __init__(
        self, row: Row, *, decode: Callable[[Sequence[int]], str], eos_ids: frozenset[int]
    ) -> None:
        self._row = row
        self._eos_ids = eos_ids
        self._detokenizer = Detokenizer(decode, row.begun)
        self._stops = StopMatcher(row.request.sampling.stop)
        self._is_stopped = False
        self._pending = ""
        self._scores: list[Score] = []

    def draw(self, draw: Draw) -> FinishReason | None:
        """Take the token that the row drew; why the answer ends with it, None if it goes on."""
        row, sampling = self._row, self._row.request.sampling
        row.output.append(draw.token)
        if draw.token in self._eos_ids and not sampling.ignore_eos:
            return "stop"
        if draw.score is not None:
            self._scores.append(draw.score)
        text = self._detokenizer.push(draw.token)
        if len(row.output) > sampling.min_tokens:
            text, self._is_stopped = self._stops.push(text)
        self._pending += text
        if self._is_stopped:
            return "stop"
        return "length" if len(row.output) >= sampling.max_tokens else None

    def grown(self) -> Delta | None:
        """What the answer grew by; None while that is no text that is certain."""
        return self._delta() if self._pending else None

    def last(self, reason: FinishReason, error: str | None = None) -> Delta:
        """The delta that ends the answer, with all text that was held back."""
        if not self._is_stopped:
            # What was held back may yet complete a stop string.
            rest, self._is_stopped = self._stops.push(self._detokenizer.flush())
            self._pending += rest if self._is_stopped else rest + self._stops.flush()
            reason = "stop" if self._is_stopped and reason == "length" else reason
        return self._delta(reason, error)

    def _delta(self, finish: FinishReason | None = None, error: str | None = None) -> Delta:
        row = self._row
        text, self._pending = self._pending, ""
        scores, self._scores = tuple(self._scores), []
        return Delta(
            text,
            row.num_prompt,
            len(row.output),
            finish,
            error,
            num_cached=row.num_cached or 0,
            scores=scores,
            prompt_scores=() if finish is None else tuple(row.prompt_scores),
        )
