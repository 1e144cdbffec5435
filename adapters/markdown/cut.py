"""Where a part ends when its text does not fit.

Decides by what stands before the first character that does not fit, and by that character alone.
So a part that another one follows stays what it is, however the text goes on.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from adapters.markdown.inline import Span, spans
from adapters.markdown.page import Place
from adapters.markdown.signs import between_signs
from adapters.markdown.tree import Line

_SENTENCE: Final = re.compile(r"[.!?…][\"'”’)\]*_~`]*\s+|[。！？][”’」』）]*")
_WORD: Final = re.compile(r"\s+")
_RULE: Final = re.compile(r"[\s>]*[|:-][\s|:-]*")
_MARKS: Final = re.compile(r"[\s*_~`\[!<]*")
_FENCE: Final = re.compile(r" {0,3}(?:`{1,2}|~{1,2}|(?:`{3,}|~{3,})[^`]*)")
"""A line that opens a fence, or may when it goes on."""
_CODE: Final = frozenset({"open", "code", "close"})
_PROSE: Final = frozenset({"text", "heading"})

Rank = int
"""How good a place a line's beginning is: 0 is best."""


class Cut:
    """One search for a place between `begin` and `over`, the first character that does not fit."""

    def __init__(
        self,
        lines: Sequence[Line],
        begin: Place,
        over: Place,
        fill: Callable[[Place], bool],
    ) -> None:
        """`fill` tells whether a part up to this place would be at least half full."""
        self._lines = lines
        self._begin = begin
        self._over = over
        self._fill = fill

    def place(self) -> tuple[Place, bool]:
        """Where to cut, and whether that breaks a span.

        A part is at least half full, if no span forbids: a cut in its beginning would leave it
        needlessly short.
        """
        place = self._best()
        return place, self._breaks(place) or self._breaks(place, hopeless=True)

    def _best(self) -> Place:
        ranked = [(rank, at) for rank, at in self._borders() if self._fill(at)]
        if ranked:
            best = min(rank for rank, _ in ranked)
            return next(at for rank, at in ranked if rank == best)
        half = self._half()
        inside = [place for place in self._inside() if place.at >= half]
        for place in inside:
            if not self._breaks(place):
                return place
        early = [at for _, at in self._borders(headings=True)]
        early += self._before_spans()
        if early:
            return max(early, key=lambda place: (place.line, place.at))
        if inside or self._over.line > self._begin.line:
            return inside[0] if inside else self._over
        return Place(self._over.line, max(self._over.at, self._begin.at + 1))

    def _half(self) -> int:
        """How far in the line that does not fit a part is half full."""
        low, high = 0, self._over.at
        while low < high:
            middle = (low + high) // 2
            if self._fill(Place(self._over.line, middle)):
                high = middle
            else:
                low = middle + 1
        return low if self._fill(Place(self._over.line, low)) else self._over.at + 1

    def _borders(self, *, headings: bool = False) -> Iterator[tuple[Rank, Place]]:
        """The beginnings of lines where a part may end, the last first."""
        for number in range(self._over.line, self._begin.line, -1):
            rank = self._rank(number, headings=headings)
            if rank is not None and not self._breaks(Place(number)):
                yield rank, Place(number)

    def _rank(self, number: int, *, headings: bool) -> Rank | None:
        line, before = self._lines[number], self._lines[number - 1]
        if before.kind == "open" and not headings:
            return None
        if before.kind in _CODE and before.kind != "close":
            return 2 if not before.content.strip() else 3
        is_known = number < self._over.line or line.kind == "blank"
        if before.kind == "head" or (before.kind == "rule" and not headings):
            return None
        if number == self._over.line and before.kind in ("text", "head") and self._is_rule_like():
            return None
        if not headings and self._above(number).kind == "heading":
            return None
        if is_known and line.kind == "blank":
            return 0 if before.kind != "blank" else None
        if before.kind in ("blank", "close", "hr", "heading"):
            return 0
        return 1 if is_known and line.block != before.block else 3

    def _above(self, number: int) -> Line:
        """The last line before this one that is not blank."""
        at = number - 1
        while at > self._begin.line and self._lines[at].kind == "blank":
            at -= 1
        return self._lines[at]

    def _is_rule_like(self) -> bool:
        """Whether the line that does not fit may become a table's rule, for all that is known."""
        line = self._lines[self._over.line]
        known = line.source[: len("".join(line.prefixes)) + self._over.at + 1]
        return _RULE.fullmatch(known) is not None

    # Inside of a line

    def _inside(self) -> Iterator[Place]:
        """The places in the line that does not fit, the best first."""
        number, end = self._over.line, self._over.at
        line = self._lines[number]
        known = line.content[: end + 1]
        is_whole = line.kind == "row" or _FENCE.fullmatch(known) is not None
        if is_whole and number > self._begin.line:
            return  # only a row that is longer than a part is broken, and no fence is
        least = self._begin.at if number == self._begin.line else 0
        patterns = (_WORD,) if line.kind in _CODE else (_SENTENCE, _WORD)
        for pattern in patterns:
            ends = [match.end() for match in pattern.finditer(known, least)]
            if line.content[end : end + 1].isspace():
                ends.append(end)
            for at in sorted((at for at in ends if least < at <= end), reverse=True):
                yield Place(number, at)
        if end > least:
            yield Place(number, between_signs(line.content, end, least))

    def _before_spans(self) -> Iterator[Place]:
        """Where a span begins, in the paragraph that does not fit, that goes beyond what does."""
        last = self._over.line
        first = max(first_of(self._lines, last), self._begin.line)
        offsets = {number: self._offset(number) for number in range(first, last + 1)}
        for span in self._spans(last):
            number = max((n for n in offsets if offsets[n] <= span.begin), default=None)
            if number is None:
                continue
            place = Place(number, span.begin - offsets[number])
            is_between = (self._begin.line, self._begin.at) < (place.line, place.at)
            if is_between and not self._breaks(place):
                yield place

    # Spans

    def _breaks(self, place: Place, *, hopeless: bool = False) -> bool:
        """Whether a cut there would break a span of the paragraph that it is in.

        One that this part does not hold from before its beginning on is `hopeless`: it is longer
        than a part, or was broken already.
        """
        if not self._is_inside(place):
            return False
        at = self._offset(place.line) + place.at
        first = first_of(self._lines, place.line)
        begin = -1
        if self._begin.line >= first:
            begin = self._offset(self._begin.line) + self._begin.at
            marks = _MARKS.match(self._paragraph(place.line), begin)
            begin = marks.end() if marks else begin
        return any(
            span.holds(at) and (span.begin <= begin) is hopeless for span in self._spans(place.line)
        )

    def _is_inside(self, place: Place) -> bool:
        line = self._lines[place.line]
        if line.kind not in _PROSE:
            return False
        return place.at > 0 or line.block == self._lines[place.line - 1].block

    def _spans(self, number: int) -> tuple[Span, ...]:
        """The spans of a line's paragraph, as far as it is known."""
        if self._lines[number].kind not in _PROSE:
            return ()
        return spans(self._paragraph(number))

    def _paragraph(self, number: int) -> str:
        texts = []
        for at in range(first_of(self._lines, number), self._over.line + 1):
            if self._lines[at].block != self._lines[number].block:
                break
            content = self._lines[at].content
            texts.append(content[: self._over.at + 1] if at == self._over.line else content)
        return "\n".join(texts)

    def _offset(self, number: int) -> int:
        """Where in its paragraph a line begins."""
        first = first_of(self._lines, number)
        return sum(len(self._lines[at].content) + 1 for at in range(first, number))


def first_of(lines: Sequence[Line], number: int) -> int:
    """The first line of a line's paragraph."""
    while number and lines[number - 1].block == lines[number].block:
        number -= 1
    return number


def broken(lines: Sequence[Line], place: Place) -> tuple[str, ...]:
    """The marks of the emphasis and code that a cut at this place breaks, outer ones first.

    Unlike the place itself it is judged by the whole paragraph: what never closes is no emphasis.
    """
    line = lines[place.line]
    if line.kind not in _PROSE:
        return ()
    first = first_of(lines, place.line)
    last = place.line
    while last + 1 < len(lines) and lines[last + 1].block == line.block:
        last += 1
    paragraph = "\n".join(one.content for one in lines[first : last + 1])
    at = sum(len(one.content) + 1 for one in lines[first : place.line]) + place.at
    return tuple(
        span.marks
        for span in spans(paragraph)
        if span.holds(at) and span.marks and span.end <= len(paragraph)
    )
