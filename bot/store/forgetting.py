"""Forgetting a person: everything that the store knows of them, in every room of it.

What is under way when they ask is stopped, and cannot bring anything back: a growing answer is not
written into a forgotten turn (`write.lua`, `part.lua`), its end deletes it (`close.lua`), and what
is read back from a platform makes no votes of what stood there before (`Votes.wanted`). Remembered
is that they asked, and when; else the next reading would bring their votes back.
"""

from dataclasses import dataclass
from typing import Final

import orjson

from bot.domain import PLATFORMS, Person, Turn
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.scripts import script
from bot.store.turn_hash import home_of
from bot.store.turns import Turns

PAGE: Final = 500
"""Entries that one step looks at, so that nobody else waits long."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was forgotten: questions with their answers (each try of its own), votes on others'
    answers, and remarks with reasons."""

    questions: int
    votes: int
    remarks: int


class Forgetting:
    """Forgets in Redis."""

    def __init__(self, client: Client, turns: Turns) -> None:
        self._client = client
        self._turns = turns
        self._turn = script(client, "forget_turn")
        self._unvote = script(client, "unvote")
        self._sweep = script(client, "sweep")

    async def forget(self, person: Person, at: float) -> Forgotten:
        """Forget all that is known of a person until now (`at`, seconds).

        Raises StoreUnavailable: the same call goes on where it stopped.
        """
        with converted():
            await self._client.hset(keys.FORGOTTEN, person.key, at)
        remarks = await self._take_out(keys.REMARKS, person)
        questions = await self._questions(person)
        votes = await self._votes(person)
        remarks += await self._reasons(person)
        await self._take_out(keys.EVENTS, person)
        await self._name(person)
        return Forgotten(questions, votes, remarks)

    async def _questions(self, person: Person) -> int:
        with converted():
            turn_ids = sorted(
                str(each) for each in await self._client.smembers(keys.asked_by(person.key))
            )
        count = 0
        for start in range(0, len(turn_ids), PAGE):
            page = turn_ids[start : start + PAGE]
            for turn_id, turn in zip(page, await self._turns.get_many(page), strict=True):
                if turn is None:
                    with converted():
                        await self._client.srem(keys.asked_by(person.key), turn_id)
                else:
                    count += await self._forget(turn, person)
        return count

    async def _forget(self, turn: Turn, person: Person) -> int:
        conversation = turn.conversation.key
        platform, channel = turn.question.platform, turn.question.channel
        nobody = Person(person.platform, "")
        with converted():
            return int(
                await self._turn(
                    [
                        keys.turn(turn.id),
                        keys.conversation(conversation),
                        keys.message(turn.question.key),
                        keys.votes(turn.id),
                        keys.tally(turn.id),
                        keys.VOTES,
                        keys.PARTS,
                        keys.asked_in(home_of(turn)),
                        keys.asked_by(person.key),
                        keys.asked(conversation),
                        keys.window(conversation),
                        keys.fresh(conversation),
                        keys.places(platform),
                        keys.reasons(turn.id),
                        keys.REASONS,
                        keys.retries(turn.id),
                        keys.RETRIED,
                        keys.material(turn.id),
                        keys.talk(conversation),
                    ],
                    [
                        turn.id,
                        conversation,
                        keys.reactions(turn.id, ""),
                        orjson.dumps(nobody).decode(),
                        keys.message(""),
                        f"{platform}/{channel}/",
                    ],
                )
            )

    async def _votes(self, person: Person) -> int:
        """Take their votes on others' answers back."""
        count = 0
        for turn in await self._turns_in(keys.VOTES, person):
            with converted():
                count += await self._unvote(
                    [
                        keys.reactions(turn, person.key),
                        keys.votes(turn),
                        keys.tally(turn),
                        keys.VOTES,
                    ],
                    [turn, person.key],
                )
        return count

    async def _reasons(self, person: Person) -> int:
        """Take out why they voted against others' answers."""
        turns = await self._turns_in(keys.REASONS, person)
        for turn in turns:
            pipe = self._client.pipeline(transaction=True)
            pipe.hdel(keys.reasons(turn), person.key)
            pipe.zrem(keys.REASONS, f"{turn} {person.key}")
            with converted():
                await pipe.execute()
        return len(turns)

    async def _turns_in(self, names: str, person: Person) -> list[str]:
        """The turns of a person's entries in a sorted set of `{turn} {person}`."""
        found: set[str] = set()
        with converted():
            async for name, _ in self._client.zscan_iter(
                names, match=f"* {_literal(person.key)}", count=PAGE
            ):
                found.add(str(name).partition(" ")[0])
        return sorted(found)

    async def _take_out(self, stream: str, person: Person) -> int:
        start, count = "-", 0
        while start:
            with converted():
                start, found = await self._sweep([stream], [person.key, start, PAGE, keys.turn("")])
            count += int(found)
        return count

    async def _name(self, person: Person) -> None:
        """Forget what they are called, and that they ever asked."""
        pipe = self._client.pipeline(transaction=True)
        pipe.hdel(keys.PEOPLE, person.key)
        pipe.delete(keys.refused(person.key))
        for platform in PLATFORMS:
            if platform == person.platform:
                pipe.zrem(keys.askers(platform), person.id)
                pipe.hdel(keys.direct(platform), person.id)
        with converted():
            await pipe.execute()


def _literal(text: str) -> str:
    """A text that stands for itself in a pattern."""
    return "".join(f"\\{each}" if each in "*?[]^\\" else each for each in text)
