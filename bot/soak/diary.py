"""What people did, written down by those who did it: the questions, and who reacted to what.

Only what the platform took is in it.
"""

from dataclasses import dataclass, field

from bot.domain import Platform
from bot.soak.sandbox import Place

MessageKey = tuple[Platform, str]


@dataclass(slots=True)
class Question:
    """A question to the bot. `versions` are its texts, without a mention, as first asked and as
    edited; any of them may have been taken."""

    platform: Platform
    id: str
    place: Place
    asker: str
    versions: list[str]
    is_deleted: bool = False

    @property
    def key(self) -> MessageKey:
        return self.platform, self.id

    @property
    def text(self) -> str:
        """The text as it stands."""
        return self.versions[-1]


@dataclass(slots=True)
class Diary:
    """Everything that people did. `touched` tells who ever reacted to a message."""

    questions: list[Question] = field(default_factory=list)
    touched: dict[MessageKey, set[str]] = field(default_factory=dict)
    num_chatter: int = 0
    num_reactions: int = 0
    num_taken_back: int = 0
    num_cleared: int = 0
    """Messages from which a moderator took all reactions."""
    num_edits: int = 0
    num_deletions: int = 0
    num_refused: int = 0
    """What the sandbox refused: a reaction on a message that is gone, say."""
    num_impatient: int = 0
    """Questions whose asker did not wait for the answer to the end."""
