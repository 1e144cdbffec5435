"""Markdown cut into platform messages: nothing lost, code fences closed and reopened.

`split` looks only as far ahead as one part, so the parts of a growing text stay what they are
while it grows, but for the last.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

Measure = Callable[[str], int]

LONGEST_SIGN = 16
"""Characters that an emoji or letter may be made of; longer chains are cut."""

_FLAG = "".join(map(chr, range(0x1F1E6, 0x1F200)))
_JOINERS = "\u200d" + "".join(map(chr, [*range(0x1F3FB, 0x1F400), *range(0xE0020, 0xE0080)]))
"""What changes the emoji before it: joiner, skin tones, and the letters of a region's flag."""

FENCE_MARKS = 12
FENCE_LANGUAGE = 24
"""Characters of a fence's opening that are repeated in the next part."""

_FENCE = re.compile(r"^ {0,3}(?P<marks>`{3,}|~{3,})(?P<info>[^`]*)$")
"""CommonMark 0.31, section 4.5: up to three spaces, three or more marks, then the language."""
_MAY_OPEN = re.compile(r"^ {0,3}(?P<marks>`{3,}|~{3,})")
"""The beginning of a line that is a fence, or was one before the line went on."""


@dataclass(frozen=True, slots=True)
class _Fence:
    """An open code fence: how it was opened, and what closes it."""

    opening: str
    marks: str

    def closed_by(self, line: str) -> bool:
        stripped = line.strip()
        return (
            len(stripped) >= len(self.marks)
            and set(stripped) == {self.marks[0]}
            and len(line) - len(line.lstrip(" ")) <= 3
        )

    def ends_with(self, text: str) -> bool:
        """Whether all that is left of the code in `text` is its end, or the beginning of that."""
        line, newline, _ = text.partition("\n")
        return self.closed_by(line) or (not newline and line.strip() in self.marks)


def utf8_size(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text.encode())


def utf16_size(text: str) -> int:
    """UTF-16 units of a text."""
    return len(text.encode("utf-16-le")) // 2


def split(text: str, limit: int, measure: Measure = len) -> list[str]:
    """Cut a text into parts of at most `limit` by `measure`; an empty text has no part.

    `measure` must add up, and tell at least 1 for a character. Cuts fall, in this order of
    preference, between paragraphs, lines, words, characters. Raises ValueError for a `limit`
    without room for a fence and text.
    """
    if limit < 64:
        raise ValueError(f"a part of {limit} has no room for a code fence and text")
    parts: list[str] = []
    fence: _Fence | None = None
    rest = text.strip("\n")
    while rest.strip():
        opening = f"{fence.opening}\n" if fence else ""
        cut = _cut(rest, fence, limit - measure(opening), measure)
        piece, rest = rest[:cut], rest[cut:]
        after = _open_after(piece, fence)
        closing = f"\n{after.marks}" if after else ""
        part = opening + piece.rstrip("\n") + closing
        if part.strip():  # a platform refuses a message without a visible sign
            parts.append(part)
        fence = after
        rest = rest.lstrip("\n") if fence is None else rest.removeprefix("\n")
        if fence is not None and fence.ends_with(rest):
            fence, rest = None, rest.partition("\n")[2].lstrip("\n")
    return parts


def closed(text: str) -> str:
    """The text, with the code fence closed that is open at its end."""
    fence = _open_after(text, None)
    return f"{text}\n{fence.marks}" if fence else text


def _cut(text: str, fence: _Fence | None, room: int, measure: Measure) -> int:
    """Where to cut `text`, so that its beginning, with its fence closed, takes at most `room`."""
    most = _longest(text, fence, room, measure)
    if most == len(text):
        return most
    head = text[:most]
    # A cut in the first half would leave a part needlessly short.
    for separator in ("\n\n", "\n", " "):
        at = head.rfind(separator, most // 2)
        if at > 0:
            return at + (0 if separator != " " else 1)
    return _between_characters(text, most)


def _longest(text: str, fence: _Fence | None, room: int, measure: Measure) -> int:
    """The most characters of `text` all of whose beginnings fit, each with its fence closed.

    All of them, since the text grows: a fence whose end just fits was cut before its end came.
    """
    taken = size = 0
    while taken < len(text):
        end = text.find("\n", taken) + 1 or len(text)
        line = text[taken:end]
        reserve = _reserve(line, fence, measure)
        if size + measure(line) + reserve > room:
            return max(taken + _fitting(line, fence, room - size, measure), 1)
        fence = _open_after(line.removesuffix("\n"), fence)
        size += measure(line)
        taken = end
    return taken


def _fitting(line: str, fence: _Fence | None, room: int, measure: Measure) -> int:
    """How many characters of a line fit into `room`, together with the closing of a fence."""
    low, high = 0, min(len(line), max(room, 0))  # no character measures less than 1
    while low < high:
        middle = (low + high + 1) // 2
        if measure(line[:middle]) + _reserve(line[:middle], fence, measure) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _reserve(line: str, fence: _Fence | None, measure: Measure) -> int:
    """The room that the closing of a fence may need while `line` is written."""
    if fence is not None:
        return measure(f"\n{fence.marks}")
    match = _MAY_OPEN.match(line)
    return measure(f"\n{match['marks']}") if match else 0


def _between_characters(text: str, at: int) -> int:
    """The nearest place before `at` that cuts no emoji or letter from what belongs to it."""
    for back in range(at, max(1, at - LONGEST_SIGN), -1):
        if not _joined(text, back):
            return back
    return at


def _joined(text: str, at: int) -> bool:
    """Whether the characters before and after `at` make one sign."""
    before, after = text[at - 1], text[at : at + 1]
    if not after:
        return False
    if before in _FLAG and after in _FLAG:  # two letters make a flag
        letters = len(text[max(0, at - 64) : at]) - len(text[max(0, at - 64) : at].rstrip(_FLAG))
        return letters % 2 == 1
    return unicodedata.category(after).startswith("M") or after in _JOINERS or before == "\u200d"


def _open_after(text: str, fence: _Fence | None) -> _Fence | None:
    """The code fence that is open after `text`, which began inside `fence`."""
    for line in text.split("\n"):
        if fence is not None:
            if fence.closed_by(line):
                fence = None
        elif match := _FENCE.match(line):
            language = match["info"].strip().split(" ")[0]
            language = language if language.isascii() else ""
            marks = match["marks"][:FENCE_MARKS]
            fence = _Fence(marks + language[:FENCE_LANGUAGE], match["marks"])
    return fence
