"""The block structure of a text: for each of its lines what it is, and what it stands in.

The tree is markdown-it's; here it is laid over the source's lines, because parts are made of
these, to the letter. Two things of CommonMark are off: link definitions, which neither platform
has, and headings underlined with `---` or `===`, which would change what the line above is.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from adapters.markdown.dialect import Dialect

GUARD: Final = "\u2060"
"""A word joiner: nothing to see, and a line that begins with it begins no block."""
FENCE_MARKS: Final = 12
LANGUAGE: Final = 24
NESTING: Final = 20
"""The most characters of a fence's marks and of its language, and the most quotes and lists inside
of each other, that are opened again in a next part. Small parts have room for less."""

Kind = Literal[
    "blank", "text", "heading", "hr", "raw", "open", "code", "close", "head", "rule", "row"
]
"""`raw` is indented code; `open`, `code` and `close` are a fence's lines; `head`, `rule` and `row`
are a table's."""

_FENCE: Final = re.compile(r" {0,3}(?P<marks>`{3,}|~{3,})(?P<info>.*)", re.DOTALL)
_QUOTE: Final = re.compile(r" {0,3}>[ \t]?")
_MARKER: Final = re.compile(r"[ \t]*(?:[-+*]|\d{1,9}[.)])")

_DEEP: Final = re.compile(r"(?:[\s>+*-]|\d{1,9}[.)])*(?=`{3}|~{3})")
"""Up to the fence in a line that is deeper in quotes and lists than the parser goes."""


@dataclass(frozen=True, slots=True)
class Box:
    """A quote or a list item that lines stand in. Of an item its list, and the number it shows."""

    id: int
    list: int | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Fence:
    """A fenced code block; `code` is what it holds, as CommonMark reads it."""

    marks: str
    language: str
    code: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the source: `prefixes` are what its `boxes` put before its `content`.

    A prefix that the line leaves out, as a paragraph may, is "". `begins` tells of each box whether
    this is its first line, `further` what it puts before other lines. `block` is the same for all
    lines of one paragraph, fence or table.
    """

    kind: Kind
    block: int
    content: str
    boxes: tuple[Box, ...] = ()
    prefixes: tuple[str, ...] = ()
    begins: tuple[bool, ...] = ()
    further: tuple[str, ...] = ()
    fence: Fence | None = None

    @property
    def source(self) -> str:
        """The line as it was written."""
        return "".join(self.prefixes) + self.content


def lines_of(text: str, dialect: Dialect) -> tuple[Line, ...]:
    """The lines of a text, without blank ones at its ends.

    A fence with too many marks, or whose first line is longer than a quarter of a part, is text. So
    is what stands in too many boxes. A fence that ends with its quote or list item has its closing
    line put in, as only CommonMark knows that it ended there.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").rstrip()
    if not text:
        return ()
    source = text.split("\n")
    parser = _parser(min(NESTING, dialect.limit // 16))
    tokens = parser.parse(text)
    while guarded := _too_long(tokens, source, dialect):
        for number in guarded:
            source[number] = re.sub(r"[`~]", GUARD + r"\g<0>", source[number], count=1)
        tokens = parser.parse("\n".join(source))
    language = min(LANGUAGE, dialect.limit // 8)
    lines = _Reading(source, language).read(tokens)
    while lines and lines[-1].kind == "blank":
        lines.pop()
    return tuple(_closed(lines))


def may_open(content: str) -> str:
    """The marks of the fence that a line opens, or that its beginning did; "" if none."""
    match = _FENCE.match(content)
    return match["marks"] if match else ""


def is_end_of(fence: Fence, content: str) -> bool:
    """Whether a line of a fence is its end, or the beginning of that."""
    marks = content.strip()
    return bool(marks) and set(marks) == {fence.marks[0]} and len(marks) <= len(fence.marks)


@lru_cache(maxsize=8)
def _parser(nesting: int) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "maxNesting": nesting}).enable("table")
    parser.disable(["reference", "lheading", "html_block"])
    parser.core.ruler.enableOnly(["block"])
    return parser


def _too_long(tokens: Iterable[Token], source: list[str], dialect: Dialect) -> list[int]:
    """The lines of fences that could not be repeated in a next part."""
    return [
        token.map[0]
        for token in tokens
        if token.type == "fence"
        and token.map
        and (
            len(token.markup) > min(FENCE_MARKS, dialect.limit // 10)
            or dialect.measure(source[token.map[0]]) > dialect.limit // 4
        )
    ]


class _Reading:
    """Lays a tree over its source's lines."""

    def __init__(self, source: list[str], language: int) -> None:
        """`language`: the most characters of a fence's language."""
        self._source = source
        self._language = language
        self._leaves: list[tuple[Kind, int, Fence | None]] = [("blank", -1, None)] * len(source)
        self._boxes: list[list[Box]] = [[] for _ in source]
        self._begins: list[list[bool]] = [[] for _ in source]
        self._columns: dict[int, int] = {}
        self._lists: list[tuple[int, int | None]] = []
        """The open lists: their ids, and the number of their next item."""

    def read(self, tokens: list[Token]) -> list[Line]:
        for number, token in enumerate(tokens):
            if token.type in ("bullet_list_open", "ordered_list_open"):
                start = int(token.attrGet("start") or 1)
                first = start if token.type.startswith("o") else None
                if token.attrGet("start") == 0:
                    first = 0
                self._lists.append((number, first))
            elif token.type in ("bullet_list_close", "ordered_list_close"):
                self._lists.pop()
            elif token.map:
                self._take(number, token, *token.map)
        return [self._line(at) for at in range(len(self._source))]

    def _take(self, number: int, token: Token, begin: int, end: int) -> None:
        match token.type:
            case "blockquote_open":
                self._enter(Box(number), begin, end)
            case "list_item_open":
                at, shown = self._lists[-1]
                self._lists[-1] = (at, None if shown is None else shown + 1)
                self._enter(Box(number, at, shown), begin, end)
            case "paragraph_open":
                self._leaf("text", number, begin, end)
            case "heading_open":
                self._leaf("heading", number, begin, end)
            case "hr":
                self._leaf("hr", number, begin, end)
            case "code_block":
                self._leaf("raw", number, begin, end)
            case "fence":
                words = token.info.split()
                is_name = bool(words) and words[0].isascii() and len(words[0]) <= self._language
                fence = Fence(token.markup, words[0] if is_name else "", token.content)
                self._leaf("code", number, begin, end, fence)
                self._leaf("open", number, begin, begin + 1, fence)
            case "table_open":
                # Until its last line is whole, what looks like a table's rule may be none.
                if end > begin + 2 or end < len(self._source):
                    self._leaf("row", number, begin, end)
                    self._leaf("head", number, begin, begin + 1)
                    self._leaf("rule", number, begin + 1, begin + 2)
                else:
                    self._leaf("text", number, begin, end)
            case _:
                pass

    def _enter(self, box: Box, begin: int, end: int) -> None:
        for at in range(begin, min(end, len(self._source))):
            self._boxes[at].append(box)
            self._begins[at].append(at == begin)

    def _leaf(
        self, kind: Kind, block: int, begin: int, end: int, fence: Fence | None = None
    ) -> None:
        for at in range(begin, min(end, len(self._source))):
            self._leaves[at] = (kind, block, fence)

    def _line(self, at: int) -> Line:
        kind, block, fence = self._leaves[at]
        prefixes, rest, column = [], self._source[at], 0
        boxes = self._boxes[at]
        for box, begins in zip(boxes, self._begins[at], strict=True):
            if box.list is None:
                match = _QUOTE.match(rest)
                prefix, rest = (match[0], rest[match.end() :]) if match else ("", rest)
            elif begins:
                prefix, rest = _marker(rest, column)
                self._columns[box.id] = _columns(prefix, column)
            else:
                prefix, rest = _indent(rest, column, self._columns[box.id])
            column += _columns(prefix, column)
            prefixes.append(prefix)
        if fence is not None and kind == "code" and self._ends(at, rest, fence):
            kind = "close"
        is_blank = not rest.strip()
        if kind == "blank" and (not is_blank or any(self._begins[at])):
            kind, block = "text", -2 - at  # deeper than the parser goes, or an empty item
            if match := _DEEP.match(rest):
                rest = match[0] + GUARD + rest[match.end() :]
        if kind == "blank":
            rest = ""
        return Line(
            kind,
            block,
            rest,
            tuple(boxes),
            tuple(prefixes),
            tuple(self._begins[at]),
            tuple("> " if box.list is None else " " * self._columns[box.id] for box in boxes),
            fence,
        )

    def _ends(self, at: int, content: str, fence: Fence) -> bool:
        is_last = at + 1 == len(self._leaves) or self._leaves[at + 1][2] is not fence
        marks = content.strip()
        return (
            is_last
            and len(marks) >= len(fence.marks)
            and set(marks) == {fence.marks[0]}
            and len(content) - len(content.lstrip(" ")) <= 3
        )


def _columns(text: str, column: int) -> int:
    """The columns that white space and marks take from `column` on; a tab goes to the next 4."""
    begin = column
    for sign in text:
        column += 4 - column % 4 if sign == "\t" else 1
    return column - begin


def _marker(text: str, column: int) -> tuple[str, str]:
    """An item's first line, cut after its marker and the space that belongs to it."""
    match = _MARKER.match(text)
    if match is None:
        return "", text
    rest = text[match.end() :]
    space = rest[: len(rest) - len(rest.lstrip(" \t"))]
    if len(space) == len(rest) or _columns(space, column + _columns(match[0], column)) > 4:
        space = space[:1]  # more is indented code, or an empty item
    return match[0] + space, rest[len(space) :]


def _indent(text: str, column: int, width: int) -> tuple[str, str]:
    """White space of up to `width` columns, and the rest; a tab that goes beyond is spaces."""
    taken = at = 0
    while at < len(text) and taken < width and text[at] in " \t":
        taken += _columns(text[at], column + taken)
        at += 1
    return text[:at] if taken <= width else " " * width, " " * max(0, taken - width) + text[at:]


def _closed(lines: list[Line]) -> Iterator[Line]:
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        yield line
        is_over = following is not None and following.fence is not line.fence
        if line.fence is not None and line.kind != "close" and is_over:
            quiet = (False,) * len(line.boxes)
            marks = line.fence.marks
            yield replace(line, kind="close", content=marks, prefixes=line.further, begins=quiet)
