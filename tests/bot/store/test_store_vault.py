"""Secrets at rest: nobody reads them without the key, and nobody loses a newer one."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from redis.asyncio import Redis

from bot.errors import StoreUnavailable
from bot.store.vault import Sealed, Vault
from tests.bot.store.outage import outage

WHERE = "candor:test-vault"
OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def vault(client: "Redis", *vault_keys: str) -> Vault:
    return Vault(client, WHERE, vault_keys or (NEW,))


async def test_what_is_kept_is_read_by_its_name_and_stands_nowhere_in_clear(
    client: "Redis",
) -> None:
    kept = await vault(client).put("T1", b"xoxb-secret\0with zero")
    assert await vault(client).get("T1") == kept
    assert vault(client).open(kept) == b"xoxb-secret\0with zero"
    assert await vault(client).get("T2") is None
    assert "xoxb" not in str(await client.hgetall(WHERE))


async def test_every_entry_is_listed(client: "Redis") -> None:
    one, two = [await vault(client).put(name, name.encode()) for name in ("T1", "T2")]
    assert await vault(client).entries() == {"T1": one, "T2": two}


async def test_another_key_and_another_name_open_nothing(client: "Redis") -> None:
    kept = await vault(client).put("T1", b"secret")
    assert vault(client, OLD).open(kept) is None
    assert vault(client).open(Sealed("T2", kept.value)) is None
    assert vault(client).open(Sealed("T1", "no ciphertext at all ✓")) is None


async def test_a_new_key_before_the_old_one_opens_what_either_sealed(client: "Redis") -> None:
    kept = await vault(client, OLD).put("T1", b"secret")
    both = vault(client, NEW, OLD)
    assert both.open(kept) == b"secret"
    renewed = await both.renew(kept)
    assert vault(client, NEW).open(renewed) == b"secret"
    assert await vault(client).get("T1") == renewed
    assert await both.renew(renewed) == renewed, "it is under the first key already"


async def test_an_entry_that_was_changed_meanwhile_is_neither_renewed_nor_dropped(
    client: "Redis",
) -> None:
    seen = await vault(client, OLD).put("T1", b"first")
    newer = await vault(client).put("T1", b"second")
    both = vault(client, NEW, OLD)
    assert await both.renew(seen) == seen
    assert not await both.drop(seen)
    assert await both.get("T1") == newer
    assert await both.drop(newer)
    assert await both.get("T1") is None
    assert not await both.drop(newer)


@pytest.mark.parametrize("vault_keys", [(), ("hunter2",)])
async def test_without_a_key_there_is_no_vault(client: "Redis", vault_keys: tuple[str]) -> None:
    with pytest.raises(ValueError):
        Vault(client, WHERE, vault_keys)


async def test_without_the_server_the_vault_is_unavailable(client: "Redis", tmp_path: Path) -> None:
    async with outage(client, tmp_path):
        with pytest.raises(StoreUnavailable):
            await vault(client).put("T1", b"secret")
        with pytest.raises(StoreUnavailable):
            await vault(client).entries()
        with pytest.raises(StoreUnavailable):
            await vault(client).drop(Sealed("T1", "x"))
