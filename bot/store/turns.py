"""Turns: one hash each, a list of them for each conversation, and a map from messages to them."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, TypeAlias

import orjson

from bot.domain import Conversation, MessageRef, Person, Turn
from bot.store import keys
from bot.store.connection import Client, converted

# What redis-py takes as a hash; its mapping type is invariant.
Key: TypeAlias = bytes | bytearray | memoryview | str | int | float
Value: TypeAlias = Key


class Turns:
    """The turns in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def add(self, turn: Turn) -> None:
        """Keep a new turn, as the latest of its conversation; its question maps to it."""
        conversation = keys.conversation(turn.conversation.key)
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(keys.turn(turn.id), mapping=_to_hash(turn))
        pipe.rpush(conversation, turn.id)
        pipe.ltrim(conversation, -keys.CONVERSATION_TURNS, -1)
        pipe.set(keys.message(turn.question.key), f"question {turn.id}")
        with converted():
            await pipe.execute()

    async def save(self, turn: Turn) -> None:
        """Keep what changed in a turn."""
        with converted():
            await self._client.hset(keys.turn(turn.id), mapping=_to_hash(turn))

    async def add_part(self, turn: str, ref: MessageRef) -> None:
        """Map a message of an answer to its turn; reactions on it are votes from now on."""
        with converted():
            await self._client.set(keys.message(ref.key), f"part {turn}")

    async def get(self, turn_id: str) -> Turn | None:
        """One turn by its id."""
        return (await self.get_many([turn_id]))[0]

    async def get_many(self, turn_ids: Sequence[str]) -> list[Turn | None]:
        """The turns of these ids, in order."""
        pipe = self._client.pipeline(transaction=False)
        for turn_id in turn_ids:
            pipe.hgetall(keys.turn(turn_id))
        with converted():
            return [_from_hash(values) if values else None for values in await pipe.execute()]

    async def answered_by(self, message: str) -> str | None:
        """The id of the turn whose answer a message (by its key) is a part of."""
        role, turn_id = await self._find(message)
        return turn_id if role == "part" else None

    async def of_message(self, message: str) -> Turn | None:
        """The turn that a message (by its key) asks or answers."""
        _, turn_id = await self._find(message)
        return await self.get(turn_id) if turn_id else None

    async def knows(self, conversation: Conversation) -> bool:
        """Whether the conversation has had a turn."""
        with converted():
            return bool(await self._client.exists(keys.conversation(conversation.key)))

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


def _to_hash(turn: Turn) -> dict[Key, Value]:
    values = asdict(turn)
    fixed = {name: values.pop(name) for name in ("conversation", "question", "asker")}
    return {
        **{name: orjson.dumps(value) for name, value in fixed.items()},
        **{name: "" if value is None else str(value) for name, value in values.items()},
    }


def _from_hash(values: dict[str, Any]) -> Turn:
    return Turn(
        id=values["id"],
        conversation=Conversation(**orjson.loads(values["conversation"])),
        question=MessageRef(**orjson.loads(values["question"])),
        asker=Person(**orjson.loads(values["asker"])),
        text=values["text"],
        release=values["release"],
        created_at=float(values["created_at"]),
        status=values["status"],
        answer=values["answer"],
        finish=values["finish"] or None,
        first_text_at=_time(values["first_text_at"]),
        finished_at=_time(values["finished_at"]),
    )


def _time(value: str) -> float | None:
    return float(value) if value else None
