"""What a platform still tells of what has happened there."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from bot.context.source import Source
from bot.domain import Conversation, Incoming, MessageRef, Reaction


class History(Protocol):
    """Reading back; every method raises PlatformUnavailable."""

    async def question(self, ref: MessageRef) -> Incoming | None:
        """A message as it stands now; None when it was deleted. Raises MessageGone, too."""

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        """All reactions of people on a message. Raises MessageGone."""

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        """The same, with what one call tells of messages of the bot that stand beside it.

        Without the message itself where that takes a call of its own. Raises MessageGone.
        """

    def missed(self, since: float) -> AsyncIterator[Incoming]:
        """What people wrote since then (seconds since the epoch) where the bot would have heard it.

        In each place oldest first; what was heard already may be among it.
        """


class FullHistory(History, Source, Protocol):
    """Reading back, and what an answer needs besides: files, and what was said before."""
