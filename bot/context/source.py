"""Where a question's context is read from: the platform, through its adapter."""

from typing import Protocol

from bot.context.material import Talk
from bot.domain import Attachment, Incoming, MessageRef, Turn


class Source(Protocol):
    """Reading what a question came with."""

    async def question(self, ref: MessageRef) -> Incoming | None:
        """A message as it stands now, with its files; None when it was deleted.

        Raises PlatformUnavailable, MessageGone.
        """

    async def talk(self, first: Turn, most: int) -> Talk:
        """What was said before the first question of a conversation, at most `most` messages.

        The thread that it stands in, or the messages that it replies to; without those of bots,
        but with our own. Raises PlatformUnavailable, and MessageGone where it is not shown to us.
        """

    async def fetch(self, question: MessageRef, file: Attachment, most: int) -> bytes:
        """The content of a file that came with a question, or with what was said before it.

        Raises Unreadable, also for a file of more than `most` bytes.
        """
