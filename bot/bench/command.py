"""`candor bench`: its options, its files, its exit status."""

import asyncio
import re
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import orjson
import typer
from rich.console import Console

from bot import config as configuration
from bot import logs
from bot.errors import ConfigError, ModelError
from bot.settings import LogSettings

if TYPE_CHECKING:
    from bot.bench.reply_stage import Stage

app = typer.Typer(help="Measure how fast it is.", no_args_is_help=True)

_WIDTH = 110
"""Columns of the tables where they go into a file."""

_NAME = re.compile(r"[A-Za-z][\w.-]*")


@app.callback()
def bench() -> None:
    """Measure how fast it is."""


@app.command()
def engine(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings file; else CANDOR_CONFIG, else ./config.toml."),
    ] = None,
    chats: Annotated[str, typer.Option(help="Numbers of concurrent chats.")] = "1,8,32",
    only: Annotated[
        str | None,
        typer.Option(help="Some of the parts: chats,turns,adapters,roofline."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter answers.")] = False,
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Measure all engines in turn so many times.")
    ] = None,
    peer: Annotated[
        Literal["transformers", "none"] | None,
        typer.Option(
            help="Who does the same work in turn with the server that is started here; "
            "transformers' own continuous batching, unless a URL is given."
        ),
    ] = None,
    url: Annotated[
        str | None,
        typer.Option(help="Measure this OpenAI-compatible server; else one is started."),
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="Key of the URLs; else model.api_key of the settings.")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=URL", help="Another server to compare with; repeatable."),
    ] = None,
    random_weights: Annotated[
        Path | None,
        typer.Option(metavar="CONFIG.json", help="Measure a model of this shape, without weights."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the prompts.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was found.")
    ] = None,
) -> None:
    """Measure the engine: throughput, latencies, turns, adapters, and the machine's limits.

    Exits with 1 when a target falls short.
    """
    from bot.bench import engine as measuring
    from bot.bench import screen
    from bot.bench.errors import BenchError
    from bot.bench.plan import Plan
    from bot.bench.workload import FULL, QUICK

    settings = configuration.load(config)
    logs.set_up(settings.log)
    key = settings.model.api_key
    size = QUICK if quick else FULL
    plan = Plan(
        parts=frozenset(filter(None, map(str.strip, only.split(",")))) if only else None,
        chats=_numbers(chats),
        size=size if rounds is None else replace(size, rounds=rounds, conversations=rounds),
        seed=seed,
        has_peer=peer == "transformers" or (peer is None and url is None),
        url=url,
        api_key=api_key or (key.get_secret_value() if key else None),
        against=_others(against or []),
        random_weights=random_weights,
        config=config,
    )
    if json_file is not None and not json_file.parent.is_dir():
        raise ConfigError(f"--json: there is no directory {json_file.parent}")
    try:
        with screen.progress() as tell:
            report = asyncio.run(measuring.run(settings, plan, tell))
    except BenchError as error:
        raise ModelError(str(error)) from error
    except KeyboardInterrupt:
        sys.exit(130)
    screen.show(report, Console(width=None if sys.stdout.isatty() else _WIDTH))
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
    sys.exit(0 if report.holds else 1)


@app.command()
def reply(
    only: Annotated[
        str | None,
        typer.Option(help="Some of the stages: discord,slack-window,slack-bucket,slack-streams."),
    ] = None,
    scenarios: Annotated[
        str | None, typer.Option(help="Some of the scenarios: one,ten,crowd,fifty.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was found.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep logs and state in this new folder.")
    ] = None,
) -> None:
    """Measure how answers grow on the platforms, at sandboxes under the platforms' limits.

    Exits with 1 when a target falls short.
    """
    from bot.bench import reply as measuring
    from bot.bench import reply_screen, screen

    if json_file is not None and not json_file.parent.is_dir():
        raise ConfigError(f"--json: there is no directory {json_file.parent}")
    logs.set_up(LogSettings(level="warning"))
    stages = _stages(only, scenarios)
    with _folder(keep) as folder:
        try:
            with screen.progress() as tell:
                report = asyncio.run(measuring.run(stages, folder, tell))
        except KeyboardInterrupt:
            sys.exit(130)
    reply_screen.show(report, Console(width=None if sys.stdout.isatty() else _WIDTH))
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(report.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
    sys.exit(0 if report.holds else 1)


def _stages(only: str | None, scenarios: str | None) -> "tuple[Stage, ...]":
    from bot.bench.reply import STAGES
    from bot.bench.reply_stage import SCENARIOS

    stages = _some("--only", only, [one.name for one in STAGES])
    played = _some("--scenarios", scenarios, SCENARIOS)
    chosen = (
        replace(one, order=tuple(name for name in one.order if name in played))
        for one in STAGES
        if one.name in stages
    )
    return tuple(one for one in chosen if one.order)


def _some(option: str, given: str | None, known: Collection[str]) -> set[str]:
    """Those that are named; all, where none is."""
    named = {part.strip() for part in given.split(",")} if given else set(known)
    if unknown := named - set(known):
        raise ConfigError(f"{option} {min(unknown)} should be of {', '.join(known)}")
    return named


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """A folder for logs and state, which is gone afterwards unless it is to be kept."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="candor-bench-") as made:
            yield Path(made)
        return
    try:
        keep.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"--keep {keep} should be a new folder: {error.strerror}") from error
    yield keep.resolve()


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise ConfigError(f"--chats {text!r} should be numbers such as 1,8,32") from error


def _others(given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    found = []
    for one in given:
        name, _, url = one.partition("=")
        if not _NAME.fullmatch(name) or not url.startswith(("http://", "https://")):
            raise ConfigError(f"--against {one!r} should be such as vllm=http://127.0.0.1:8000")
        found.append((name, url))
    return tuple(found)
