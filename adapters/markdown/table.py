"""Tables as code with aligned columns, for a platform that shows none.

Columns are aligned by what a terminal cell is: wide characters and emoji take two. What emphasis,
code and links mean inside of a cell is dropped, since code shows none of it; addresses stay.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from wcwidth import wcswidth

from adapters.markdown.dialect import Measure
from adapters.markdown.inline import plain
from adapters.markdown.tree import GUARD

WIDEST: Final = 40
"""Columns up to which a cell is aligned; a wider one sticks out in its own row."""

_BETWEEN: Final = " | "
_PIPE: Final = re.compile(r"(?<!\\)\|")
_TICKS: Final = re.compile(r"``(?=`)")


def cells_of(row: str) -> list[str]:
    """The cells of a table's row, as they are written."""
    row = row.strip().removeprefix("|")
    if row.endswith("|") and not row.endswith("\\|"):
        row = row[:-1]
    return [cell.strip().replace("\\|", "|") for cell in _PIPE.split(row)]


def columns_of(text: str) -> int:
    """The columns that a text takes where all characters are equally wide, or twice as wide."""
    columns = wcswidth(text)
    return columns if columns >= 0 else len(text)  # control characters have no width


@dataclass(slots=True)
class Grid:
    """The rows of a table, the head first, that stand in one part.

    `cost` is at least what `aligned` measures, for any rows, and grows with each character of one:
    it counts cells as they are written, which is never less than what is shown of them.
    """

    measure: Measure
    rows: list[list[str]] = field(default_factory=list)
    _widths: list[int] = field(default_factory=list)
    _extra: int = 0

    def add(self, row: str) -> None:
        """Take a row, as it is written."""
        cells = cells_of(row)
        self.rows.append(cells)
        self._widths, self._extra = self._with(cells)

    def cost(self, row: str | None = None) -> int:
        """An upper bound of what the table measures, with `row` below it."""
        number, widths, extra = len(self.rows), self._widths, self._extra
        if row is not None:
            widths, extra = self._with(cells_of(row))
            number += 1
        line = sum(widths) + len(_BETWEEN) * max(0, len(widths) - 1) + 1
        return line * (number + 1) + extra  # and the rule

    def _with(self, cells: Sequence[str]) -> tuple[list[int], int]:
        sizes = [min(WIDEST, columns_of(cell)) for cell in cells]
        pairs = _zipped(self._widths, sizes)
        extra = sum(max(0, self.measure(cell) - at) for cell, at in zip(cells, sizes, strict=True))
        return [max(pair) for pair in pairs], self._extra + extra

    def aligned(self, rule: str) -> list[str]:
        """The table's lines; `rule` says how columns are aligned, as it is written."""
        shown = [[_TICKS.sub("``" + GUARD, plain(cell)) for cell in row] for row in self.rows]
        widths: list[int] = []
        for row in shown:
            sizes = [min(WIDEST, columns_of(cell)) for cell in row]
            widths = [max(pair) for pair in _zipped(widths, sizes)]
        to_right = [cell.endswith(":") and not cell.startswith(":") for cell in cells_of(rule)]
        to_right += [False] * len(widths)
        lines = [
            _BETWEEN.join(
                " " * max(0, width - columns_of(cell)) + cell
                if right
                else cell + " " * max(0, width - columns_of(cell))
                for cell, width, right in zip(row, widths, to_right, strict=False)
            ).rstrip()
            for row in shown
        ]
        lines.insert(1, "-+-".join("-" * width for width in widths))
        return lines


def _zipped(one: Sequence[int], other: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of both, with 0 for what one has less."""
    length = max(len(one), len(other))
    left = [*one, *[0] * (length - len(one))]
    right = [*other, *[0] * (length - len(other))]
    return list(zip(left, right, strict=True))
