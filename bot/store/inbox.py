"""Messages accepted once, keyed by the message and never by its delivery."""

from bot.domain import MessageRef
from bot.store import keys
from bot.store.connection import Client, converted


class Inbox:
    """Which messages were accepted, in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def accept(self, ref: MessageRef) -> bool:
        """Whether the message is new; it is marked as seen in the same step."""
        with converted():
            return bool(await self._client.set(keys.seen(ref.key), "1", nx=True, ex=keys.SEEN_S))
