"""How many questions of bots were taken in a row, so that two bots do not talk for ever."""

from collections.abc import Sequence

from bot.domain import Conversation
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.scripts import script


class BotRows:
    """The rows in Redis, one of each conversation and one of its channel.

    Two, because a bot can begin a conversation with each message, and because in a busy channel
    people's questions elsewhere say nothing of the conversation. Raises StoreUnavailable.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._join = script(client, "bot_row")

    async def join(self, message: str, where: Conversation, most: int) -> bool:
        """Whether a bot's message is among the `most` first ones since a person's last question;
        the same message always is, once it was."""
        with converted():
            return bool(await self._join(list(_rows(where)), [message, most, keys.BOTS_S]))

    async def broken(self, where: Conversation) -> None:
        """A person asked something there."""
        with converted():
            await self._client.delete(*_rows(where))


def _rows(where: Conversation) -> Sequence[str]:
    channel = f"{where.platform}/{where.channel}"
    return keys.bots(where.key), keys.bots(channel)
