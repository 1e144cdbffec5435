"""`candor feedback`: what people wrote to the operators, the latest first."""

import asyncio
import sys
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import orjson
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bot import config as configuration
from bot import logs
from bot.domain import Person, Turn
from bot.settings import Settings

VOTES: Final = {1: "👍 +1", -1: "👎 −1", 0: "both", None: "taken back"}


@dataclass(frozen=True, slots=True)
class Note:
    """What a person wrote, `at` seconds since the epoch.

    With a `turn` it is the reason of a vote against its answer, and `vote` is that person's vote on
    it as it is now; else it is about the bot as a whole.
    """

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
    """List what people wrote of the bot, and of answers that they voted against, the latest
    first."""
    settings = configuration.load(config)
    logs.set_up(settings.log)
    notes = asyncio.run(_read(settings, limit))
    if as_json:
        listed = orjson.dumps([_as_json(note) for note in notes], option=orjson.OPT_INDENT_2)
        sys.stdout.write(listed.decode() + "\n")
    elif not notes:
        sys.stdout.write(
            "No feedback yet: people can say why after a 👎, or by /candor feedback.\n"
        )
    else:
        Console().print(_table(notes))


async def _read(settings: Settings, limit: int) -> list[Note]:
    from bot.store.connection import connect
    from bot.store.people import People
    from bot.store.reasons import Reasons
    from bot.store.remarks import Remarks
    from bot.store.turns import Turns

    async with connect(settings.redis, settings.state_dir) as client:
        people = People(client)
        remarks = await Remarks(client).latest(limit)
        authors = await people.get_many([each.person for each in remarks])
        found = [Note(who, each.text, each.at) for who, each in zip(authors, remarks, strict=True)]
        async with aclosing(Reasons(client, Turns(client), people).listed()) as listed:
            count = 0
            async for each in listed:
                found.append(Note(each.person, each.text, each.at, each.turn, each.vote))
                count += 1
                if count == limit:
                    break
    return sorted(found, key=lambda note: note.at, reverse=True)[:limit]


def _as_json(note: Note) -> dict[str, object]:
    about = note.turn
    return {
        "at": datetime.fromtimestamp(note.at, UTC).isoformat(timespec="seconds"),
        "person": {"id": note.person.id, "name": note.person.name},
        "platform": note.person.platform,
        "text": note.text,
        "vote": note.vote,
        "turn": about and about.id,
        "release": about and about.release,
        "question": about and about.text,
        "answer": about and about.answer,
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
        vote = VOTES[note.vote] if note.turn else ""
        table.add_row(when, escape(note.person.name), vote, escape(note.text), question)
    return table
