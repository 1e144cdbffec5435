"""Ephemeral messages: each is seen by one person, and is no part of the channel's history.

The bot can reach one only by the token of the interaction that it answers.
"""

from adapters.sandbox.discord.model import Message


class Whispers:
    """All that one person alone sees."""

    def __init__(self) -> None:
        self._by_id: dict[int, Message] = {}

    def put(self, message: Message) -> None:
        """Store one, new or changed."""
        self._by_id[message.id] = message

    def drop(self, message: Message) -> None:
        """Forget one, when it is deleted or its person dismisses it."""
        self._by_id.pop(message.id, None)

    def find(self, message_id: int) -> Message | None:
        """The one of that id."""
        return self._by_id.get(message_id)

    def of(self, user_id: int) -> list[Message]:
        """Those that the person sees anywhere, oldest first."""
        return [one for one in self._by_id.values() if one.seen_by == user_id]
