"""Materials: what was read of the files of questions, and of what was said before them.

One JSON string each, which ends by itself some time after it was last written. The turns do
without: what is not there is read again, or left out.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

from pydantic import TypeAdapter, ValidationError

from bot.context.material import Material, Talk
from bot.domain import Conversation
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.scripts import script

_Kept = TypeVar("_Kept")

_MATERIAL: Final = TypeAdapter(Material)
_TALK: Final = TypeAdapter(Talk)


class Materials:
    """The materials in Redis; each is kept for `keep_s` seconds."""

    def __init__(self, client: Client, *, keep_s: float) -> None:
        self._client = client
        self._keep_ms = int(keep_s * 1000)
        self._keep = script(client, "keep_material")

    async def of(self, turn_ids: Sequence[str]) -> Mapping[str, Material]:
        """What is kept of these turns, by their ids; those without are left out."""
        if not turn_ids:
            return {}
        with converted():
            found = await self._client.mget([keys.material(turn_id) for turn_id in turn_ids])
        return {
            turn_id: material
            for turn_id, kept in zip(turn_ids, found, strict=True)
            if kept and (material := _read(_MATERIAL, kept)) is not None
        }

    async def keep(self, turn_id: str, material: Material) -> None:
        """Keep what was read for a turn, in place of what was kept; nothing of a turn that is
        forgotten."""
        with converted():
            await self._keep(
                [keys.turn(turn_id), keys.material(turn_id)],
                [_MATERIAL.dump_json(material), self._keep_ms],
            )

    async def talk(self, conversation: Conversation) -> Talk | None:
        """What was said before a conversation, None when that was not read yet."""
        with converted():
            kept = await self._client.get(keys.talk(conversation.key))
        return _read(_TALK, kept) if kept else None

    async def keep_talk(self, conversation: Conversation, talk: Talk) -> None:
        """Keep what was said before a conversation."""
        with converted():
            await self._client.set(
                keys.talk(conversation.key), _TALK.dump_json(talk), px=self._keep_ms
            )


def _read(adapter: "TypeAdapter[_Kept]", kept: str | bytes) -> "_Kept | None":
    """What was kept; None for what another version of Candor kept in another form."""
    try:
        return adapter.validate_json(kept)
    except ValidationError:
        return None
