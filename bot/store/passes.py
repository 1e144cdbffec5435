"""Passes: random words that are good for one use within a few minutes, in whichever process."""

import hashlib
import secrets

from bot.store.connection import Client, converted
from bot.store.keys import one_pass


class Passes:
    """The passes of one purpose in Redis, which holds no word itself but its hash."""

    def __init__(self, client: Client, purpose: str, lifetime_s: int) -> None:
        self._client = client
        self._purpose = purpose
        self.lifetime_s = lifetime_s

    async def issue(self) -> str:
        """A new pass."""
        word = secrets.token_urlsafe(32)
        with converted():
            await self._client.set(self._key(word), "1", ex=self.lifetime_s)
        return word

    async def consume(self, word: str) -> bool:
        """Whether the pass is good; it is not any more from now on."""
        with converted():
            return await self._client.getdel(self._key(word)) is not None

    def _key(self, word: str) -> str:
        digest = hashlib.sha256(word.encode("utf-8", "surrogatepass")).hexdigest()
        return one_pass(self._purpose, digest)
