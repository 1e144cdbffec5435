"""Releases: immutable records, and the pointer to the one that answers."""

from dataclasses import asdict

import orjson

from bot.domain import Release, Sampling
from bot.store import keys
from bot.store.connection import Client, converted


class Releases:
    """The releases in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def make_stable(self, release: Release) -> Release:
        """Keep the release, if it is new, and let it answer from now on; returns the kept one."""
        with converted():
            await self._client.set(keys.release(release.id), orjson.dumps(asdict(release)), nx=True)
            await self._client.set(keys.STABLE, release.id)
        kept = await self.get(release.id)
        return kept or release

    async def stable(self) -> Release | None:
        """The release that answers, if there is one."""
        with converted():
            release_id = await self._client.get(keys.STABLE)
        return await self.get(str(release_id)) if release_id else None

    async def get(self, release_id: str) -> Release | None:
        """One release by its id."""
        with converted():
            raw = await self._client.get(keys.release(release_id))
        if raw is None:
            return None
        values = orjson.loads(raw)
        return Release(**{**values, "sampling": Sampling(**values["sampling"])})
