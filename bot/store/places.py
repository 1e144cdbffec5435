"""Where to look after an outage: since when, in which conversations, and whom we know."""

from bot.domain import Conversation, Platform, conversation_of
from bot.store import keys
from bot.store.connection import Client, converted


class Places:
    """The places of all platforms in Redis; `Inbox.accept` adds conversations and askers."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def awake(self, platform: Platform) -> float | None:
        """The time until which the platform's events were taken in; None before the first."""
        with converted():
            at = await self._client.get(keys.awake(platform))
        return None if at is None else float(at)

    async def set_awake(self, platform: Platform, at: float) -> None:
        """The platform's events were taken in until then."""
        with converted():
            await self._client.set(keys.awake(platform), at)

    async def conversations(
        self, platform: Platform, since: float, limit: int
    ) -> list[Conversation]:
        """Conversations that were asked something since then, the latest first, at most `limit`.

        Their workspace is not told.
        """
        return [
            conversation_of(key) for key in await self._late(keys.places(platform), since, limit)
        ]

    async def askers(self, platform: Platform, since: float, limit: int) -> list[str]:
        """The ids of people who asked something since then, the latest first, at most `limit`."""
        return await self._late(keys.askers(platform), since, limit)

    async def direct(self, platform: Platform) -> dict[str, str]:
        """Person's id → channel of the direct messages with them, where one was opened for us."""
        with converted():
            found = await self._client.hgetall(keys.direct(platform))
        return {str(person): str(channel) for person, channel in found.items()}

    async def set_direct(self, platform: Platform, person: str, channel: str) -> None:
        """Keep the channel of the direct messages with a person."""
        with converted():
            await self._client.hset(keys.direct(platform), person, channel)

    async def _late(self, key: str, since: float, limit: int) -> list[str]:
        with converted():
            found = await self._client.zrange(
                key, "+inf", since, desc=True, byscore=True, offset=0, num=limit
            )
        return [str(each) for each in found]
