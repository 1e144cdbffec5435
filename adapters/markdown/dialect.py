"""What tells the platforms' Markdown apart, as values; and the sizes that they count in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

Measure = Callable[[str], int]

LEAST: Final = 64
"""The smallest limit: room for a code fence in nested quotes, closed and opened again, and text."""


def utf8_size(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text.encode(errors="surrogatepass"))


def utf16_size(text: str) -> int:
    """UTF-16 units of a text."""
    return len(text.encode("utf-16-le", errors="surrogatepass")) // 2


def unchanged(text: str) -> str:
    """The text itself: for a platform that is told in the call that nobody is to be pinged."""
    return text


@dataclass(frozen=True, slots=True)
class Dialect:
    """One platform's Markdown.

    A part is at most `limit` by `measure`, which adds up, tells 1 for a newline, at least 1 for any
    other character, and already counts what `neutral` adds. `neutral` takes from a whole part what
    would ping or link somebody. `shows_tables`: else a table becomes code with aligned columns.
    Raises ValueError for a `limit` below `LEAST`.
    """

    limit: int
    measure: Measure = len
    shows_tables: bool = True
    neutral: Callable[[str], str] = unchanged

    def __post_init__(self) -> None:
        if self.limit < LEAST:
            raise ValueError(f"a part of {self.limit} has no room for a code fence and text")
