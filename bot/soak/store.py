"""What the bot keeps, as the audit needs it. The one module of the soak that reads Redis.

Read with a scan, since it asks for everything there is; the bot itself never does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from bot.domain import PLATFORMS, Person, Platform, Turn
from bot.soak.diary import MessageKey
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.people import People
from bot.store.turns import Turns

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """One turn. `parts` are the messages that its answer consists of, as the bot knows it."""

    id: str
    question: MessageKey
    text: str
    status: str
    parts: tuple[MessageKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything kept. `answered_by` tells the turn of each message that is, or was, a part;
    `votes` are by turn and by the person's handle or, of strangers, id."""

    turns: Sequence[StoredTurn] = ()
    answered_by: Mapping[MessageKey, str] = field(default_factory=dict)
    votes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    num_waiting: int = 0
    """Entries of the inbox."""


async def read(client: Client, people: Sequence[str]) -> Stored:
    """Read it all. Raises StoreUnavailable."""
    turn_ids = [name.removeprefix(keys.turn("")) for name in await _names(client, keys.turn("*"))]
    turns = Turns(client)
    found: list[Turn] = []
    for start in range(0, len(turn_ids), _PAGE):
        page = await turns.get_many(turn_ids[start : start + _PAGE])
        found += [turn for turn in page if turn is not None]
    return Stored(
        turns=[
            StoredTurn(
                id=turn.id,
                question=(turn.question.platform, turn.question.message),
                text=turn.text,
                status=turn.status,
                parts=tuple((part.platform, part.message) for part in turn.parts),
            )
            for turn in sorted(found, key=lambda turn: turn.created_at)
        ],
        answered_by=await _answered_by(client),
        votes=await _votes(client, [turn.id for turn in found], people),
        num_waiting=await _num_waiting(client),
    )


async def used_memory(client: Client) -> int:
    """Bytes that the server uses."""
    with converted():
        return int((await client.info("memory"))["used_memory"])


async def _names(client: Client, pattern: str) -> list[str]:
    with converted():
        return [str(name) async for name in client.scan_iter(match=pattern, count=_PAGE)]


async def _answered_by(client: Client) -> dict[MessageKey, str]:
    names = await _names(client, keys.message("*"))
    found: dict[MessageKey, str] = {}
    for start in range(0, len(names), _PAGE):
        page = names[start : start + _PAGE]
        with converted():
            values = await client.mget(page)
        for name, value in zip(page, values, strict=True):
            role, _, turn = str(value or "").partition(" ")
            platform, *_, message = name.removeprefix(keys.message("")).split("/")
            if role in {"part", "surplus"}:
                found[cast("Platform", platform), message] = turn
    return found


async def _num_waiting(client: Client) -> int:
    with converted():
        return sum([int(await client.xlen(keys.inbox(platform))) for platform in PLATFORMS])


async def _votes(
    client: Client, turns: Sequence[str], people: Sequence[str]
) -> dict[str, dict[str, int]]:
    pipe = client.pipeline(transaction=False)
    for turn in turns:
        pipe.hgetall(keys.votes(turn))
    with converted():
        votes = dict(zip(turns, await pipe.execute(), strict=True))
    voters = sorted({person for given in votes.values() for person in given})
    known = await People(client).get_many(voters)
    handles = {voter: _handle(person, people) for voter, person in zip(voters, known, strict=True)}
    return {
        turn: {handles[voter]: int(value) for voter, value in given.items()}
        for turn, given in votes.items()
        if given
    }


def _handle(person: Person, people: Sequence[str]) -> str:
    """The sandbox's people are called by their handles, capitalised."""
    name = person.name.casefold()
    return name if name in people else person.id
