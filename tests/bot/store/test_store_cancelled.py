"""A task that is cancelled in a call to the store ends, whenever that comes."""

import asyncio

from redis.asyncio import Redis

from bot.store.places import Places
from tests.waiting import until


async def test_a_cancellation_is_never_lost_in_a_call(client: "Redis") -> None:
    """`asyncio.wait_for`, which redis-py uses, drops one that comes as the wait ends."""
    places = Places(client)
    began = 0

    async def for_ever() -> None:
        nonlocal began
        while True:
            began += 1
            await places.set_awake("slack", 1.0)

    for steps in range(150):
        task = asyncio.create_task(for_ever())
        await until(lambda before=began: began >= before + 2, every_s=0)  # type: ignore[misc]
        for _ in range(steps % 15):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=2)
        if not done:
            task.cancel()
        assert done, f"it goes on after a cancellation {steps % 15} steps later"
        assert task.cancelled()
