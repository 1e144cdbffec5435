"""The durable inbox: a message is accepted once, and its turn stays queued until it has ended.

Keyed by the message, never by its delivery. One stream a platform, read by one consumer group:
each entry is one worker's, and a dead worker's entries can be claimed by a living one. Who holds an
entry is what the group says; there is no other lock.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast

from redis.exceptions import ResponseError

from bot.domain import Platform, Turn
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.scripts import script
from bot.store.turn_hash import home_of, some, to_hash

GROUP: Final = "answers"
READ_S: Final = 1.0
"""How long one read waits for new entries; well below the time that a command may take."""

Taken = Literal["new", "seen", "gone", "busy", "obeyed"]
"""What became of a message: accepted, known already, deleted meanwhile, no room for it, or no
question but a wish that was granted (`wishes`)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A turn in the inbox. `id` is the stream's, so entries are in the order of acceptance."""

    id: str
    turn: str


class Inbox:
    """The inbox of one process in Redis.

    `worker` names the process: the next one of the same name goes on with what it left. At most
    `total` turns of a platform are open, and `each` of one conversation.
    """

    def __init__(self, client: Client, worker: str, *, total: int, each: int) -> None:
        self._client = client
        self._worker = worker
        self._total, self._each = total, each
        self._accept = script(client, "accept")
        self._close = script(client, "close")
        self._hold = script(client, "hold")
        self._first = script(client, "first")

    async def accept(self, turn: Turn, *, asked_at: float | None = None) -> Taken:
        """Accept a turn's question, with the turn itself, all or nothing.

        `asked_at` tells when the question was written, on the platform's clock; it is the turn's
        beginning when that is not known. A part that the turn has already (the notice that its
        question has to wait) becomes known as such. Raises StoreUnavailable: the same call may be
        repeated.
        """
        question, conversation = turn.question, turn.conversation
        notice = turn.parts[0].key if turn.parts else ""
        kept = to_hash(replace(turn, status="waiting"))
        fields = [text for pair in kept.items() for text in pair]
        with converted():
            taken: Taken = await self._accept(
                [
                    keys.seen(question.key),
                    keys.gone(question.key),
                    keys.turn(turn.id),
                    keys.conversation(conversation.key),
                    keys.message(question.key),
                    keys.inbox(question.platform),
                    keys.open_turns(conversation.key),
                    keys.PARTS,
                    keys.places(question.platform),
                    keys.askers(question.platform),
                    keys.asked(conversation.key),
                    keys.asked_by(turn.asker.key),
                    keys.asked_in(home_of(turn)),
                ],
                [
                    turn.id,
                    keys.SEEN_S,
                    keys.CONVERSATION_TURNS,
                    self._total,
                    self._each,
                    notice,
                    keys.message(notice) if notice else "",
                    time.time(),
                    conversation.key,
                    keys.PLACES_KEPT,
                    turn.asker.id,
                    turn.created_at if asked_at is None else asked_at,
                    keys.HOME_S,
                    keys.HOME_TURNS,
                    *fields,
                ],
            )
        return taken

    async def close(self, turn: Turn) -> bool:
        """End a turn; False when another worker holds it by now, or it was opened again: then
        nothing was changed."""
        platform, conversation = turn.question.platform, turn.conversation.key
        kept = some(turn, "status", "answer", "finish", "first_text_at", "finished_at")
        fields = [text for pair in kept.items() for text in pair]
        with converted():
            closed = await self._close(
                [keys.turn(turn.id), keys.inbox(platform), keys.open_turns(conversation)],
                [turn.id, GROUP, self._worker, turn.continued, *fields],
            )
        return bool(closed)

    async def is_first(self, turn: Turn) -> bool:
        """Whether the turn is the next of its conversation, or has nothing to wait for."""
        line = keys.open_turns(turn.conversation.key)
        with converted():
            return bool(await self._first([line], [turn.id, keys.turn("")]))

    async def left(self, platform: Platform) -> list[Entry]:
        """What this worker holds: at the start, what the last process of its name left.

        Call it before the first `read`, and again when the store was away.
        """
        await self._make_group(platform)
        with converted():
            found = await self._client.xreadgroup(
                GROUP, self._worker, {keys.inbox(platform): "0"}, count=self._total
            )
        return _entries(found)

    async def read(self, platform: Platform, limit: int) -> list[Entry]:
        """New entries, at most `limit`, which are this worker's now; waits up to READ_S."""
        with converted():
            found = await self._client.xreadgroup(
                GROUP,
                self._worker,
                {keys.inbox(platform): ">"},
                count=limit,
                block=int(READ_S * 1000),
            )
        return _entries(found)

    async def claim(self, platform: Platform, idle_s: float, limit: int) -> list[Entry]:
        """Entries of workers that gave no sign for `idle_s` seconds, which are ours now."""
        with converted():
            found = await self._client.xautoclaim(
                keys.inbox(platform),
                GROUP,
                self._worker,
                min_idle_time=int(idle_s * 1000),
                count=limit,
            )
        return [Entry(str(entry), str(fields["turn"])) for entry, fields in found[1]]

    async def hold(self, platform: Platform, entries: Iterable[Entry]) -> set[Entry]:
        """Give a sign of life for entries; those that are another's, or that another has ended."""
        by_id = {entry.id: entry for entry in entries}
        with converted():
            lost = await self._hold(
                [keys.inbox(platform), *(keys.turn(entry.turn) for entry in by_id.values())],
                [GROUP, self._worker, *by_id],
            )
        return {by_id[str(entry)] for entry in lost}

    async def waiting(self, platform: Platform) -> int:
        """How many turns are open."""
        with converted():
            return int(await self._client.xlen(keys.inbox(platform)))

    async def _make_group(self, platform: Platform) -> None:
        with converted():
            try:
                await self._client.xgroup_create(keys.inbox(platform), GROUP, id="0", mkstream=True)
            except ResponseError as error:
                if "BUSYGROUP" not in str(error):  # it is there already
                    raise


def _entries(found: object) -> list[Entry]:
    return [
        Entry(str(entry), str(fields["turn"]))
        for _, entries in cast("list[tuple[str, list[Any]]]", found or [])
        for entry, fields in entries
        if fields  # one that was taken out of the stream is still listed as ours
    ]
