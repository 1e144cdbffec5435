"""What people wish of an answer that there is or will be: to stop, to go on, to be tried again.

Each wish is one atomic step. One that came as a message marks it as seen in the same step, so that
it is granted once, however often the message is delivered.
"""

import time
from collections.abc import AsyncGenerator, Sequence
from typing import Final, Literal, cast

from bot.domain import MessageRef, Turn
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.scripts import script
from bot.store.turn_hash import home_of, to_hash
from bot.store.turns import Turns

MOST_RETRIES: Final = 5
"""Tries of one question, without the first."""

PAGE: Final = 100
"""Questions with several answers that are read in one round trip."""

Outcome = Literal[
    "done", "seen", "ended", "open", "whole", "gone", "changed", "most", "busy", "unknown"
]
"""What became of a wish: granted now, or by an earlier delivery of its message (`seen`); the answer
has `ended` already, or has not (`open`); there is nothing to go on with (`whole`); the question or
a part of the answer was deleted (`gone`); another release answered (`changed`); there were enough
tries (`most`); no room; no such turn. Only the first two mean that the wish was granted."""


class Wishes:
    """The wishes in Redis; the bounds are the inbox's."""

    def __init__(self, client: Client, turns: Turns, *, total: int, each: int) -> None:
        self._client = client
        self._turns = turns
        self._total, self._each = total, each
        self._stop = script(client, "stop")
        self._reopen = script(client, "reopen")
        self._again = script(client, "again")

    async def stop(self, turn_id: str, word: MessageRef | None = None) -> Outcome:
        """Stop an answer that has not ended; whoever answers it notices.

        `word` is the message that asks for it. Raises StoreUnavailable: repeat it.
        """
        with converted():
            outcome: Outcome = await self._stop([keys.turn(turn_id), *_seen(word)], [keys.SEEN_S])
        return outcome

    async def reopen(self, turn: Turn, release: str, word: MessageRef | None = None) -> Outcome:
        """Open a turn again whose answer was cut, if this release gave it; it is queued.

        Raises StoreUnavailable: repeat it.
        """
        with converted():
            outcome: Outcome = await self._reopen(
                [
                    keys.turn(turn.id),
                    keys.inbox(turn.question.platform),
                    keys.open_turns(turn.conversation.key),
                    *_seen(word),
                ],
                [turn.id, release, time.time(), self._total, self._each, keys.SEEN_S],
            )
        return outcome

    async def again(self, turn: Turn, word: MessageRef | None = None) -> Outcome:
        """Accept a turn that tries the question of `turn.retry_of` again.

        Raises StoreUnavailable: the same turn may be repeated, and is `open` then.
        """
        fields = [text for pair in to_hash(turn).items() for text in pair]
        with converted():
            outcome: Outcome = await self._again(
                [
                    keys.turn(turn.first),
                    keys.retries(turn.first),
                    keys.RETRIED,
                    keys.turn(turn.id),
                    keys.conversation(turn.conversation.key),
                    keys.inbox(turn.question.platform),
                    keys.open_turns(turn.conversation.key),
                    keys.asked_by(turn.asker.key),
                    keys.asked_in(home_of(turn)),
                    *_seen(word),
                ],
                [
                    turn.id,
                    turn.first,
                    keys.turn(""),
                    keys.CONVERSATION_TURNS,
                    self._total,
                    self._each,
                    MOST_RETRIES,
                    time.time(),
                    keys.SEEN_S,
                    keys.RETRIED_KEPT,
                    *fields,
                ],
            )
        return outcome

    async def open(self, conversation: str) -> list[Turn]:
        """The turns of a conversation (by its key) that have not ended, the next one first."""
        return await self._listed(keys.open_turns(conversation))

    async def latest(self, conversation: str) -> Turn | None:
        """The last turn of a conversation (by its key)."""
        found = await self._listed(keys.conversation(conversation), -1)
        return found[0] if found else None

    async def linked(self, first: str) -> list[Turn]:
        """All answers to the question of a first turn, oldest first."""
        with converted():
            tries = await self._client.lrange(keys.retries(first), 0, -1)
        return _there(await self._turns.get_many([first, *map(str, tries)]))

    async def retried(self) -> AsyncGenerator[list[Turn], None]:
        """The answers to each question that has several, the one tried again last first."""
        with converted():
            firsts = cast("list[str]", await self._client.zrange(keys.RETRIED, 0, -1, desc=True))
        for start in range(0, len(firsts), PAGE):
            page = [str(first) for first in firsts[start : start + PAGE]]
            pipe = self._client.pipeline(transaction=False)
            for first in page:
                pipe.lrange(keys.retries(first), 0, -1)
            with converted():
                tries = await pipe.execute()
            for first, each in zip(page, tries, strict=True):
                yield _there(await self._turns.get_many([first, *map(str, each)]))

    async def _listed(self, key: str, start: int = 0) -> list[Turn]:
        with converted():
            ids = await self._client.lrange(key, start, -1)
        return _there(await self._turns.get_many([str(turn_id) for turn_id in ids]))


def _seen(word: MessageRef | None) -> list[str]:
    return [] if word is None else [keys.seen(word.key)]


def _there(turns: Sequence[Turn | None]) -> list[Turn]:
    return [turn for turn in turns if turn is not None]
