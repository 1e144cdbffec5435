"""Token ids to text, as it grows.

`Detokenizer` never gives out half a code point; `StopMatcher` never gives out any of a stop
string. What both hold back comes out with `flush` when the answer ends otherwise.
"""

from collections.abc import Callable, Sequence

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"

_MAX_WINDOW = 32
"""Tokens decoded again at most, where no text comes of them or it is no valid UTF-8."""

_KEPT = 8
"""Tokens kept then; a code point ends within four bytes."""

_MAX_UNKNOWN = 3
"""Signs at the end of a full window that may still become a code point."""


class Detokenizer:
    """The text of one answer, piece by piece. `decode` gives the text of some ids.

    Decoding ids one at a time is wrong for two reasons: a code point may lie in several tokens,
    and some tokenizers drop a space at the start of a text. So the last tokens are decoded again
    with each new one, and what they add is given out. U+FFFD at the end waits: it stands for an
    incomplete code point, or, where bytes are tokens of their own, for each byte of the code points
    around one. `begun` are the tokens of a text that goes on, whose last ones are decoded with the
    first new one, lest its leading space be dropped; none of it is given out.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str], begun: Sequence[int] = ()) -> None:
        self._decode = decode
        self._window = list(begun[-_KEPT:])
        self._num_clean = len(self._window)
        self._num_sent = len(decode(self._window)) if begun else 0

    def push(self, token: int) -> str:
        """The text that is certain now and was not before."""
        self._window.append(token)
        text = self._decode(self._window)
        num_certain = len(text.rstrip(_UNKNOWN))
        is_clean = num_certain == len(text)
        is_full = len(self._window) > _MAX_WINDOW
        if is_full:
            num_certain = max(num_certain, len(text) - _MAX_UNKNOWN)
        delta = text[self._num_sent : num_certain]
        self._num_sent = max(self._num_sent, num_certain)
        if delta and is_clean:
            self._slide(self._num_clean)
        elif is_full:
            self._slide(len(self._window) - _KEPT)
        return delta

    def flush(self) -> str:
        """What was held back."""
        text = self._decode(self._window)
        delta = text[self._num_sent :]
        self._num_sent = len(text)
        return delta

    def _slide(self, num_dropped: int) -> None:
        """Drop tokens from the left of the window; the last clean piece stays as context."""
        del self._window[:num_dropped]
        self._num_clean = len(self._window)
        text = self._decode(self._window)
        self._num_sent = max(len(text.rstrip(_UNKNOWN)), len(text) - _MAX_UNKNOWN)


class StopMatcher:
    """Looks for stop strings in a growing text."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""

    def push(self, delta: str) -> tuple[str, bool]:
        """The text that may be given out, and whether a stop string was met right after it."""
        if not self._stops:
            return delta, False
        text = self._held + delta
        found = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if found:
            self._held = ""
            return text[: min(found)], True
        num_held = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - num_held :]
        return text[: len(text) - num_held], False

    def flush(self) -> str:
        """What was held back, as no stop string came of it."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` with which `stop` begins."""
    longest = min(len(text), len(stop) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(stop[:n])), 0)
