"""One part in the making: its lines, what they measure, and what stands before and after them.

A page begins where the last one ended: in the middle of a line, a fence, a table, a list. It then
opens again what is open there. Its size counts everything but what closes a fence at its end.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from adapters.markdown.dialect import Dialect
from adapters.markdown.table import Grid
from adapters.markdown.tree import GUARD, Box, Line, may_open

CLOSERS: Final = 12
"""Characters kept free for emphasis that is closed in one part and opened again in the next."""
INDENT: Final = 2
"""Columns by which the rest of an item is indented; four would be code where no item is above."""

_BEGINS_BLOCK: Final = re.compile(
    r"[-+*](?:\s|\Z)|\d{1,9}[.)](?:\s|\Z)|#{1,6}(?:\s|\Z)|>|`{3}|~{3}|=+\s*\Z|\[[^\]]*\]:|\|"
    r"|(?:[-_*]\s*){3,}\Z"
)
_IN_CODE: Final = frozenset({"open", "code"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the text something is: a line, and how far in its content."""

    line: int
    at: int = 0


class Page:
    """The lines of one part, from a place on."""

    def __init__(
        self, lines: Sequence[Line], begin: Place, dialect: Dialect, marks: str = ""
    ) -> None:
        """`marks` are those of emphasis that is open at `begin`."""
        self._lines = lines
        self._dialect = dialect
        self._begin = begin
        self._marks = marks
        self._inherited = self._inherit()
        self._lists: set[int] = set()
        """The lists that an item of stands in this part."""
        self._text: list[str] = []
        self._table: _Table | None = None
        """The table that the last line belongs to, if it is to be code."""
        self._last: Line | None = None
        self.size = 0
        self._open()

    def measure_with(self, number: int, end: int | None = None) -> int:
        """The size with a further line, up to `end` of its content, and what may close it.

        It grows with `end`, so a line that does not fit does not while it is being written either.
        """
        line = self._lines[number]
        content = line.content[self._begun(number) : end]
        measure = self._dialect.measure
        lead = self._lead(number, content)
        size = self.size + (1 if self._text else 0) + measure(lead + content)
        if line.fence is not None:
            return size + 1 + measure(self.further(line) + line.fence.marks)
        if marks := may_open(content):
            size += 1 + measure(self.further(line) + marks)
        if self._table is not None and line.kind in ("rule", "row"):
            row = content if line.kind == "row" else None
            return max(size, self._table.size + self._table.grid.cost(row))
        return size

    def add(self, number: int, end: int | None = None) -> None:
        """Take a further line, up to `end` of its content."""
        line = self._lines[number]
        content = line.content[self._begun(number) : end]
        if self._table is not None and line.kind not in ("rule", "row"):
            self._text, self._table = self._drawn(), None
        if line.kind == "blank":
            self._put("".join(line.prefixes).rstrip())
            return
        if end is not None and line.kind not in _IN_CODE:
            content = content.rstrip()
        self._put(self._lead(number, content) + content)
        self._tabulate(line, content)
        self._last = line
        if not self._begun(number):  # else its item stands in the part before
            begun = zip(line.boxes, line.begins, strict=True)
            self._lists.update(box.list for box, begins in begun if begins and box.list is not None)

    def closed(self, marks: str = "") -> str:
        """The part's text; `marks` close the emphasis that is open at its end.

        "" where nothing of it is to be seen.
        """
        text = "\n".join(self._drawn()).rstrip("\n")
        last = self._last
        if last is not None and last.kind in _IN_CODE and last.fence is not None:
            return f"{text}\n{self.further(last)}{last.fence.marks}"
        return text.rstrip() + marks if text.strip() else ""

    def further(self, line: Line) -> str:
        """What stands before one more line of what this one stands in."""
        return "".join(
            self._inherited.get(box.id, prefix)
            for box, prefix in zip(line.boxes, line.further, strict=True)
        )

    # What is open at the beginning

    def _inherit(self) -> dict[int, str]:
        """The prefixes of the boxes that began before this part.

        Of items inside of each other only the innermost is indented: no item stands above them.
        """
        if self._begin == Place(0):
            return {}
        line = self._lines[self._begin.line]
        boxes = [
            box
            for box, begins in zip(line.boxes, line.begins, strict=True)
            if not begins or self._begin.at
        ]
        inherited: dict[int, str] = {}
        for box, inner in zip(boxes, [*boxes[1:], None], strict=False):
            if box.list is None:
                inherited[box.id] = "> "
            else:
                is_innermost = inner is None or inner.list is None
                inherited[box.id] = " " * INDENT if is_innermost else ""
        return inherited

    def _open(self) -> None:
        """Open again the fence or the table that the part begins in, and keep room for emphasis."""
        line = self._lines[self._begin.line]
        if line.fence is not None and (line.kind != "open" or self._begin.at):
            self._put(f"{self.further(line)}{line.fence.marks}{line.fence.language}")
            self._last = line
        elif line.kind == "row" and not self._begin.at and (head := self._head()) is not None:
            for one in (self._lines[head], self._lines[head + 1]):
                self._put(self.further(line) + one.content.strip())
                self._tabulate(one, one.content)
        elif self._is_rest and line.kind in ("text", "heading"):
            self.size += CLOSERS

    @property
    def _is_rest(self) -> bool:
        """Whether the part begins inside of a paragraph."""
        begin = self._begin
        if begin.at:
            return True
        return begin.line > 0 and self._lines[begin.line - 1].block == self._lines[begin.line].block

    def _head(self) -> int | None:
        """The line of the head of the table that the part begins in, if it is worth repeating."""
        at = self._begin.line
        while self._lines[at].kind != "head":
            at -= 1
        head = self._lines[at].content + self._lines[at + 1].content
        return at if self._dialect.measure(head) <= self._dialect.limit // 4 else None

    # Lines

    def _begun(self, number: int) -> int:
        """How far in a line's content the part begins."""
        return self._begin.at if number == self._begin.line else 0

    def _put(self, text: str) -> None:
        self.size += self._dialect.measure(text) + (1 if self._text else 0)
        self._text.append(text)

    def _lead(self, number: int, content: str) -> str:
        """What stands before a line's content in this part."""
        line = self._lines[number]
        is_rest = number == self._begin.line and self._begin.at > 0
        parts: list[str] = []
        is_first = number == self._begin.line
        for box, prefix, begins in zip(line.boxes, line.prefixes, line.begins, strict=True):
            if begins and not is_rest:
                parts.append(self._numbered(box, prefix))
            elif box.id in self._inherited and (prefix or is_first):
                parts.append(self._inherited[box.id])
            else:
                parts.append(prefix)
        lead = "".join(parts)
        if is_first and line.kind in ("text", "heading", "row", "raw") and self._is_rest:
            lead += self._marks
            if _BEGINS_BLOCK.match(self._marks + content) and (line.kind != "row" or is_rest):
                lead += GUARD
        if self._needs_gap(line, number):
            lead = "\n" + lead
        return lead

    def _numbered(self, box: Box, prefix: str) -> str:
        """An item's marker, with the number that it shows where no item of its list is above."""
        if box.number is None or box.list in self._lists or self._begin == Place(0):
            return prefix
        shown = re.sub(r"\d{1,9}", str(box.number)[:9], prefix, count=1)
        if len(shown) != len(prefix):  # the item's other lines are indented as far
            self._inherited[box.id] = " " * len(shown)
        return shown

    def _needs_gap(self, line: Line, number: int) -> bool:
        """Whether a line has to stand apart to begin its item: what is above is no item here.

        CommonMark 0.31, section 5.3: only a list that begins with 1 may follow a paragraph.
        """
        last = self._last
        if last is None or last.kind not in ("text", "row") or not self._text[-1]:
            return False
        is_rest = bool(last.boxes) and all(box.id in self._inherited for box in last.boxes)
        return is_rest and any(
            begins and box.number != 1 and box.list is not None and box.list not in self._lists
            for box, begins in zip(line.boxes, line.begins, strict=True)
            if box.number is not None or not line.content.strip()
        )

    # Tables as code

    def _tabulate(self, line: Line, content: str) -> None:
        """Count a line of a table, if it is to be code; it has been put as it is written."""
        if self._dialect.shows_tables:
            return
        if line.kind == "head" and content != line.content:
            return  # of a head that is longer than a part no table can be made
        if line.kind == "head":
            at, measure = len(self._text) - 1, self._dialect.measure
            before = self.size - measure(self._text[-1])
            lead = self._text[-1][: len(self._text[-1]) - len(line.content.strip())]
            self._table = _Table(Grid(measure), at, before + 2 * (measure(lead) + 4), lead, line)
        table = self._table
        if table is None:
            return
        if line.kind == "rule":
            table.rule = line.content
        else:
            table.grid.add(content)
        table.size += self._dialect.measure(table.lead)
        self.size = max(self.size, table.size + table.grid.cost()) if table.rule else self.size

    def _drawn(self) -> list[str]:
        """The lines so far, with the table at their end as code, if it is one and fits."""
        table = self._table
        if table is None or not table.rule:
            return self._text
        further = self.further(table.head)
        drawn = [f"{table.lead}```", *table.grid.aligned(table.rule), "```"]
        drawn[1:] = [further + one for one in drawn[1:]]
        above = self._text[: table.at]
        fits = self._dialect.measure("\n".join([*above, *drawn])) <= self._dialect.limit
        return [*above, *drawn] if fits else self._text


@dataclass(slots=True)
class _Table:
    """A table that is to be code: its first line in the part, and the size without its rows."""

    grid: Grid
    at: int
    size: int
    lead: str
    head: Line
    rule: str = ""
