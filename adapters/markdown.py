"""Markdown cut into platform messages: nothing lost, code fences closed and reopened.

`split` looks only as far ahead as one part, so the parts of a growing text stay what they are
while it grows, but for the last.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

Measure = Callable[[str], int]

FENCE_MARKS = 12
FENCE_LANGUAGE = 24
"""Characters of a fence's opening that are repeated in the next part."""

_FENCE = re.compile(r"^ {0,3}(?P<marks>`{3,}|~{3,})(?P<info>[^`]*)$")
"""CommonMark 0.31, section 4.5: up to three spaces, three or more marks, then the language."""


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
        parts.append(opening + piece.rstrip("\n") + closing)
        fence = after
        rest = rest.lstrip("\n") if fence is None else rest.removeprefix("\n")
    return parts


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
    """The most characters of `text` that fit into `room` together with the closing of a fence."""
    low, high = 0, min(len(text), max(room, 1))  # no character measures less than 1
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle]) <= room:
            low = middle
        else:
            high = middle - 1
    while low > 1:
        after = _open_after(text[:low], fence)
        size = measure(text[:low] + (f"\n{after.marks}" if after else ""))
        if size <= room:
            break
        low -= max(1, (size - room) // 4)
    return max(low, 1)


def _between_characters(text: str, at: int) -> int:
    """The nearest place before `at` that cuts no emoji or letter from what belongs to it."""
    back = at
    while back > 1 and at - back < 16:
        following = text[back] if back < len(text) else ""
        joined = following and (
            unicodedata.combining(following)
            or following in "\u200d\ufe0f"
            or 0x1F3FB <= ord(following) <= 0x1F3FF
        )
        if not joined and text[back - 1] != "\u200d":
            return back
        back -= 1
    return at


def _open_after(text: str, fence: _Fence | None) -> _Fence | None:
    """The code fence that is open after `text`, which began inside `fence`."""
    for line in text.split("\n"):
        if fence is not None:
            if fence.closed_by(line):
                fence = None
        elif match := _FENCE.match(line):
            language = match["info"].strip().split(" ")[0]
            marks = match["marks"][:FENCE_MARKS]
            fence = _Fence(marks + language[:FENCE_LANGUAGE], match["marks"])
    return fence
