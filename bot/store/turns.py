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
from bot.store.turn_hash import from_hash, part_field, some

Deleted = Literal["withdrawn", "running", "part"]
"""What a deleted message was: a question that waited, one that is being answered, a part."""


class Turns:
    """The turns in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._begin = script(client, "begin")
        self._deleted = script(client, "deleted")
        self._amend = script(client, "amend")

    async def begin(self, turn_id: str, release: str) -> Turn | None:
        """Let the answer begin, or go on; the turn as it stands, or None when it has ended.

        What another release said of the answer is dropped.
        """
        with converted():
            flat = cast("list[str]", await self._begin([keys.turn(turn_id)], [release]))
        return from_hash(dict(zip(flat[::2], flat[1::2], strict=True))) if flat else None

    async def progress(self, turn: Turn) -> bool:
        """Keep how far the answer has come; whether its question was deleted meanwhile."""
        pipe = self._client.pipeline(transaction=True)
        kept = some(turn, "answer", "finish", "first_text_at")
        pipe.hset(keys.turn(turn.id), items=[text for pair in kept.items() for text in pair])
        pipe.hexists(keys.turn(turn.id), "withdrawn")
        with converted():
            _, withdrawn = await pipe.execute()
        return bool(withdrawn)

    async def intend(self, turn_id: str, text: str) -> None:
        """Keep that a message with this text is about to be posted as the turn's next part."""
        with converted():
            await self._client.hset(keys.turn(turn_id), "posting", text)

    async def add_part(self, turn_id: str, part: int, ref: MessageRef) -> None:
        """Map a message of an answer to its turn; reactions on it are votes from now on."""
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(keys.turn(turn_id), part_field(part), ref.message)
        pipe.hdel(keys.turn(turn_id), "posting")
        pipe.set(keys.message(ref.key), f"part {turn_id}")
        pipe.zadd(keys.PARTS, {ref.key: time.time()})
        pipe.zremrangebyrank(keys.PARTS, 0, -keys.PARTS_KEPT - 1)
        with converted():
            await pipe.execute()

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
                [keys.message(ref.key), keys.gone(ref.key)], [keys.turn(""), keys.GONE_S]
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
        if limit <= 0:
            return []
        with converted():
            turn_ids = await self._client.lrange(keys.conversation(conversation.key), -limit, -1)
        turns = await self.get_many([str(turn_id) for turn_id in turn_ids])
        return [turn for turn in turns if turn is not None]

    async def window(self, conversation: Conversation) -> str | None:
        """The id of the first turn that the conversation's memory still holds, if one was set."""
        with converted():
            turn_id = await self._client.get(keys.window(conversation.key))
        return None if turn_id is None else str(turn_id)

    async def set_window(self, conversation: Conversation, turn_id: str) -> None:
        """Let the conversation's memory begin with this turn."""
        with converted():
            await self._client.set(keys.window(conversation.key), turn_id)

    async def _find(self, message: str) -> tuple[str, str]:
        with converted():
            value = await self._client.get(keys.message(message)) or ""
        role, _, turn_id = str(value).partition(" ")
        return role, turn_id
