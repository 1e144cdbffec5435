"""What a person who runs Candor may get wrong: one clear line each, and a non-zero exit."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from pathlib import Path

import psutil
import pytest

from tests.process import Candor, candor, seat, soon
from tests.scripted_model import scripted_model
from tests.tiny_model import make_tiny_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that loads in a moment."""
    return make_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on loopback that somebody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


def lines(running: Candor) -> list[str]:
    """What was printed for a person: all but the log events."""
    return [line for line in running.said.splitlines() if line and not line.startswith("{")]


async def fails(
    *arguments: str, tmp_path: Path, settings: dict[str, str], status: int = 1
) -> list[str]:
    """Run a command that must end with `status` by itself; returns what it said to a person."""
    given = {"CANDOR_STATE_DIR": str(tmp_path / "state"), "CANDOR_SANDBOX_PORT": "0", **settings}
    async with candor(*arguments, said=tmp_path / "said.log", settings=given) as running:
        assert await running.ends() == status, running.said
        return lines(running)


@pytest.mark.parametrize("command", ["run", "serve", "sandbox", "votes"])
async def test_a_broken_setting_is_one_line_and_exit_status_2(command: str, tmp_path: Path) -> None:
    config = tmp_path / "own.toml"
    config.write_text("[model]\ntemperature = 5\n")
    said = await fails(command, "--config", str(config), tmp_path=tmp_path, settings={}, status=2)
    assert said == [f"candor: {config}: model.temperature = 5 should be less than or equal to 2"]


async def test_a_config_named_by_the_environment_that_is_not_there_is_one_line(
    tmp_path: Path,
) -> None:
    settings = {"CANDOR_CONFIG": "/nowhere/candor.toml"}
    said = await fails("run", tmp_path=tmp_path, settings=settings, status=2)
    assert said == ["candor: /nowhere/candor.toml cannot be read: No such file or directory"]


async def test_a_taken_port_of_the_sandbox_is_one_line(tmp_path: Path, taken_port: int) -> None:
    settings = {"CANDOR_SANDBOX_PORT": str(taken_port)}
    for command in ("run", "sandbox"):
        said = await fails(command, tmp_path=tmp_path, settings=settings)
        assert said == [
            f"candor: sandbox.port = {taken_port} is in use; choose another, or 0 for any"
        ]
        (tmp_path / "said.log").unlink()


async def test_a_taken_port_of_the_model_server_is_one_line(
    tmp_path: Path, taken_port: int, tiny: Path
) -> None:
    settings = {"CANDOR_SERVE_PORT": str(taken_port), "CANDOR_SERVE_MODEL": str(tiny)}
    [line] = await fails("serve", tmp_path=tmp_path, settings=settings)
    assert line.startswith("candor: ")
    assert f"127.0.0.1:{taken_port} is in use" in line
    assert "serve.port" in line


async def test_a_redis_that_is_down_is_one_line_without_its_password(tmp_path: Path) -> None:
    settings = {"CANDOR_REDIS_URL": "redis://user:hidden-word@127.0.0.1:1/0"}
    for command in ("run", "votes"):
        [line] = await fails(command, tmp_path=tmp_path, settings=settings)
        assert line.startswith("candor: Redis at redis://127.0.0.1:1/0 cannot be reached: ")
        assert "hidden-word" not in line
        (tmp_path / "said.log").unlink()


async def test_a_missing_model_is_one_line(tmp_path: Path) -> None:
    settings = {"CANDOR_SERVE_MODEL": "/nowhere/model"}
    [line] = await fails("serve", tmp_path=tmp_path, settings=settings)
    assert line.startswith("candor: ")
    assert "/nowhere/model" in line


async def test_a_missing_model_ends_the_run_too(tmp_path: Path) -> None:
    settings = {"CANDOR_SERVE_MODEL": "/nowhere/model"}
    first, last = await fails("run", tmp_path=tmp_path, settings=settings)
    assert "/nowhere/model" in first
    assert last.startswith("candor: the model's server ended before it was ready")


async def test_a_model_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    settings = {"CANDOR_MODEL_URL": "http://127.0.0.1:1/v1", "CANDOR_MODEL_WAIT_S": "0.1"}
    [line] = await fails("run", tmp_path=tmp_path, settings=settings)
    assert line.startswith("candor: the model server at http://127.0.0.1:1/v1 cannot be reached")
    assert "is model.url right" in line


async def test_a_second_bot_on_one_state_directory_is_refused(tmp_path: Path) -> None:
    async with scripted_model() as model:
        settings = {
            "CANDOR_STATE_DIR": str(tmp_path / "state"),
            "CANDOR_SANDBOX_PORT": "0",
            "CANDOR_MODEL_URL": model.url,
        }
        async with candor("run", said=tmp_path / "first.log", settings=settings) as first:
            await first.says("is ready")
            said = await fails("run", tmp_path=tmp_path, settings=settings)
            assert said == [f"candor: another candor is running on state_dir {tmp_path / 'state'}"]


async def test_a_state_directory_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    [line] = await fails("run", tmp_path=tmp_path, settings={}, status=2)
    assert line.startswith(f"candor: state_dir {tmp_path / 'state'} cannot be used: ")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        ("CANDOR_DISCORD_TOKEN", "candor: Discord refuses discord.token"),
        ("CANDOR_SLACK_BOT_TOKEN", "candor: Slack refuses slack.bot_token (invalid_auth)"),
        ("CANDOR_SLACK_APP_TOKEN", "candor: Slack refuses slack.app_token (invalid_auth)"),
    ],
)
async def test_a_wrong_token_is_one_line(wrong: str, expected: str, tmp_path: Path) -> None:
    tokens = {
        "CANDOR_DISCORD_TOKEN": "discord-token-of-a-test",
        "CANDOR_SLACK_BOT_TOKEN": "xoxb-token-of-a-test",
        "CANDOR_SLACK_APP_TOKEN": "xapp-token-of-a-test",
    }
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(scripted_model())
        sandbox = await stack.enter_async_context(
            candor(
                "sandbox",
                said=tmp_path / "sandbox.log",
                settings={**tokens, "CANDOR_SANDBOX_PORT": "0"},
            )
        )
        await sandbox.says("is ready")
        urls = dict(re.findall(r"export (CANDOR_\w+_URL)=(\S+)", sandbox.said))
        settings = {**tokens, **urls, "CANDOR_MODEL_URL": model.url, wrong: tokens[wrong] + "-not"}
        [line] = await fails("run", tmp_path=tmp_path, settings=settings)
        assert line.startswith(expected)
        assert tokens[wrong] not in (tmp_path / "said.log").read_text()


async def test_a_model_that_dies_is_restarted_and_people_see_an_honest_line(
    tmp_path: Path, tiny: Path
) -> None:
    settings = {
        "CANDOR_STATE_DIR": str(tmp_path / "state"),
        "CANDOR_SANDBOX_PORT": "0",
        "CANDOR_SERVE_MODEL": str(tiny),
        "CANDOR_MODEL_MAX_TOKENS": "384",
    }
    async with candor("run", said=tmp_path / "bot.log", settings=settings) as bot:
        page = (await bot.says(r"(http://127\.0\.0\.1:\d+)\n"))[1]
        await bot.says("is ready on")
        async with seat(page) as person:
            for platform in ("slack", "discord"):
                await _survives_a_death(bot, person.url, platform)


async def _survives_a_death(bot: Candor, url: str, platform: str) -> None:
    async with seat(url) as person:
        # Frozen before it dies, so that the answer is cut in its middle and the next has to wait.
        asked = await person.write(platform, "dm", "alice", "tell me everything")
        model = _model_server(bot)

        async def begun() -> bool:
            return bool(await person.answers(platform, "dm", after=asked))

        await soon(begun)
        model.suspend()
        model.kill()
        waiting = await person.write(platform, "dm", "bob", "and me?")

        async def cut() -> bool:
            [answer] = await person.answers(platform, "dm", after=asked)
            return str(answer["text"]).endswith(
                "_The model is not available right now. Please ask again in a moment._"
            )

        await soon(cut)

        async def told() -> bool:
            said = [each["text"] for each in await person.answers(platform, "dm", "bob")]
            return said == ["_The model is starting; I answer as soon as it is up._"]

        await soon(told)

        async def answered() -> bool:
            [answer] = await person.answers(platform, "dm", "bob", after=waiting)
            return "_The model" not in answer["text"] and len(answer["text"]) > 10

        await soon(answered)
        assert '"the model\'s server died"' in bot.said


def _model_server(bot: Candor) -> psutil.Process:
    [child] = [
        child for child in psutil.Process(bot.process.pid).children() if "serve" in child.cmdline()
    ]
    return child


async def test_the_model_server_ends_with_a_bot_that_is_killed(tmp_path: Path, tiny: Path) -> None:
    settings = {
        "CANDOR_STATE_DIR": str(tmp_path / "state"),
        "CANDOR_SANDBOX_PORT": "0",
        "CANDOR_SERVE_MODEL": str(tiny),
        "CANDOR_MODEL_MAX_TOKENS": "64",
    }
    async with candor("run", said=tmp_path / "bot.log", settings=settings) as bot:
        await bot.says("is ready")
        child = _model_server(bot)
        os.kill(bot.process.pid, signal.SIGKILL)
        await bot.ends()

        async def gone() -> bool:
            return not child.is_running() or child.status() == psutil.STATUS_ZOMBIE

        await soon(gone, within_s=20)
    async with candor("votes", said=tmp_path / "votes.log", settings=settings) as listing:
        assert await listing.ends() == 0  # and ends the Valkey that the killed bot left
    await asyncio.sleep(0)
