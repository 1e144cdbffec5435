"""Whether platform messages, one after the other, are one text: whole, and nothing besides. Pure.

A long answer stands in several messages. Between two of them white space may be lost, and a code
block that is cut is closed in the one and opened again in the other; all else must be there to the
letter. A line of the bot's own in italics may stand below (that it was interrupted, say).
"""

import re
from collections.abc import Sequence
from itertools import takewhile
from typing import Final

_FENCE: Final = re.compile(r"(`{3,}|~{3,})\S*")
_NOTE: Final = re.compile(r"_[^_\n][^\n]*_")


def without_note(text: str) -> tuple[str, str]:
    """The text and the bot's own line below it, either of which may be empty."""
    body, _, last = text.strip().rpartition("\n")
    return (body.strip(), last) if _NOTE.fullmatch(last) else (text.strip(), "")


def is_whole(text: str, parts: Sequence[str]) -> bool:
    """Whether the parts are the text, from its beginning to its end."""
    at = 0
    for part in parts:
        taken = _taken(text, at, part)
        if taken is None:
            return False
        at = taken
    return bool(parts) and not text[at:].strip()


def holds_in_order(text: str, parts: Sequence[str]) -> bool:
    """Whether each part is a piece of the text, in their order, with gaps allowed between them."""
    at = 0
    for part in parts:
        found = next(
            (
                start + len(form)
                for form in _forms(part)
                if form and (start := text.find(form, at)) >= 0
            ),
            None,
        )
        if found is None:
            return False
        at = found
    return True


def is_piece(text: str, part: str) -> bool:
    """Whether a part is a piece of the text, wherever it stands."""
    return any(form and form in text for form in _forms(part))


def differs_at(text: str, parts: Sequence[str]) -> tuple[int, str]:
    """Where the parts stop being the text: characters of it that stand there, and what follows."""
    at = 0
    for part in parts:
        taken = _taken(text, at, part)
        if taken is None:
            wanted = text[at:].lstrip()
            length = max(_common(form, wanted) for form in _forms(part))
            return at + length, part[length : length + 40]
        at = taken
    return at, ""


def _common(one: str, other: str) -> int:
    """Characters that both begin with."""
    pairs = zip(one, other, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _taken(text: str, at: int, part: str) -> int | None:
    """Where the text goes on after `part`, which must stand at `at` but for white space."""
    start = at + len(text[at:]) - len(text[at:].lstrip())
    for form in _forms(part):
        if form and text.startswith(form, start):
            return start + len(form)
    return None


def _forms(part: str) -> list[str]:
    """The part as it is, and without a fence that the cut of a code block added."""
    lines = part.strip("\n").split("\n")
    opened = _FENCE.fullmatch(lines[0].strip()) is not None
    closes = len(lines) > 1 and _FENCE.fullmatch(lines[-1].strip()) is not None
    cuts = [lines]
    if closes:
        cuts.append(lines[:-1])
    if opened:
        cuts.append(lines[1:])
    if opened and closes:
        cuts.append(lines[1:-1])
    return ["\n".join(cut).strip() for cut in cuts]
