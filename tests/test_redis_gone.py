"""Redis dies, stays away, and comes back, with real processes over real sockets."""

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bot.store.embedded import embedded_server
from tests.house import house
from tests.process import soon
from tests.scripted_model import ScriptedModel

PLATFORMS = ("slack", "discord")


def kill(directory: Path) -> None:
    """End a Valkey as a crash would."""
    os.kill(int((directory / "valkey.pid").read_text()), signal.SIGKILL)


async def test_an_embedded_server_that_died_is_started_again_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    async with house(tmp_path) as up:
        for platform in PLATFORMS:
            await up.seat.write(platform, "dm", "alice", "one")
            await up.seat.sees(platform, "dm", "I heard: one")
        kill(tmp_path / "state/valkey")
        for platform in PLATFORMS:
            asked = await up.seat.write(platform, "dm", "alice", "two")
            await up.seat.sees(platform, "dm", "I heard: two", after=asked)
        said = [message["content"] for message in up.model.requests[-1]["messages"]]
        assert said[1:] == ["one", "I heard: one", "two"]


@pytest.mark.slow
async def test_a_redis_that_is_gone_for_half_a_minute_loses_nothing(tmp_path: Path) -> None:
    """What came before, meanwhile, and in the middle of an answer."""
    going_on = asyncio.Event()

    def answer(messages: list[dict[str, str]]) -> list[object]:
        asked = messages[-1]["content"]
        wait = [going_on.wait] if asked.startswith("slow") else []
        return ["I heard: ", *wait, asked]

    directory = tmp_path / "redis"
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(embedded_server(directory))
        # The embedded server's own watch would start it again at once.
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if "_watch" in repr(task.get_coro()):
                task.cancel()
        more = {"CANDOR_REDIS_URL": url, "CANDOR_REDIS_TIMEOUT_S": "2"}
        model = ScriptedModel(answer=answer)  # type: ignore[arg-type]
        up = await stack.enter_async_context(house(tmp_path, model, more))
        voted = {}
        for platform in PLATFORMS:
            await up.seat.write(platform, "dm", "alice", "one")
            [voted[platform]] = await up.seat.sees(platform, "dm", "I heard: one")
            await up.seat.write(platform, "dm", "bob", "slow")
            await up.seat.sees(platform, "dm", "I heard:", "bob")
        kill(directory)
        for platform in PLATFORMS:
            await up.seat.write(platform, "dm", "carol", "meanwhile")
            await up.seat.react(platform, "dm", voted[platform]["id"], "alice", "👎")

        async def told() -> bool:
            notices = [await up.seat.answers(each, "dm", "carol") for each in PLATFORMS]
            return all(len(each) == 1 and "my memory" in each[0]["text"] for each in notices)

        await soon(told)
        going_on.set()
        await asyncio.sleep(30)
        async with embedded_server(directory):
            for platform in PLATFORMS:
                await up.seat.sees(platform, "dm", "I heard: slow", "bob")
                await up.seat.sees(platform, "dm", "I heard: meanwhile", "carol")

            async def counted() -> bool:
                found = await up.votes()
                return sorted(found) == [("discord", "Alice", -1), ("slack", "Alice", -1)]

            await soon(counted)
            for platform in PLATFORMS:
                asked = await up.seat.write(platform, "dm", "carol", "after")
                await up.seat.sees(platform, "dm", "I heard: after", "carol", after=asked)
