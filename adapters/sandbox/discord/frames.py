"""What clients send over the gateway, validated; a fault closes the connection with 4002."""

from typing import Annotated, Any, Final

import orjson
from aiohttp import WSMsgType
from pydantic import BaseModel, Field

from adapters.sandbox.discord.ids import GUILD_ID
from adapters.sandbox.discord.model import Json
from adapters.sandbox.discord.payload import Payloads

MAX_PAYLOAD: Final = 4096
"""A longer payload is refused (Gateway, Sending Events)."""

Snowflake = Annotated[int, Field(ge=0, lt=1 << 63)]
"""An id: a JSON string of digits or a number, Discord takes both."""


class Refused(Exception):
    """The client did what the gateway answers by closing with `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(f"close with {code}")
        self.code = code


def read_frame(kind: WSMsgType, raw: Any) -> tuple[int, Any]:
    """The opcode and the data of a client's frame; raises Refused (4002)."""
    if kind is not WSMsgType.TEXT or len(raw.encode()) > MAX_PAYLOAD:
        raise Refused(4002)
    try:
        payload = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Refused(4002) from None
    if not isinstance(payload, dict) or not isinstance(payload.get("op"), int):
        raise Refused(4002)
    return payload["op"], payload.get("d")


class Identify(BaseModel):
    """Op 2."""

    token: str
    properties: dict[str, Any]
    intents: int
    shard: tuple[int, int] | None = None
    large_threshold: Annotated[int, Field(ge=50, le=250)] = 50


class Resume(BaseModel):
    """Op 6."""

    token: str
    session_id: str
    seq: int


class RequestMembers(BaseModel):
    """Op 8: by name prefix (`query`, "" for all) or by id."""

    guild_id: Snowflake
    query: str | None = None
    limit: Annotated[int, Field(ge=0, le=100)] = 0
    user_ids: Snowflake | list[Snowflake] | None = None
    nonce: str | None = None

    def chunk(self, payloads: Payloads) -> Json:
        """The one GUILD_MEMBERS_CHUNK that answers it; a guild this small needs no second."""
        body: Json = {"guild_id": str(GUILD_ID), "chunk_index": 0, "chunk_count": 1}
        if self.nonce is not None:
            body["nonce"] = self.nonce
        members = payloads.members()
        if self.user_ids is not None:
            asked = self.user_ids if isinstance(self.user_ids, list) else [self.user_ids]
            wanted = [str(user_id) for user_id in asked]
            found = [one for one in members if one["user"]["id"] in wanted]
            known = {one["user"]["id"] for one in found}
            return {
                **body,
                "members": found,
                "not_found": [id_ for id_ in wanted if id_ not in known],
            }
        prefix = self.query or ""
        named = [one for one in members if one["user"]["username"].startswith(prefix)]
        return {**body, "members": named[: self.limit] if self.limit else named}
