"""What people are called, as the platforms last told."""

from collections.abc import Sequence

from bot.domain import PLATFORMS, Person
from bot.store import keys
from bot.store.connection import Client, converted


class People:
    """Names by person, in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def remember(self, person: Person) -> None:
        """Keep the person's name, if there is one."""
        if person.name:
            with converted():
                await self._client.hset(keys.PEOPLE, person.key, person.name)

    async def get_many(self, person_keys: Sequence[str]) -> list[Person]:
        """The people of these keys, in order; a name that is not known is the id."""
        if not person_keys:
            return []
        with converted():
            names = await self._client.hmget(keys.PEOPLE, list(person_keys))
        named = zip(person_keys, names, strict=True)
        return [person_of(key, str(name or "")) for key, name in named]


def person_of(key: str, name: str = "") -> Person:
    """The person of a key; without a name it is the id."""
    platform, _, person_id = key.partition("/")
    if platform not in PLATFORMS:
        raise ValueError(f"{key!r} is no person's key")
    return Person(platform, person_id, name or person_id)
