"""Releases are immutable records, and one of them answers."""

from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.domain import Release, Sampling
from bot.errors import StoreUnavailable
from bot.store.releases import Releases
from tests.bot.store.outage import outage

ONE = Release("r1", "smollm2", "You are Candor. ✓", Sampling(0.6, 0.9, 1.1, 512), 1.5)
TWO = replace(ONE, id="r2", system_prompt="", created_at=2.5)


async def test_at_first_no_release_answers(client: "Redis") -> None:
    assert await Releases(client).stable() is None
    assert await Releases(client).get("r1") is None


async def test_the_release_made_stable_answers_and_the_one_before_is_kept(client: "Redis") -> None:
    releases = Releases(client)
    assert await releases.make_stable(ONE) == ONE
    assert await releases.stable() == ONE
    assert await releases.make_stable(TWO) == TWO
    assert await releases.stable() == TWO
    assert await releases.get("r1") == ONE


async def test_a_release_is_never_written_again(client: "Redis") -> None:
    releases = Releases(client)
    await releases.make_stable(ONE)
    assert await releases.make_stable(replace(ONE, created_at=99.0)) == ONE
    assert await releases.stable() == ONE


async def test_without_the_server_releases_are_unavailable(client: "Redis", tmp_path: Path) -> None:
    releases = Releases(client)
    async with outage(client, tmp_path):
        with pytest.raises(StoreUnavailable):
            await releases.make_stable(ONE)
        with pytest.raises(StoreUnavailable):
            await releases.stable()
        with pytest.raises(StoreUnavailable):
            await releases.get("r1")
