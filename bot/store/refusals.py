"""Why people were refused last, for a day; and where they were told so a while ago."""

from dataclasses import asdict, dataclass

import orjson

from bot.access import Reason
from bot.domain import Person
from bot.store import keys
from bot.store.connection import Client, converted


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal: for what, in which channel (by its id), and when (seconds)."""

    reason: Reason
    channel: str
    is_dm: bool
    at: float


class Refusals:
    """The refusals in Redis; all methods raise StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def note(self, person: Person, refusal: Refusal) -> None:
        """Keep a person's last refusal."""
        pipe = self._client.pipeline(transaction=True)
        pipe.hset(keys.refused(person.key), "last", orjson.dumps(asdict(refusal)).decode())
        pipe.expire(keys.refused(person.key), keys.REFUSED_S)
        with converted():
            await pipe.execute()

    async def last(self, person: Person) -> Refusal | None:
        """A person's last refusal, if there was one within a day."""
        with converted():
            raw = await self._client.hget(keys.refused(person.key), "last")
        return None if raw is None else Refusal(**orjson.loads(raw))

    async def tell(self, person: Person, channel: str, *, at: float, every_s: float) -> bool:
        """Whether to tell a person now that they are refused in a channel: not if they were told
        within `every_s` seconds. Asked twice at once, it is told twice at most."""
        key, field = keys.refused(person.key), f"told {channel}"
        with converted():
            told = await self._client.hget(key, field)
            if told is not None and at - float(told) < every_s:
                return False
            await self._client.hset(key, field, at)
            await self._client.expire(key, keys.REFUSED_S)
        return True
