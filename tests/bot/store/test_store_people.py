"""What people are called."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.domain import Person
from bot.errors import StoreUnavailable
from bot.store.people import People
from tests.bot.store.outage import outage

ANA = Person("slack", "U1", "Ana")
BO = Person("discord", "1", "Bó 🐌")


async def test_people_are_given_back_in_order_with_their_names(client: "Redis") -> None:
    people = People(client)
    await people.remember(ANA)
    await people.remember(BO)
    assert await people.get_many([BO.key, ANA.key, BO.key]) == [BO, ANA, BO]
    assert await people.get_many([]) == []


async def test_a_person_without_a_known_name_is_called_by_the_id(client: "Redis") -> None:
    assert await People(client).get_many(["slack/U9"]) == [Person("slack", "U9", "U9")]


async def test_the_latest_name_counts_and_an_unknown_one_changes_nothing(
    client: "Redis",
) -> None:
    people = People(client)
    await people.remember(ANA)
    await people.remember(Person("slack", "U1", "Ana B."))
    await people.remember(Person("slack", "U1"))
    assert await people.get_many([ANA.key]) == [Person("slack", "U1", "Ana B.")]


async def test_the_same_id_on_another_platform_is_another_person(client: "Redis") -> None:
    people = People(client)
    await people.remember(Person("slack", "1", "Ana"))
    await people.remember(BO)
    assert [one.name for one in await people.get_many(["slack/1", "discord/1"])] == [
        "Ana",
        "Bó 🐌",
    ]


async def test_a_key_that_is_no_person_s_is_refused(client: "Redis") -> None:
    with pytest.raises(ValueError, match="'irc/ana' is no person's key"):
        await People(client).get_many(["irc/ana"])


async def test_without_the_server_people_are_unavailable(client: "Redis", tmp_path: Path) -> None:
    people = People(client)
    async with outage(client, tmp_path):
        with pytest.raises(StoreUnavailable):
            await people.remember(ANA)
        with pytest.raises(StoreUnavailable):
            await people.get_many([ANA.key])
