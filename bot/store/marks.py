"""Until when a platform's events were taken in: where catching up begins after an outage."""

from bot.domain import Platform
from bot.store import keys
from bot.store.connection import Client, converted


class Marks:
    """The marks in Redis."""

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
