"""`candor audit` and `candor feedback` print what people did and wrote."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.domain import Person
from bot.persona import NOTHING, Persona
from bot.settings import RedisSettings
from bot.store.connection import connect
from bot.store.people import People
from bot.store.personas import Personas
from bot.store.remarks import Remarks

EVE = Person("slack", "U3", "Eve [red]")
PIRATE = Persona("Be a pirate.", temperature=0.5)


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store in which something was changed and remarked, which has a state directory."""
    state = tmp_path / "state"
    monkeypatch.setenv("CANDOR_STATE_DIR", str(state))
    monkeypatch.chdir(tmp_path)
    async with connect(RedisSettings(), state / "nowhere") as client:
        assert await People(client).get_many([]) == []
    async with connect(RedisSettings(), state) as client:
        await People(client).remember(EVE)
        personas = Personas(client)
        await personas.change("slack/C1", "", PIRATE, EVE, 5.0)
        await personas.change("slack/C1", PIRATE.id, NOTHING, EVE, 6.0)
        await Remarks(client).add(EVE, "It is [slow].")


def said(*arguments: str) -> str:
    found = CliRunner().invoke(app, arguments)
    assert found.exit_code == 0, found.output
    return found.stdout


@pytest.mark.usefixtures("house")
def test_the_audit_trail_is_printed_with_what_the_ids_stand_for() -> None:
    latest, first = json.loads(said("audit", "--json"))
    assert first["who"] == {"id": "U3", "name": "Eve [red]"}
    assert (first["platform"], first["channel"]) == ("slack", "C1")
    assert first["before"] is None
    assert first["after"] == {
        "id": PIRATE.id,
        "text": "Be a pirate.",
        "temperature": 0.5,
        "top_p": None,
        "max_tokens": None,
    }
    assert latest["before"] == first["after"]
    assert latest["after"] is None
    table = said("audit")
    assert "Eve [red]" in table
    assert "pirate" in table
    assert len(json.loads(said("audit", "--json", "--limit", "1"))) == 1


@pytest.mark.usefixtures("house")
def test_remarks_are_listed_with_the_reasons() -> None:
    [note] = json.loads(said("feedback", "--json"))
    assert note["text"] == "It is [slow]."
    assert note["person"] == {"id": "U3", "name": "Eve [red]"}
    assert note["turn"] is None
    assert "It is [slow]." in said("feedback")


def test_where_nothing_was_changed_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANDOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    assert "Nothing was changed yet" in said("audit")
    assert "No feedback yet" in said("feedback")
    assert json.loads(said("audit", "--json")) == []
