"""What people are told of their question's context: what was not read, and what was left out.

One short line each, in the voice of `adapters.wording`; shown under an answer, never stored in it.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from bot.context.material import Document, Material, Reason, Talk

OLDER: Final = "older messages left out"
FORBIDDEN: Final = "I may not read what was written here before you asked me"
UNREAD: Final = "I could not read what was written here before you asked me"
NAMED: Final = 5
"""Files that one line names; the others are counted."""
NAME_LENGTH: Final = 60

_SIGNS: Final = re.compile(r"[*`~|<>\[\]()@#/\\]|(?<!\w)_|_(?!\w)")

_WHY: Final[dict[Reason, str]] = {
    "kind": "I can't read {}",
    "image": "I can't see images: {}",
    "size": "too large for me to read: {}",
    "many": "more files than I read at once; left out: {}",
    "denied": "I lack the permission to read {}",
    "gone": "no longer there: {}",
    "unavailable": "I could not fetch {}; ask again to have me try once more",
    "empty": "I found no text in {}",
    "locked": "I can't open {} without its password",
    "broken": "I can't read {}: it seems damaged",
    "heavy": "I gave up reading {}: it takes too much time or memory",
}


def of_material(material: Material, left_out: Sequence[str] = ()) -> tuple[str, ...]:
    """The notes about the files of a question; `left_out` are names of which nothing is left."""
    reasons = dict.fromkeys(file.reason for file in material.unread)
    unread = (
        _WHY[reason].format(_names(file.name for file in material.unread if file.reason == reason))
        for reason in reasons
    )
    return (
        *unread,
        *(_of_document(document) for document in material.documents if document.is_cut),
        *((f"left out, there was no room: {_names(left_out)}",) if left_out else ()),
    )


def of_cut(before: Material, after: Material) -> tuple[str, ...]:
    """The notes about files of an earlier question that were made shorter now."""
    kept = {document.name: document for document in after.documents}
    return (
        *(
            _of_document(kept[document.name])
            for document in before.documents
            if document.name in kept and kept[document.name] != document
        ),
        *of_material(Material(), lost(before, after)),
    )


def lost(before: Material, after: Material) -> list[str]:
    """The names of the files of which nothing is left."""
    kept = set(_held(after))
    return [name for name in _held(before) if name not in kept]


def _held(material: Material) -> list[str]:
    documents = [document.name for document in material.documents]
    return documents + [image.name for image in material.images]


def of_talk(talk: Talk) -> tuple[str, ...]:
    """The notes about a talk that was read just now."""
    if talk.is_hidden:
        return (FORBIDDEN,)
    return (OLDER,) if talk.is_cut else ()


def _of_document(document: Document) -> str:
    name = _plain(document.name)
    if document.ends:
        return f"I read the first {len(document.ends)} of {document.pages} pages of {name}"
    return f"I read only the beginning of {name}"


def _names(names: Iterable[str]) -> str:
    given = [_plain(name) for name in names]
    shown = ", ".join(given[:NAMED])
    return f"{shown} and {len(given) - NAMED} more" if len(given) > NAMED else shown


def _plain(name: str) -> str:
    """A file's name on one line, without the signs of Markdown, mentions and links."""
    seen = "".join(sign if sign.isprintable() else " " for sign in name)
    line = " ".join(_SIGNS.sub("", seen).split())
    return (line[: NAME_LENGTH - 1] + "…" if len(line) > NAME_LENGTH else line) or "a file"
