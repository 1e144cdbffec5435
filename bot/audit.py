"""`candor audit`: who changed what, the latest first."""

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot import config as configuration
from bot import logs
from bot.domain import Person
from bot.persona import SAMPLING, Persona
from bot.settings import Settings


@dataclass(frozen=True, slots=True)
class Changed:
    """A change of a channel's persona with what its ids stand for; `at` in seconds."""

    at: float
    who: Person
    where: str
    before: Persona
    after: Persona


def audit(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings file; else CANDOR_CONFIG, else ./config.toml."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The latest changes at most.")] = 1000,
) -> None:
    """List who changed which channel's persona, from what to what, the latest first."""
    settings = configuration.load(config)
    logs.set_up(settings.log)
    found = asyncio.run(_read(settings, limit))
    if as_json:
        listed = orjson.dumps([_as_json(one) for one in found], option=orjson.OPT_INDENT_2)
        sys.stdout.write(listed.decode() + "\n")
    elif not found:
        sys.stdout.write("Nothing was changed yet: moderators do it with `/candor persona`.\n")
    else:
        Console().print(_table(found))


async def _read(settings: Settings, limit: int) -> list[Changed]:
    from bot.store.audit import Audit
    from bot.store.connection import connect
    from bot.store.people import People
    from bot.store.personas import Personas

    async with connect(settings.redis, settings.state_dir) as client:
        changes = await Audit(client).latest(limit)
        people = await People(client).get_many([one.who for one in changes])
        personas = Personas(client)
        known = {
            name: await personas.get(name)
            for name in {name for one in changes for name in (one.before, one.after)}
        }
    return [
        Changed(one.at, who, one.where, known[one.before], known[one.after])
        for one, who in zip(changes, people, strict=True)
    ]


def _as_json(one: Changed) -> dict[str, object]:
    return {
        "at": datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds"),
        "what": "persona",
        "who": {"id": one.who.id, "name": one.who.name},
        "platform": one.who.platform,
        "channel": one.where.partition("/")[2],
        "before": _persona(one.before),
        "after": _persona(one.after),
    }


def _persona(one: Persona) -> dict[str, object] | None:
    if not one.id:
        return None
    return {
        "id": one.id,
        "text": one.text,
        "temperature": one.temperature,
        "top_p": one.top_p,
        "max_tokens": one.max_tokens,
    }


def _table(changes: list[Changed]) -> Table:
    table = Table()
    for name, width in (("when (UTC)", 16), ("who", 5), ("channel", 12)):
        table.add_column(name, no_wrap=True, min_width=width)
    for name in ("persona before", "persona after"):
        table.add_column(name, overflow="fold", ratio=1)
    for one in changes:
        when = datetime.fromtimestamp(one.at, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            when, escape(one.who.name), escape(one.where), _shown(one.before), _shown(one.after)
        )
    return table


def _shown(one: Persona) -> str:
    drawn = [f"{name}={value:g}" for name in SAMPLING if (value := getattr(one, name)) is not None]
    return escape("\n".join(filter(None, (one.text, " ".join(drawn))))) or "none"
