"""Turns: one hash each, a list of them for each conversation, and a map from messages to them.

How a turn comes to be, and how it ends, is `inbox`'s: those steps concern the queue as well.
"""

import math
import time
from collections.abc import Sequence
from typing import Literal, cast

from bot.domain import Conversation, MessageRef, Turn
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.scripts import script
from bot.store.turn_hash import from_hash, notes_of, part_field, some

Deleted = Literal["withdrawn", "running", "part"]
"""What a deleted message was: a question that waited, one that is being answered, a part."""

Hush = Literal["withdrawn", "stopped"]
"""Why an answer has to end where it is: its question was deleted, or somebody stopped it."""


class Turns:
    """The turns in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._begin = script(client, "begin")
        self._deleted = script(client, "deleted")
        self._amend = script(client, "amend")
        self._write = script(client, "write")
        self._part = script(client, "part")

    async def begin(self, turn_id: str, release: str) -> Turn | None:
        """Let the answer begin, or go on; the turn as it stands, or None when it has ended.

        What another release said of the answer is dropped.
        """
        with converted():
            flat = cast("list[str]", await self._begin([keys.turn(turn_id)], [release]))
        return from_hash(dict(zip(flat[::2], flat[1::2], strict=True))) if flat else None

    async def progress(self, turn: Turn) -> Hush | None:
        """Keep how far the answer has come; whether it has to end there."""
        kept = some(turn, "answer", "finish", "first_text_at") | notes_of(turn)
        return await self._keep(turn.id, [text for pair in kept.items() for text in pair])

    async def hushed(self, turn_id: str) -> Hush | None:
        """Whether the answer has to end where it is."""
        return await self._keep(turn_id, [])

    async def intend(self, turn_id: str, text: str) -> None:
        """Keep that a message with this text is about to be posted as the turn's next part."""
        await self._keep(turn_id, ["posting", text])

    async def add_part(self, turn_id: str, part: int, ref: MessageRef) -> None:
        """Map a message of an answer to its turn; reactions on it are votes from now on."""
        with converted():
            await self._part(
                [keys.turn(turn_id), keys.message(ref.key), keys.PARTS],
                [
                    turn_id,
                    part_field(part),
                    ref.message,
                    ref.key,
                    time.time(),
                    keys.PARTS_KEPT,
                ],
            )

    async def note_files(self, turn_id: str, note: str) -> None:
        """Keep how far the files below an answer are; see `Turn.files`."""
        with converted():
            await self._client.hset(keys.turn(turn_id), "files", note)

    async def spare_part(self, turn_id: str, ref: MessageRef) -> None:
        """A part is about to be deleted, since the answer no longer needs it: no vote on it counts
        from now on, and that it is deleted is no news."""
        with converted():
            await self._client.set(keys.message(ref.key), f"surplus {turn_id}")

    async def drop_part(self, turn_id: str, part: int) -> None:
        """Forget the last part, which the answer no longer needs; its votes stay."""
        with converted():
            await self._client.hdel(keys.turn(turn_id), part_field(part))

    async def deleted(self, ref: MessageRef) -> tuple[str, Deleted] | None:
        """A message was deleted: the turn that this concerns, and how.

        One that is not known yet is not accepted any more.
        """
        with converted():
            found = await self._deleted(
                [keys.message(ref.key), keys.gone(ref.key)],
                [keys.turn(""), keys.GONE_S, keys.retries("")],
            )
        return (str(found[0]), found[1]) if found else None

    async def amend(self, ref: MessageRef, text: str) -> str | None:
        """Change the text of a question that still waits; its turn, or None."""
        with converted():
            turn_id = await self._amend([keys.message(ref.key)], [keys.turn(""), text])
        return str(turn_id) or None

    async def get(self, turn_id: str) -> Turn | None:
        """One turn by its id."""
        return (await self.get_many([turn_id]))[0]

    async def get_many(self, turn_ids: Sequence[str]) -> list[Turn | None]:
        """The turns of these ids, in order."""
        pipe = self._client.pipeline(transaction=False)
        for turn_id in turn_ids:
            pipe.hgetall(keys.turn(turn_id))
        with converted():
            return [from_hash(fields) if fields else None for fields in await pipe.execute()]

    async def recent_parts(self, since: float, limit: int) -> list[str]:
        """The keys of the messages posted since then, newest first, at most `limit`."""
        with converted():
            found = await self._client.zrange(
                keys.PARTS, "+inf", since, desc=True, byscore=True, offset=0, num=limit
            )
        return [str(key) for key in found]

    async def answered_by(self, message: str) -> str | None:
        """The id of the turn whose answer a message (by its key) is a part of."""
        role, turn_id = await self._find(message)
        return turn_id if role == "part" else None

    async def of_message(self, message: str) -> Turn | None:
        """The turn that a message (by its key) asks or answers."""
        _, turn_id = await self._find(message)
        return await self.get(turn_id) if turn_id else None

    async def knows(self, conversation: Conversation, by: float = math.inf) -> bool:
        """Whether the conversation had a question by then, in seconds on the platform's clock."""
        pipe = self._client.pipeline(transaction=False)
        pipe.get(keys.asked(conversation.key))
        pipe.exists(keys.conversation(conversation.key))
        with converted():
            asked, is_known = await pipe.execute()
        # A conversation older than this key has had its first question long ago.
        return bool(is_known) if asked is None else float(asked) <= by

    async def history(self, conversation: Conversation, limit: int) -> list[Turn]:
        """The latest turns of a conversation, at most `limit`, oldest first."""
        return await self._slice(conversation, -limit, -1) if limit > 0 else []

    async def before(self, turn: Turn, limit: int) -> list[Turn]:
        """The turns of its conversation before this turn's question was asked, at most `limit`,
        oldest first."""
        with converted():
            found_at = await self._client.lpos(keys.conversation(turn.conversation.key), turn.first)
        at = cast("int | None", found_at)
        if not at or limit <= 0:  # it is the first, or too old to be listed
            return []
        found = await self._slice(turn.conversation, max(0, at - limit), at - 1)
        ids = [each.id for each in found]
        # A list that was trimmed between the two reads has moved.
        return found[: ids.index(turn.first)] if turn.first in ids else found

    async def first(self, conversation: Conversation) -> Turn | None:
        """The first turn of a conversation, as far as its turns are kept."""
        with converted():
            turn_id = await self._client.lindex(keys.conversation(conversation.key), 0)
        return await self.get(str(turn_id)) if turn_id else None

    async def window(self, conversation: Conversation) -> str | None:
        """The id of the first turn that the conversation's memory still holds, if one was set."""
        with converted():
            turn_id = await self._client.get(keys.window(conversation.key))
        return None if turn_id is None else str(turn_id)

    async def set_window(self, conversation: Conversation, turn_id: str) -> None:
        """Let the conversation's memory begin with this turn."""
        with converted():
            await self._client.set(keys.window(conversation.key), turn_id)

    async def _keep(self, turn_id: str, items: Sequence[str]) -> Hush | None:
        with converted():
            hush: Hush | None = await self._write([keys.turn(turn_id)], items) or None
        return hush

    async def _slice(self, conversation: Conversation, start: int, stop: int) -> list[Turn]:
        with converted():
            found = await self._client.lrange(keys.conversation(conversation.key), start, stop)
        turns = await self.get_many([str(turn_id) for turn_id in found])
        return [turn for turn in turns if turn is not None]

    async def begin_anew(self, conversation: Conversation, at: float) -> None:
        """Let the conversation's memory hold nothing that was asked until then (seconds)."""
        with converted():
            await self._client.set(keys.fresh(conversation.key), at)

    async def began_anew(self, conversation: Conversation) -> float:
        """The time until which the memory was told to hold nothing; 0 when it never was."""
        with converted():
            return float(await self._client.get(keys.fresh(conversation.key)) or 0)

    async def _find(self, message: str) -> tuple[str, str]:
        with converted():
            value = await self._client.get(keys.message(message)) or ""
        role, _, turn_id = str(value).partition(" ")
        return role, turn_id
