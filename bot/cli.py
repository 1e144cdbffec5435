"""The command line, as `candor --help` lists it.

Every failure that a person can cure is one line on stderr and a non-zero exit status.
"""

import asyncio
import os
import sys
from collections.abc import Coroutine
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot import config as configuration
from bot import logs
from bot.audit import audit
from bot.bench.command import app as bench
from bot.domain import Vote
from bot.errors import ConfigError, FatalError, StoreUnavailable
from bot.feedback.command import feedback
from bot.setting_types import web_url
from bot.settings import Settings
from bot.signals import stop_signals, unless
from bot.soak.command import soak

if TYPE_CHECKING:
    from bot.app import Ready

app = typer.Typer(
    name="candor",
    help="A self-hosted chat bot for Slack and Discord that learns from reactions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bench, name="bench")
app.command()(feedback)
app.command()(audit)
app.command()(soak)
slack = typer.Typer(help="What a Slack app needs.", no_args_is_help=True)
app.add_typer(slack, name="slack")

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="Settings file; else CANDOR_CONFIG, else ./config.toml."),
]


def main() -> None:
    """The entry point of the `candor` command."""
    try:
        app()
    except (FatalError, StoreUnavailable) as error:
        Console(stderr=True, soft_wrap=True, highlight=False).print(
            f"candor: {error}", markup=False
        )
        sys.exit(getattr(error, "exit_status", 1))


@app.command()
def run(config: ConfigOption = None) -> None:
    """Run the bot, with its model and, where no platform is configured, the sandbox."""
    from bot import app as process

    settings = _settings(config)
    _run(process.run(settings, config=config, announce=_announce))


@app.command()
def serve(
    config: ConfigOption = None,
    supervised: Annotated[
        bool, typer.Option("--supervised", hidden=True, help="Stop when standard input closes.")
    ] = False,
) -> None:
    """Serve the model behind the OpenAI-compatible API."""
    settings = _settings(config)
    from bot.engine.serve import serve as serve_model

    async def served() -> None:
        work = serve_model(settings.serve, state_dir=settings.state_dir)
        await (_until_stdin_closes(work) if supervised else work)

    _run(served())


@app.command()
def sandbox(config: ConfigOption = None) -> None:
    """Run the loopback Slack and Discord alone, with the page to sit at."""
    from adapters.stand_in import stand_in

    settings = _settings(config)

    async def stand() -> None:
        with stop_signals() as stop:
            async with stand_in(settings) as started:
                _print_connection(settings, started.settings)
                _say(f"The sandbox is ready: {started.url}")
                await stop.asked.wait()

    _run(stand())


@app.command()
def votes(
    config: ConfigOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The latest votes at most.")] = 1000,
) -> None:
    """List the votes, the latest first."""
    settings = _settings(config)
    listed = asyncio.run(_votes(settings, limit))
    if as_json:
        _say(orjson.dumps([_as_json(vote) for vote in listed], option=orjson.OPT_INDENT_2).decode())
        return
    if not listed:
        _say("No votes yet: react with 👍 or 👎 to an answer.")
        return
    table = Table()
    for name, width in (
        ("when (UTC)", 16),
        ("who", 5),
        ("vote", 5),
        ("platform", 8),
        ("release", 12),
    ):
        table.add_column(name, no_wrap=True, min_width=width)
    table.add_column("question", overflow="ellipsis", no_wrap=True)
    for vote in listed:
        table.add_row(*_as_row(vote))
    Console().print(table)


@slack.command()
def manifest(
    mode: Annotated[
        Literal["socket", "http"], typer.Option(help="How events arrive, as in slack.mode.")
    ] = "socket",
    url: Annotated[
        str | None,
        typer.Option(help="How Slack and people reach the bot, such as https://your-host."),
    ] = None,
) -> None:
    """Print the manifest that a Slack app is made of."""
    from adapters.slack.manifest import manifest as made

    try:
        found = made(mode, None if url is None else web_url(url))
    except ValueError as error:
        raise ConfigError(f"--url: {error}") from error
    _say(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())


@slack.command()
def key() -> None:
    """Print a new key for slack.token_key."""
    from cryptography.fernet import Fernet

    _say(Fernet.generate_key().decode())


@app.command("config")
def config_example() -> None:
    """Print every setting with its meaning and default, as config.example.toml."""
    sys.stdout.write(configuration.example())


def _settings(path: Path | None) -> Settings:
    settings = configuration.load(path)
    logs.set_up(settings.log)
    return settings


def _run(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        sys.exit(130)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _announce(ready: "Ready") -> None:
    _say(f"Candor is ready on {' and '.join(ready.platforms)} with {ready.model}.")
    if ready.sandbox:
        _say(
            "No platform is configured, so the sandbox stands in for both. Chat here:\n\n"
            f"    {ready.sandbox}\n"
        )


def _print_connection(given: Settings, made: Settings) -> None:
    """What a bot needs to reach the sandbox; secrets only where the sandbox made them up."""
    lines = {
        "CANDOR_DISCORD_API_URL": made.discord.api_url,
        "CANDOR_DISCORD_GATEWAY_URL": made.discord.gateway_url,
        "CANDOR_SLACK_API_URL": made.slack.api_url,
    }
    if made.slack.client_id is not None:
        lines["CANDOR_SLACK_AUTHORIZE_URL"] = made.slack.authorize_url
    secrets = {
        "CANDOR_DISCORD_TOKEN": (given.discord.token, made.discord.token),
        "CANDOR_SLACK_BOT_TOKEN": (given.slack.bot_token, made.slack.bot_token),
        "CANDOR_SLACK_APP_TOKEN": (given.slack.app_token, made.slack.app_token),
        "CANDOR_SLACK_SIGNING_SECRET": (given.slack.signing_secret, made.slack.signing_secret),
    }
    for name, (known, value) in secrets.items():
        if known is None and value is not None:
            lines[name] = value.get_secret_value()
    for name, line in lines.items():
        _say(f"export {name}={line}")


async def _until_stdin_closes(work: Coroutine[Any, Any, None]) -> None:
    """Run `work`, and cancel it when whoever started us is gone."""
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    stdin = sys.stdin.fileno()

    def read() -> None:
        if not os.read(stdin, 1):
            loop.remove_reader(stdin)
            closed.set()

    loop.add_reader(stdin, read)
    await unless(closed, asyncio.create_task(work))


async def _votes(settings: Settings, limit: int) -> list[Vote]:
    from bot.store.connection import connect
    from bot.store.people import People
    from bot.store.turns import Turns
    from bot.store.votes import Votes

    found: list[Vote] = []
    async with (
        connect(settings.redis, settings.state_dir) as client,
        aclosing(Votes(client, Turns(client), People(client)).listed()) as listed,
    ):
        async for vote in listed:
            found.append(vote)
            if len(found) == limit:
                break
    return found


def _as_json(vote: Vote) -> dict[str, object]:
    return {
        "turn": vote.turn,
        "person": {"id": vote.person.id, "name": vote.person.name},
        "platform": vote.person.platform,
        "value": vote.value,
        "release": vote.release,
        "workspace": vote.conversation.workspace,
        "channel": vote.conversation.channel,
        "question": vote.question,
        "at": datetime.fromtimestamp(vote.at, UTC).isoformat(timespec="seconds"),
    }


def _as_row(vote: Vote) -> tuple[str, ...]:
    when = datetime.fromtimestamp(vote.at, UTC).strftime("%Y-%m-%d %H:%M")
    value = {1: "👍 +1", -1: "👎 −1", 0: "both"}[vote.value]
    question = escape(" ".join(vote.question.split()))
    return when, escape(vote.person.name), value, vote.person.platform, vote.release, question
