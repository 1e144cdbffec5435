"""A message is accepted once, whoever delivers it how often."""

import asyncio
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.errors import StoreUnavailable
from bot.store import keys
from bot.store.inbox import Inbox
from tests.bot.turns_of import message


async def test_a_message_is_accepted_once(client: "Redis") -> None:
    inbox, one = Inbox(client), message()
    assert await inbox.accept(one)
    assert not await inbox.accept(one)
    assert not await Inbox(client).accept(one)
    assert await inbox.accept(message())


async def test_the_same_message_of_another_channel_or_platform_is_another(client: "Redis") -> None:
    inbox, one = Inbox(client), message()
    assert await inbox.accept(one)
    assert await inbox.accept(replace(one, channel="D2"))
    assert await inbox.accept(replace(one, platform="discord"))
    assert not await inbox.accept(replace(one, workspace="T2"))


async def test_of_many_deliveries_at_once_exactly_one_is_accepted(client: "Redis") -> None:
    inbox, one = Inbox(client), message()
    accepted = await asyncio.gather(*(inbox.accept(one) for _ in range(50)))
    assert accepted.count(True) == 1


async def test_a_message_is_forgotten_after_a_day_and_not_sooner(client: "Redis") -> None:
    one = message()
    await Inbox(client).accept(one)
    left_s = await client.ttl(keys.seen(one.key))
    assert keys.SEEN_S - 60 < left_s <= keys.SEEN_S
    assert keys.SEEN_S >= 24 * 3600


async def test_a_second_delivery_does_not_lengthen_the_memory_of_the_first(
    client: "Redis",
) -> None:
    one = message()
    await Inbox(client).accept(one)
    await client.expire(keys.seen(one.key), 100)
    await Inbox(client).accept(one)
    assert await client.ttl(keys.seen(one.key)) <= 100


async def test_without_the_server_accepting_is_unavailable(client: "Redis") -> None:
    inbox = Inbox(client)
    await client.shutdown(nosave=True)
    with pytest.raises(StoreUnavailable):
        await inbox.accept(message())
