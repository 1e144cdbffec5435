"""What a platform and the store are to a growing answer: a place to write, and a book."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from adapters.markdown import CodeFile, Dialect
from bot.domain import Control, MessageRef, Person

Known = Callable[[MessageRef], Awaitable[bool]]
"""Whether a message is in the book, as a part of any answer."""


@dataclass(frozen=True, slots=True)
class Content:
    """What one message shows: its text, and the buttons under it."""

    text: str
    controls: tuple[Control, ...] = ()


class Surface(Protocol):
    """One place on a platform where an answer grows."""

    @property
    def dialect(self) -> Dialect:
        """How a text is written here, and how much of it one message holds."""

    @property
    def scope(self) -> str:
        """What shares one edit budget with this place."""

    @property
    def growth(self) -> Literal["edit", "append"]:
        """How the last part grows now: what `edit` will call."""

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        """Post a part; its buttons are the turn's. Raises PlatformUnavailable, MessageGone.

        After a PlatformUnavailable without `retry_after_s` it may stand there all the same.
        """

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        """The message that an earlier `post` of this left behind, if it did.

        Raises PlatformUnavailable, MessageGone.
        """

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        """Replace what a part shows; `urgent` ones go first.

        Raises PlatformUnavailable, MessageGone.
        """

    async def delete(self, ref: MessageRef) -> None:
        """Delete a part; one that is gone is fine. Raises PlatformUnavailable."""

    async def attach(
        self,
        files: Sequence[CodeFile],
        *,
        last: MessageRef,
        begun: str,
        begin: Callable[[str], Awaitable[None]],
    ) -> None:
        """Put files under an answer whose last part is `last`.

        Hands to `begin` what they are known by, never "", before they can be seen. With `begun`,
        which an earlier call handed over, they may stand there already, and then are not put there
        again. Raises PlatformUnavailable, after which the call may be repeated, MessageGone, and
        FilesRefused.
        """

    async def seed(self, ref: MessageRef) -> None:
        """Put both thumbs under a part, so that a vote is one click; they are no votes themselves.

        Raises PlatformUnavailable, MessageGone.
        """

    @property
    def is_discreet(self) -> bool:
        """Whether what is told one person is seen by nobody else."""

    async def tell(self, person: Person, text: str) -> None:
        """Tell one person something that is no answer, privately where `is_discreet`.

        Raises PlatformUnavailable, MessageGone.
        """

    async def conclude(self) -> None:
        """All is shown, and nothing more will be. Raises PlatformUnavailable, MessageGone."""

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Show that an answer is coming, for as long as the context is open."""


class FilesRefused(Exception):
    """The platform takes no files from us here: a permission or a scope is missing."""


class Book(Protocol):
    """Where the messages of answers are written down; `bot.parts.Parts`."""

    async def intend(self, turn: str, text: str) -> None:
        """The turn's next part is about to be posted. Raises StoreUnavailable."""

    async def add(self, turn: str, part: int, ref: MessageRef) -> None:
        """A message is this part of the turn's answer."""

    async def begin_files(self, turn: str, note: str) -> None:
        """The files of the turn's answer are about to be posted; they are known by `note`."""

    async def end_files(self, turn: str) -> None:
        """The files of the turn's answer stand there, and are not posted again."""

    async def settle(self, turn: str, ref: MessageRef) -> None:
        """See to the reactions that came before the message was in the book."""

    async def spare(self, turn: str, ref: MessageRef) -> None:
        """A message is about to be deleted, since the answer no longer needs it."""

    async def drop(self, turn: str, part: int) -> None:
        """The answer no longer needs its last part."""

    async def knows(self, ref: MessageRef) -> bool:
        """Whether a message is a part of any answer."""
