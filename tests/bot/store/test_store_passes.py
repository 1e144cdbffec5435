"""A pass is good once, for its time, and its word is not in the store."""

from redis.asyncio import Redis

from bot.store.passes import Passes
from tests.waiting import until


async def test_a_pass_is_good_once_in_whichever_process(client: "Redis") -> None:
    word = await Passes(client, "test", 60).issue()
    assert word not in str(await client.keys("*"))
    assert not await Passes(client, "other", 60).consume(word)
    assert await Passes(client, "test", 60).consume(word)
    assert not await Passes(client, "test", 60).consume(word)


async def test_a_word_that_nobody_issued_is_not_good(client: "Redis") -> None:
    passes = Passes(client, "test", 60)
    assert not await passes.consume("")
    assert not await passes.consume("\ud800 guessed")


async def test_a_pass_ends_by_itself(client: "Redis") -> None:
    passes = Passes(client, "test", 1)
    word = await passes.issue()
    assert await client.keys("*pass*")

    async def is_gone() -> bool:
        return not await client.keys("*pass*")

    await until(is_gone, within_s=3)
    assert not await passes.consume(word)
