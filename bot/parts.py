"""The book of an answer's messages: what is about to be posted, and what was.

Written before and after each post, so that after a crash no message is without its turn, and none
is posted twice. Patient with the store, since a message that is not in the book is lost.
"""

from bot.domain import MessageRef
from bot.feedback.voting import Voting
from bot.insist import insist
from bot.store.turns import Turns


class Parts:
    """The messages of answers, in Redis."""

    def __init__(self, turns: Turns, voting: Voting) -> None:
        self._turns = turns
        self._voting = voting

    async def intend(self, turn: str, text: str) -> None:
        """A message with this text is about to be posted as the turn's next part.

        Raises StoreUnavailable.
        """
        await self._turns.intend(turn, text)

    async def add(self, turn: str, part: int, ref: MessageRef) -> None:
        """A message is this part of the turn's answer; reactions that waited for it are votes."""
        await insist(lambda: self._turns.add_part(turn, part, ref), "a part", turn=turn)
        await self.settle(turn, ref)

    async def begin_files(self, turn: str, note: str) -> None:
        """The files of the turn's answer are about to be posted; they are known by `note`."""
        await insist(lambda: self._turns.note_files(turn, note), "files", turn=turn)

    async def end_files(self, turn: str) -> None:
        """The files of the turn's answer stand there."""
        await insist(lambda: self._turns.note_files(turn, ""), "files", turn=turn)

    async def settle(self, turn: str, ref: MessageRef) -> None:
        """Make votes of the reactions that waited for a part."""
        await insist(lambda: self._voting.settle(ref), "reactions", turn=turn)

    async def spare(self, turn: str, ref: MessageRef) -> None:
        """A message is about to be deleted by us: the answer is none the less there."""
        await insist(lambda: self._turns.spare_part(turn, ref), "a part", turn=turn)

    async def drop(self, turn: str, part: int) -> None:
        """The answer no longer needs its last part."""
        await insist(lambda: self._turns.drop_part(turn, part), "a part", turn=turn)

    async def knows(self, ref: MessageRef) -> bool:
        """Whether a message is, or was, a part of any answer."""
        found = await insist(lambda: self._turns.of_message(ref.key), "a part")
        return found is not None
