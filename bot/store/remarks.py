"""Remarks: what people told those who run the bot, by the command or its form. Nobody else sees
them."""

from dataclasses import dataclass
from typing import Any, Final, cast

from bot.domain import Person
from bot.store import keys
from bot.store.connection import Client, converted

LONGEST: Final = 2000
"""Characters of a remark that are kept."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark: by whom (a person's key), when (seconds), and what."""

    person: str
    at: float
    text: str


class Remarks:
    """The remarks in Redis; all methods raise StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, person: Person, text: str) -> None:
        """Keep a remark, cut at LONGEST characters."""
        with converted():
            await self._client.xadd(
                keys.REMARKS,
                {"person": person.key, "text": text.strip()[:LONGEST]},
                maxlen=keys.REMARKS_KEPT,
                approximate=True,
            )

    async def latest(self, limit: int) -> list[Remark]:
        """The latest remarks, at most `limit`, the latest first."""
        with converted():
            found = cast(
                "list[tuple[str, dict[str, Any]]]",
                await self._client.xrevrange(keys.REMARKS, count=limit),
            )
        return [
            Remark(str(fields["person"]), int(entry.split("-")[0]) / 1000, str(fields["text"]))
            for entry, fields in found
        ]
