"""The personas of channels: immutable records, the one that answers in each, and their changes.

A home is a channel by its platform and id: `slack/C0123ABCD`. Every change is in the audit trail,
in the same step.
"""

from dataclasses import asdict, dataclass

import orjson

from bot.domain import Person
from bot.persona import NOTHING, Persona
from bot.store import keys
from bot.store.connection import Client, converted
from bot.store.scripts import script


@dataclass(frozen=True, slots=True)
class Version:
    """A change of a channel's persona; `persona` is an id, "" for none, and `by` a person's key."""

    persona: str
    by: str
    at: float


class Personas:
    """The personas in Redis; all methods raise StoreUnavailable."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._change = script(client, "persona")

    async def current(self, home: str) -> str:
        """The id of the persona that answers in a channel, "" for none."""
        with converted():
            return str(await self._client.hget(keys.PERSONAS, home) or "")

    async def get(self, persona_id: str) -> Persona:
        """A persona by its id; the one that adds nothing for "" or an id that is not known."""
        if not persona_id:
            return NOTHING
        with converted():
            raw = await self._client.get(keys.persona(persona_id))
        return NOTHING if raw is None else Persona(**orjson.loads(raw))

    async def change(self, home: str, before: str, persona: Persona, by: Person, at: float) -> bool:
        """Let a persona answer in a channel; False, with nothing changed, when it is no longer
        the one of id `before` that answers there."""
        version = Version(persona.id, by.key, at)
        with converted():
            changed = await self._change(
                [
                    keys.PERSONAS,
                    keys.personas(home),
                    keys.persona(persona.id),
                    keys.AUDIT,
                ],
                [
                    home,
                    before,
                    persona.id,
                    orjson.dumps(asdict(persona)),
                    orjson.dumps(asdict(version)),
                    keys.PERSONAS_KEPT,
                    by.key,
                    keys.AUDIT_KEPT,
                ],
            )
        return bool(changed)

    async def versions(self, home: str, limit: int) -> list[Version]:
        """The latest changes in a channel, at most `limit`, the latest first."""
        with converted():
            found = await self._client.lrange(keys.personas(home), 0, limit - 1)
        return [Version(**orjson.loads(raw)) for raw in found]
