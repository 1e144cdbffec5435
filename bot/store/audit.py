"""The audit trail: who changed what, where, from what, to what; the changing steps write it."""

from dataclasses import dataclass
from typing import Any, cast

from bot.store import keys
from bot.store.connection import Client, converted


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `what` of it (`persona`), `who` by a person's key, `where` a channel's, and the
    ids `before` and `after`; `at` is in seconds."""

    at: float
    what: str
    who: str
    where: str
    before: str
    after: str


class Audit:
    """The audit trail in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def latest(self, limit: int) -> list[Change]:
        """The latest changes, at most `limit`, the latest first. Raises StoreUnavailable."""
        with converted():
            found = cast(
                "list[tuple[str, dict[str, Any]]]",
                await self._client.xrevrange(keys.AUDIT, count=limit),
            )
        return [Change(at=int(entry.split("-")[0]) / 1000, **fields) for entry, fields in found]
