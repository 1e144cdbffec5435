"""Votes: one a person and turn, kept by one atomic step a reaction (`vote.lua`)."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, cast

from bot.domain import MessageRef, Person, Reaction, Turn, Vote
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.people import People, person_of
from bot.store.scripts import script
from bot.store.turns import Turns

Sign = Literal["+", "-"]

PAGE = 200
"""Votes read in one round trip."""

BUTTON: Final = "button"
"""What stands for the message in a vote that was given by a button: it is on none."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a reaction did to a vote; None stands for no vote."""

    before: int | None
    now: int | None
    pressed: bool | None = None
    """Whether the button that changed it is pressed now; None where it was a reaction."""


class Moved(Exception):
    """A vote on the turn changed meanwhile; look again."""


class Votes:
    """The votes in Redis."""

    def __init__(self, client: Client, turns: Turns, people: People) -> None:
        self._client = client
        self._turns = turns
        self._people = people
        self._apply = script(client, "vote")
        self._park = script(client, "park")

    async def apply(
        self, turn: str, reaction: Reaction, sign: Sign, *, known: int | None = None
    ) -> Change | None:
        """Apply one reaction with a signal; None when it was applied before.

        Raises StoreUnavailable: nothing was changed then, or all of it; and Moved, with nothing
        changed, when `known` is given and is not the number of changes so far.
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
                    "" if known is None else known,
                ],
            )
        return _change(result)

    async def press(self, turn: str, person: Person, sign: Sign) -> Change | None:
        """Apply the press of a button to a person's vote; None when it changed nothing.

        It takes the opposite button away, and itself when it was pressed before. Twice within
        `keys.PRESSED_MS` is once, so a call that failed may be repeated at once. Raises
        StoreUnavailable.
        """
        with converted():
            result = await self._apply(
                keys=[
                    keys.reactions(turn, person.key),
                    keys.votes(turn),
                    keys.tally(turn),
                    keys.VOTES,
                    keys.EVENTS,
                    keys.pressed(turn, person.key),
                ],
                args=[
                    turn,
                    person.key,
                    "press",
                    sign,
                    BUTTON,
                    keys.EVENTS_KEPT,
                    "",
                    keys.PRESSED_MS,
                ],
            )
        change = _change(result)
        return None if change is None else replace(change, pressed=result[2] == "1")

    async def of_turn(self, turn: str) -> dict[str, int]:
        """Person's key → value of the vote on a turn."""
        with converted():
            found = await self._client.hgetall(keys.votes(turn))
        return {str(person): int(value) for person, value in found.items()}

    async def turn_of(self, reaction: Reaction) -> str | None:
        """The turn whose answer the reaction is on; it waits for a message not known yet."""
        key = reaction.ref.key
        field = f"{reaction.person.key} {reaction.emoji} {reaction.kind}"
        with converted():
            found = await self._park(
                [keys.message(key), keys.parked(key)],
                [field, int(reaction.present), keys.PARKED_S],
            )
        role, _, turn = str(found).partition(" ")
        return turn if role == "part" else None

    async def parked(self, ref: MessageRef) -> list[Reaction]:
        """The reactions that waited for this message; `forget_parked` once they are applied."""
        with converted():
            found = cast("dict[str, str]", await self._client.hgetall(keys.parked(ref.key)))
        return [_reaction(ref, field, present == "1") for field, present in found.items()]

    async def forget_parked(self, ref: MessageRef) -> None:
        """The reactions that waited for this message were applied."""
        with converted():
            await self._client.delete(keys.parked(ref.key))

    async def wanted(self, turn: str, reactions: Sequence[Reaction]) -> list[Reaction]:
        """Those reactions that may be made votes on a turn although no event tells of them: not of
        people who asked to be forgotten since it was asked."""
        if not reactions:
            return []
        pipe = self._client.pipeline(transaction=False)
        pipe.hmget(keys.FORGOTTEN, [each.person.key for each in reactions])
        pipe.hget(keys.turn(turn), "created_at")
        with converted():
            forgotten, asked_at = await pipe.execute()
        return [
            each
            for each, at in zip(reactions, forgotten, strict=True)
            if at is None or float(at) < float(asked_at or 0)
        ]

    async def changes(self, turn: str) -> int:
        """How often a vote on the turn has changed."""
        with converted():
            return int(await self._client.hget(keys.tally(turn), "changes") or 0)

    async def held(self, turn: str, ref: MessageRef) -> list[Reaction]:
        """The reactions with a signal on one part of a turn, as they are known."""
        with converted():
            people = [str(person) for person in await self._client.hkeys(keys.votes(turn))]
            pipe = self._client.pipeline(transaction=False)
            for person in people:
                pipe.smembers(keys.reactions(turn, person))
            members = await pipe.execute() if people else []
        prefix = f"{ref.key} "
        return [
            _reaction(ref, f"{person} {member[1:].removeprefix(prefix)}", True)
            for person, each in zip(people, members, strict=True)
            for member in each
            if member[1:].startswith(prefix)
        ]

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


def _change(result: list[str]) -> Change | None:
    if not result:
        return None
    if result[0] == "moved":
        raise Moved
    before, now = (int(value) if value else None for value in result[:2])
    return Change(before, now)


def _reaction(ref: MessageRef, field: str, present: bool) -> Reaction:
    person, emoji, kind = field.split(" ", 2)
    nameless = replace(person_of(person), name="")
    return Reaction(ref, nameless, emoji, present, at=0.0, kind=kind)


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
