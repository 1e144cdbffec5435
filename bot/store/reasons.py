"""Why people voted against an answer, in their own words: for the operators, and for nobody else.

One reason a person and turn; a newer one replaces it. It stays when the vote is taken back, and is
listed with the vote as it is now.
"""

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, cast

import orjson

from bot.domain import Person, Turn
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.people import People
from bot.store.turns import Turns

LONGEST: Final = 2_000
"""Characters of a reason that are kept."""
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Reason:
    """What a person had to say of a turn's answer, `at` seconds since the epoch.

    `vote` is the person's vote on it now, None when it was taken back.
    """

    turn: Turn
    person: Person
    text: str
    at: float
    vote: int | None


class Reasons:
    """The reasons in Redis."""

    def __init__(self, client: Client, turns: Turns, people: People) -> None:
        self._client = client
        self._turns = turns
        self._people = people

    async def keep(self, turn_id: str, person: Person, text: str) -> str:
        """Keep a person's reason, and return as much of it as is kept.

        Raises StoreUnavailable: repeat it.
        """
        kept = text.strip()[:LONGEST]
        at = time.time()
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(
            keys.reasons(turn_id), person.key, orjson.dumps({"text": kept, "at": at}).decode()
        )
        pipe.zadd(keys.REASONS, {f"{turn_id} {person.key}": at})
        pipe.zremrangebyrank(keys.REASONS, 0, -keys.REASONS_KEPT - 1)
        with converted():
            await pipe.execute()
        return kept

    async def listed(self) -> AsyncGenerator[Reason, None]:
        """All reasons whose turns are there, the latest first."""
        with converted():
            found = cast("list[str]", await self._client.zrange(keys.REASONS, 0, -1, desc=True))
        names = [str(name).split(" ", 1) for name in found]
        for start in range(0, len(names), PAGE):
            for reason in await self._read(names[start : start + PAGE]):
                yield reason

    async def _read(self, page: list[list[str]]) -> list[Reason]:
        pipe = self._client.pipeline(transaction=False)
        for turn_id, person_key in page:
            pipe.hget(keys.reasons(turn_id), person_key)
            pipe.hget(keys.votes(turn_id), person_key)
        with converted():
            values = await pipe.execute()
        turns = await self._turns.get_many([turn_id for turn_id, _ in page])
        people = await self._people.get_many([person_key for _, person_key in page])
        kept = zip(turns, people, values[::2], values[1::2], strict=True)
        return [
            _reason(turn, person, reason, vote)
            for turn, person, reason, vote in kept
            if turn is not None and reason is not None  # forgotten between the two reads
        ]


def _reason(turn: Turn, person: Person, kept: str, vote: str | None) -> Reason:
    fields = orjson.loads(kept)
    return Reason(
        turn, person, str(fields["text"]), float(fields["at"]), None if vote is None else int(vote)
    )
