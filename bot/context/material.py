"""The nouns of a question's context, and how they get shorter. Pure values, all of them.

What is cut keeps its beginning (a file) or its end (a talk), at a page or a line where it can.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Final, Literal

from bot.domain import Attachment

Reason = Literal[
    "kind",
    "image",
    "size",
    "many",
    "denied",
    "gone",
    "unavailable",
    "empty",
    "locked",
    "broken",
    "heavy",
]
"""Why a file was not read: of no known kind, an image that the model cannot see, too large, one too
many, not permitted, deleted, not to be had now, without text, encrypted, damaged, or too costly."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a file.

    `ends` are the offsets in `text` at which its pages end, in a file that has pages; `pages` is
    how many the whole file has. `is_cut` tells that text after it was left out.
    """

    name: str
    text: str
    ends: tuple[int, ...] = ()
    pages: int = 0
    is_cut: bool = False

    def cut(self, most: int) -> "Document":
        """Its first `most` characters at most: whole pages, else whole lines, where that is any."""
        if len(self.text) <= most:
            return self
        if kept := bisect_right(self.ends, most):
            return replace(
                self, text=self.text[: self.ends[kept - 1]], ends=self.ends[:kept], is_cut=True
            )
        end = self.text.rfind("\n", 0, most) + 1
        return replace(self, text=self.text[: end or most], ends=(), is_cut=True)


@dataclass(frozen=True, slots=True)
class Image:
    """An image for a model that sees; `data` is base64, `kind` its MIME type."""

    name: str
    kind: str
    data: str


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that was not read."""

    name: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Material:
    """What was read of the files of one question."""

    documents: tuple[Document, ...] = ()
    images: tuple[Image, ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether nothing of it would be in a prompt."""
        return not (self.documents or self.images or self.unread)

    @property
    def is_settled(self) -> bool:
        """Whether reading the files again would give the same."""
        return all(file.reason != "unavailable" for file in self.unread)

    def cut(self, share: float) -> "Material":
        """So much of it, 1 being all: short files stay whole, long ones get equally long."""
        if share >= 1:
            return self
        sizes = [len(document.text) for document in self.documents]
        most = _equal(sizes, int(sum(sizes) * share))
        documents = (document.cut(most) for document in self.documents)
        return replace(
            self,
            documents=tuple(document for document in documents if document.text.strip()),
            images=self.images[: ceil(len(self.images) * share) if share else 0],
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One message of a talk; `is_ours` marks the bot's own. Files are only there until read."""

    author: str
    text: str
    is_ours: bool = False
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Talk:
    """What was said in a place before the bot was asked there, oldest first.

    `is_cut` tells that there is more before it, `is_hidden` that the platform does not show the
    texts of people.
    """

    lines: tuple[Line, ...] = ()
    is_cut: bool = False
    is_hidden: bool = False

    @property
    def size(self) -> int:
        """Characters, names included."""
        return sum(len(line.author) + len(line.text) for line in self.lines)

    def cut(self, most: int) -> "Talk":
        """Its last messages, of `most` characters at most."""
        left, first = most, len(self.lines)
        for line in reversed(self.lines):
            left -= len(line.author) + len(line.text)
            if left < 0:
                return replace(self, lines=self.lines[first:], is_cut=True)
            first -= 1
        return self


NO_MATERIAL: Final = Material()
NO_TALK: Final = Talk()


def _equal(sizes: Sequence[int], most: int) -> int:
    """The length that nothing may exceed, for all together to be `most` long."""
    left = most
    for place, size in enumerate(sorted(sizes)):
        fair = left // (len(sizes) - place)
        if size > fair:
            return fair
        left -= size
    return max(sizes, default=0)
