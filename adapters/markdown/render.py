"""A text as the parts of a message, for one platform.

The same function shows a growing, a whole and a recovered text. Nothing is lost but white space at
cuts; each part stands by itself: fences closed and opened again, the head of a table repeated,
lists with their numbers, quotes with their marks.

While a text grows, the parts that another one follows stay what they are, with one exception:
emphasis or code in a line that is longer than a part is closed and opened again only once its end
has been seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from adapters.markdown.cut import Cut, broken
from adapters.markdown.dialect import Dialect
from adapters.markdown.files import CodeFile, named
from adapters.markdown.page import CLOSERS, Page, Place
from adapters.markdown.tree import Line, is_end_of, lines_of


@dataclass(frozen=True, slots=True)
class Rendered:
    """What stands for a text: its parts, and the code that is longer than one of them as files."""

    parts: tuple[str, ...]
    files: tuple[CodeFile, ...] = ()


@lru_cache(maxsize=32)  # a whole text is shown a part at a time
def render(text: str, dialect: Dialect) -> Rendered:
    """The parts of a text, none of them blank or over the limit; a blank text has none."""
    lines = lines_of(text, dialect)
    parts = [dialect.neutral(part) for part in _parts(lines, dialect)]
    fences = dict.fromkeys(line.fence for line in lines if line.fence is not None)
    long = [one for one in fences if dialect.measure(one.code) > dialect.limit]
    return Rendered(tuple(parts), named(long))


def closed(text: str, dialect: Dialect) -> str:
    """The text, with the code fence closed that is open at its end."""
    lines = lines_of(text, dialect)
    if not lines or lines[-1].fence is None or lines[-1].kind == "close":
        return text
    return f"{text}\n{''.join(lines[-1].further)}{lines[-1].fence.marks}"


def _parts(lines: Sequence[Line], dialect: Dialect) -> list[str]:
    parts: list[str] = []
    place, marks = _skip(lines, Place(0)), ""
    while place.line < len(lines):
        end = _end(lines, place, dialect)
        open_marks = broken(lines, end) if end.line < len(lines) else ()
        if sum(map(len, open_marks)) > CLOSERS:
            open_marks = ()
        part = _page(lines, place, end, dialect, marks).closed("".join(reversed(open_marks)))
        if part:
            parts.append(part)
        place, marks = _skip(lines, end), "".join(open_marks)
    return parts


def _page(
    lines: Sequence[Line], begin: Place, end: Place, dialect: Dialect, marks: str = ""
) -> Page:
    """The part from one place up to another."""
    page = Page(lines, begin, dialect, marks)
    for number in range(begin.line, end.line):
        page.add(number)
    if end.at:
        page.add(end.line, end.at)
    return page


def _end(lines: Sequence[Line], begin: Place, dialect: Dialect) -> Place:
    """Where the part ends that begins at a place."""
    place, is_broken = _end_within(lines, begin, dialect, dialect.limit)
    if is_broken:  # the marks that close it need room, too
        place, _ = _end_within(lines, begin, dialect, dialect.limit - CLOSERS)
    return place


def _end_within(
    lines: Sequence[Line], begin: Place, dialect: Dialect, room: int
) -> tuple[Place, bool]:
    """Where a part of at most `room` ends, and whether that breaks a span."""
    page = Page(lines, begin, dialect)
    sizes = [0]
    for number in range(begin.line, len(lines)):
        is_after_piece = number == begin.line + 1 and begin.at and lines[begin.line].kind == "row"
        if is_after_piece and lines[number].kind == "row":
            return Place(number), False  # under the rest of a row there is no table
        if page.measure_with(number) > room:
            break
        page.add(number)
        sizes.append(page.size)
    else:
        return Place(len(lines)), False
    number = begin.line + len(sizes) - 1
    over = Place(number, _fitting(page, lines[number], number, begin, room))

    def fill(place: Place) -> bool:
        size = sizes[place.line - begin.line]
        if place.at:
            size = page.measure_with(place.line, place.at)
        return size * 2 >= dialect.limit

    return Cut(lines, begin, over, fill).place()


def _fitting(page: Page, line: Line, number: int, begin: Place, room: int) -> int:
    """How much of a line's content fits."""
    low = least = begin.at if number == begin.line else 0
    # No character measures less than 1.
    high = min(len(line.content), least + max(0, room - page.size))
    while low < high:
        middle = (low + high + 1) // 2
        if page.measure_with(number, middle) <= room:
            low = middle
        else:
            high = middle - 1
    return low


def _skip(lines: Sequence[Line], place: Place) -> Place:
    """The place where the next part begins: not with white space, nor with the end of a fence."""
    number, at = place.line, place.at
    if number >= len(lines):
        return Place(len(lines))
    line = lines[number]
    if at and line.kind not in ("code", "open"):
        at += len(line.content[at:]) - len(line.content[at:].lstrip())
    if at and at >= len(line.content):
        number, at = number + 1, 0
    if at:
        return Place(number, at)
    while number < len(lines) and lines[number].kind == "blank":
        number += 1
    blank = number
    while blank < len(lines) and lines[blank].kind == "code" and not lines[blank].content.strip():
        blank += 1
    if blank < len(lines) and lines[blank].fence is not None:
        line = lines[blank]
        is_last = blank + 1 == len(lines)
        begun = (
            is_last and line.kind == "code" and line.fence and is_end_of(line.fence, line.content)
        )
        if (line.kind == "close" and number > 0) or begun:
            return _skip(lines, Place(blank + 1))
    return Place(number)
