"""`candor feedback`: what people wrote to the operators, the latest first."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot import config as configuration
from bot import logs
from bot.domain import Person, Turn
from bot.settings import Settings

if TYPE_CHECKING:
    from bot.store.reasons import Reasons

VOTES: Final = {1: "👍 +1", -1: "👎 −1", 0: "both", None: "taken back"}


@dataclass(frozen=True, slots=True)
class Note:
    """What a person wrote, `at` seconds since the epoch.

    A `reason` is about an answer, that of its `turn`, with the person's `vote` on it as it is now;
    a `remark` is about anything.
    """

    kind: Literal["reason", "remark"]
    person: Person
    text: str
    at: float
    turn: Turn | None = None
    vote: int | None = None


def feedback(
    config: Annotated[
        Path | None,
        typer.Option("--config", help="Settings file; else CANDOR_CONFIG, else ./config.toml."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for programs.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="The latest ones at most.")] = 1000,
) -> None:
    """List what people wrote to you: remarks, and why they voted against an answer."""
    settings = configuration.load(config)
    logs.set_up(settings.log)
    notes = asyncio.run(_read(settings, limit))
    if as_json:
        listed = orjson.dumps([_as_json(note) for note in notes], option=orjson.OPT_INDENT_2)
        sys.stdout.write(listed.decode() + "\n")
    elif not notes:
        sys.stdout.write(
            "No feedback yet: after a 👎 people can say why, and `/candor feedback` takes any.\n"
        )
    else:
        Console().print(_table(notes))


async def _read(settings: Settings, limit: int) -> list[Note]:
    from bot.store.connection import connect
    from bot.store.people import People
    from bot.store.reasons import Reasons
    from bot.store.remarks import Remarks
    from bot.store.turns import Turns

    found: list[Note] = []
    async with connect(settings.redis, settings.state_dir) as client:
        reasons = Reasons(client, Turns(client), People(client))
        async with aclosing(_notes(reasons)) as notes:
            async for note in notes:
                found.append(note)
                if len(found) == limit:
                    break
        remarks = await Remarks(client).latest(limit)
        people = await People(client).get_many([each.person for each in remarks])
    found += [
        Note("remark", who, each.text, each.at) for each, who in zip(remarks, people, strict=True)
    ]
    return sorted(found, key=lambda note: note.at, reverse=True)[:limit]


async def _notes(reasons: "Reasons") -> AsyncGenerator[Note, None]:
    async with aclosing(reasons.listed()) as listed:
        async for each in listed:
            yield Note("reason", each.person, each.text, each.at, each.turn, each.vote)


def _as_json(note: Note) -> dict[str, object]:
    return {
        "kind": note.kind,
        "at": datetime.fromtimestamp(note.at, UTC).isoformat(timespec="seconds"),
        "person": {"id": note.person.id, "name": note.person.name},
        "platform": note.person.platform,
        "text": note.text,
        "vote": note.vote,
        "turn": note.turn and note.turn.id,
        "release": note.turn and note.turn.release,
        "question": note.turn and note.turn.text,
        "answer": note.turn and note.turn.answer,
    }


def _table(notes: list[Note]) -> Table:
    table = Table()
    for name, width in (("when (UTC)", 16), ("who", 5), ("vote now", 10)):
        table.add_column(name, no_wrap=True, min_width=width)
    table.add_column("wrote", overflow="fold", ratio=2)
    table.add_column("question", overflow="ellipsis", no_wrap=True, ratio=1)
    for note in notes:
        when = datetime.fromtimestamp(note.at, UTC).strftime("%Y-%m-%d %H:%M")
        question = escape(" ".join(note.turn.text.split())) if note.turn else ""
        who = escape(note.person.name)
        vote = VOTES[note.vote] if note.turn else ""
        table.add_row(when, who, vote, escape(note.text), question)
    return table
