"""`candor feedback`: what operators are shown of what people wrote."""

import asyncio
import os
import sys
from pathlib import Path

import orjson
from redis.asyncio import Redis

from bot.domain import Person
from bot.store.people import People
from bot.store.reasons import Reasons
from bot.store.remarks import Remarks
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.bot.turns_of import accepted, turn

ANA, BO = Person("slack", "U1", "Ana"), Person("discord", "2", "Bo")


async def printed(tmp_path: Path, *options: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "feedback", *options),
        env={**os.environ, "CANDOR_STATE_DIR": str(tmp_path / "state"), "COLUMNS": "120"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def test_operators_read_reasons_and_remarks_the_latest_first(
    client: "Redis", tmp_path: Path
) -> None:
    assert "No feedback yet" in await printed(tmp_path)
    turns, people = Turns(client), People(client)
    one = await accepted(client, turn("one", text="Why is it so?"))
    await people.remember(ANA)
    await people.remember(BO)
    await Votes(client, turns, people).press(one.id, ANA, "-")
    reasons = Reasons(client, turns, people)
    await reasons.keep(one.id, ANA, "[bold]It is not so.")
    await reasons.keep(one.id, BO, "It is.")
    await asyncio.sleep(0.002)  # its time is kept in whole milliseconds
    await Remarks(client).add(BO, "I like it.")
    listed, shown, least = await asyncio.gather(
        printed(tmp_path, "--json"), printed(tmp_path), printed(tmp_path, "--json", "--limit", "1")
    )
    notes = orjson.loads(listed)
    assert [(note["person"]["name"], note["text"], note["turn"]) for note in notes] == [
        ("Bo", "I like it.", None),
        ("Bo", "It is.", "one"),
        ("Ana", "[bold]It is not so.", "one"),
    ]
    assert [note["vote"] for note in notes] == [None, None, -1]
    assert orjson.loads(least) == notes[:1]
    for text in ("I like it.", "[bold]It is not so.", "Why is it so?", "taken back", "👎"):
        assert text in shown
