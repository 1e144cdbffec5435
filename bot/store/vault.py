"""Secrets at rest: one hash in Redis whose values nobody reads without the key.

Promises: what is kept is encrypted and signed (Fernet: AES-128-CBC with HMAC-SHA256) and bound to
its name, so that a value moved to another name does not open; an entry that was changed meanwhile
is neither overwritten nor dropped by whoever saw it before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bot.store.connection import Client, converted
from bot.store.scripts import script


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry as it is kept; `value` is the same only for as long as nobody wrote it anew."""

    name: str
    value: str


class Vault:
    """The entries of one Redis hash.

    Of `vault_keys` (url-safe base64 of 32 bytes each) the first encrypts, and all decrypt: a new
    key is put before the old one, which may go once everything was sealed anew.
    """

    def __init__(self, client: Client, where: str, vault_keys: Sequence[str]) -> None:
        """Raises ValueError for no key, or one of the wrong form."""
        ciphers = [Fernet(key) for key in vault_keys]
        self._newest = ciphers[0] if ciphers else None
        self._any = MultiFernet(ciphers)
        self._client = client
        self._where = where
        self._swap = script(client, "swap")

    async def entries(self) -> Mapping[str, Sealed]:
        """Everything that is kept, by name."""
        with converted():
            found = await self._client.hgetall(self._where)
        return {str(name): Sealed(str(name), str(value)) for name, value in found.items()}

    async def get(self, name: str) -> Sealed | None:
        """One entry, or None."""
        with converted():
            value = await self._client.hget(self._where, name)
        return None if value is None else Sealed(name, str(value))

    async def put(self, name: str, content: bytes) -> Sealed:
        """Keep content under a name, in place of what was there."""
        sealed = self._seal(name, content)
        with converted():
            await self._client.hset(self._where, name, sealed.value)
        return sealed

    def open(self, sealed: Sealed) -> bytes | None:
        """What an entry holds; None when no key opens it, or it was another's."""
        try:
            content = self._any.decrypt(sealed.value)
        except (InvalidToken, ValueError):  # ValueError: it is not even ASCII
            return None
        name, _, content = content.partition(b"\0")
        return content if name == sealed.name.encode() else None

    async def renew(self, sealed: Sealed) -> Sealed:
        """Seal an entry with the first key, unless it is, or was changed meanwhile."""
        content = self.open(sealed)
        if content is None or self._is_new(sealed):
            return sealed
        renewed = self._seal(sealed.name, content)
        return renewed if await self._replace(sealed, renewed.value) else sealed

    async def drop(self, sealed: Sealed) -> bool:
        """Drop an entry; False when it was changed meanwhile, or is gone."""
        return await self._replace(sealed, "")

    def _seal(self, name: str, content: bytes) -> Sealed:
        return Sealed(name, self._any.encrypt(name.encode() + b"\0" + content).decode())

    def _is_new(self, sealed: Sealed) -> bool:
        try:
            return self._newest is not None and bool(self._newest.decrypt(sealed.value))
        except InvalidToken:
            return False

    async def _replace(self, sealed: Sealed, value: str) -> bool:
        with converted():
            return bool(await self._swap([self._where], [sealed.name, sealed.value, value]))
