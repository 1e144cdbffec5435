"""`candor soak`: its options, its folder, its exit status."""

import asyncio
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from bot import logs
from bot.domain import PLATFORMS, Platform
from bot.errors import ConfigError
from bot.settings import LogSettings

_WIDTH = 110
"""Columns of the tables where they go into a file."""


def soak(
    people: Annotated[int, typer.Option(help="How many people there are.")] = 30,
    minutes: Annotated[float, typer.Option(help="How long they write.")] = 30.0,
    kills: Annotated[int, typer.Option(help="How often the bot is killed.")] = 200,
    seed: Annotated[int, typer.Option(help="Of people, faults and kills.")] = 1,
    platform: Annotated[
        list[str] | None, typer.Option(help="slack or discord; both, unless one is named.")
    ] = None,
    faults: Annotated[
        bool, typer.Option("--faults/--no-faults", help="Let things go wrong on the platforms.")
    ] = True,
    settle: Annotated[
        float, typer.Option(min=1, help="Seconds at most that the last answers may take.")
    ] = 900.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all that was found.")
    ] = None,
    keep: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep logs and state in this new folder.")
    ] = None,
) -> None:
    """Soak the bot: people, faults and kills at the sandbox, then an audit of what is left.

    Exits with 1 when anything was lost, doubled or wrong.
    """
    from bot.soak import run, screen
    from bot.soak.plan import Plan

    plan = Plan(
        people=people,
        minutes=minutes,
        kills=kills,
        seed=seed,
        platforms=_platforms(platform or []),
        has_faults=faults,
        settle_s=settle,
    )
    if json_file is not None and not json_file.parent.is_dir():
        raise ConfigError(f"--json: there is no directory {json_file.parent}")
    logs.set_up(LogSettings(level="warning"))
    folder = _folder(keep)
    has_use = True
    try:
        with screen.progress() as tell:
            ledger = asyncio.run(run.soak(plan, folder, tell))
        has_use = keep is not None or not ledger.holds
        if has_use:
            ledger = replace(ledger, folder=str(folder))
    except KeyboardInterrupt:
        has_use = keep is not None
        sys.exit(130)
    except BaseException:
        Console(stderr=True).print(f"logs and state: {folder}", markup=False, highlight=False)
        raise
    finally:
        if not has_use:
            shutil.rmtree(folder)
    screen.show(ledger, Console(width=None if sys.stdout.isatty() else _WIDTH))
    if json_file is not None:
        json_file.write_bytes(orjson.dumps(ledger.as_json(), option=orjson.OPT_INDENT_2) + b"\n")
    sys.exit(0 if ledger.holds else 1)


def _platforms(named: list[str]) -> tuple[Platform, ...]:
    unknown = set(named) - set(PLATFORMS)
    if unknown:
        raise ConfigError(f"--platform {min(unknown)} should be slack or discord")
    return tuple(one for one in PLATFORMS if not named or one in named)


def _folder(keep: Path | None) -> Path:
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="candor-soak-"))
    try:
        keep.mkdir(parents=True)
    except OSError as error:
        raise ConfigError(f"--keep {keep} should be a new folder: {error.strerror}") from error
    return keep.resolve()
