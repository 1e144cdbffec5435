"""Votes: one a person and turn, kept by one atomic step a reaction (`vote.lua`)."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal, cast

from bot.domain import Person, Reaction, Turn, Vote
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.people import People
from bot.store.turns import Turns

Sign = Literal["+", "-"]

PAGE = 200
"""Votes read in one round trip."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a reaction did to a vote; None stands for no vote."""

    before: int | None
    now: int | None


class Votes:
    """The votes in Redis."""

    def __init__(self, client: Client, turns: Turns, people: People) -> None:
        self._client = client
        self._turns = turns
        self._people = people
        self._apply = client.register_script(
            files("bot.store").joinpath("vote.lua").read_text("utf-8")
        )

    async def apply(self, turn: str, reaction: Reaction, sign: Sign) -> Change | None:
        """Apply one reaction with a signal; None when it was applied before.

        Raises StoreUnavailable; nothing was changed then, or all of it.
        """
        person = reaction.person.key
        with converted():
            result = await self._apply(
                keys=[
                    keys.reactions(turn, person),
                    keys.votes(turn),
                    keys.tally(turn),
                    keys.VOTES,
                    keys.EVENTS,
                ],
                args=[
                    turn,
                    person,
                    int(reaction.present),
                    sign,
                    f"{reaction.ref.key} {reaction.emoji} {reaction.kind}",
                    keys.EVENTS_KEPT,
                ],
            )
        if not result:
            return None
        before, now = (int(value) if value else None for value in result)
        return Change(before, now)

    async def tally(self, turn: str) -> tuple[int, int]:
        """How many people voted up and down on a turn."""
        with converted():
            up, down = await self._client.hmget(keys.tally(turn), ["up", "down"])
        return int(up or 0), int(down or 0)

    async def listed(self) -> AsyncGenerator[Vote, None]:
        """All votes, the latest first; a vote without a value (both thumbs) has 0."""
        with converted():
            names = cast(
                "list[tuple[str, float]]",
                await self._client.zrange(keys.VOTES, 0, -1, desc=True, withscores=True),
            )
        # The names at once, since votes that come meanwhile would move the pages.
        for start in range(0, len(names), PAGE):
            for vote in await self._read(names[start : start + PAGE]):
                yield vote

    async def _read(self, page: list[tuple[str, float]]) -> list[Vote]:
        named = [(*_parse(name), at) for name, at in page]
        pipe = self._client.pipeline(transaction=False)
        for turn_id, person_key, _ in named:
            pipe.hget(keys.votes(turn_id), person_key)
        with converted():
            values = await pipe.execute()
        turns = await self._turns.get_many([turn_id for turn_id, _, _ in named])
        people = await self._people.get_many([person_key for _, person_key, _ in named])
        return [
            _vote(turn, person, int(value), at)
            for (_, _, at), value, turn, person in zip(named, values, turns, people, strict=True)
            if turn is not None and value is not None  # changed between the two reads
        ]


def _parse(name: str) -> tuple[str, str]:
    turn, _, person = name.partition(" ")
    return turn, person


def _vote(turn: Turn, person: Person, value: int, at: float) -> Vote:
    return Vote(
        turn=turn.id,
        person=person,
        value=value,
        release=turn.release,
        conversation=turn.conversation,
        question=turn.text,
        at=at,
    )
