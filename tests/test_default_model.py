"""The main job with the real default model, once a platform: a sensible answer, and its vote."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.process import Candor, Seat, candor, seat, soon, votes

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]


@asynccontextmanager
async def bot_over_default_model(
    tmp_path: Path, model: Path
) -> AsyncIterator[tuple[Candor, Seat, dict[str, str]]]:
    settings = {
        "CANDOR_STATE_DIR": str(tmp_path / "state"),
        "CANDOR_SANDBOX_PORT": "0",
        "CANDOR_SERVE_MODEL": str(model),
        "CANDOR_MODEL_TEMPERATURE": "0",
    }
    async with candor("run", said=tmp_path / "bot.log", settings=settings) as bot:
        page = (await bot.says(r"(http://127\.0\.0\.1:\d+)\n"))[1]
        async with seat(page) as person:
            yield bot, person, settings


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_people_ask_in_a_channel_a_thread_and_a_direct_message_and_vote(
    platform: str, tmp_path: Path, default_model_dir: Path
) -> None:
    async with bot_over_default_model(tmp_path, default_model_dir) as (bot, person, settings):
        root = await person.write(platform, "random", "bob", "a thread about capitals")
        asked = {
            ("general", "alice"): await person.write(
                platform, "general", "alice", "@candor What is the capital of France?"
            ),
            ("random", "bob"): await person.write(
                platform, "random", "bob", "@candor What is the capital of Italy?", thread=root
            ),
            ("dm", "carol"): await person.write(
                platform, "dm", "carol", "What is the capital of Poland?"
            ),
        }
        expected = {"general": "Paris", "random": "Rome", "dm": "Warsaw"}
        await soon(all_ended(bot, len(asked)), within_s=240)
        for (channel, user), after in asked.items():
            answer = await _answer(person, platform, channel, user, after)
            assert expected[channel] in answer["text"]
            await person.react(platform, channel, answer["id"], user, "👍")

        async def voted() -> bool:
            found = await votes(settings)
            return {
                (vote["platform"], vote["person"]["name"], vote["value"]) for vote in found
            } == {(platform, name, 1) for name in ("Alice", "Bob", "Carol")}

        await soon(voted)


def all_ended(bot: Candor, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether the bot has ended that many answers, by its log."""

    async def ended() -> bool:
        return bot.said.count('"event": "answer"') >= count

    return ended


async def _answer(
    person: Seat, platform: str, channel: str, user: str, after: str
) -> dict[str, str]:
    """The answer with its last edit: the same for two seconds after the model's end."""
    seen: list[list[dict[str, str]]] = []

    async def steady() -> bool:
        seen.append(await person.answers(platform, channel, user, after=after))
        return len(seen) > 40 and bool(seen[-1]) and all(each == seen[-1] for each in seen[-40:])

    await soon(steady)
    return seen[-1][0]
