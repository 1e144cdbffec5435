"""Long code as files, named by its language."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pygments.lexers import get_all_lexers

from adapters.markdown.tree import Fence


@dataclass(frozen=True, slots=True)
class CodeFile:
    """One file: its name, such as `code-1.py`, and what it holds."""

    name: str
    text: str


def named(fences: Iterable[Fence]) -> tuple[CodeFile, ...]:
    """The code of fences as files, numbered from 1."""
    return tuple(
        CodeFile(f"code-{number}{ending(fence.language)}", fence.code)
        for number, fence in enumerate(fences, 1)
    )


def ending(language: str) -> str:
    """How the name of a file in this language ends, `.txt` for one that is not known."""
    return _endings().get(language.lower(), ".txt")


@lru_cache(maxsize=1)
def _endings() -> dict[str, str]:
    """The endings of all languages that Pygments knows, by their names and short names."""
    endings: dict[str, str] = {}
    for _, aliases, patterns, _ in get_all_lexers(plugins=False):
        plain = [one[1:] for one in patterns if one.startswith("*.") and one[2:].isalnum()]
        for alias in aliases if plain else ():
            endings.setdefault(alias.lower(), plain[0])
    return {ending.removeprefix("."): ending for ending in endings.values()} | endings
