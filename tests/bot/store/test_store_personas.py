"""Personas, their changes, and the audit trail of them."""

import asyncio

from redis.asyncio import Redis

from bot.domain import Person
from bot.persona import NOTHING, Persona
from bot.store import keys
from bot.store.audit import Audit
from bot.store.personas import Personas, Version
from tests.bot.turns_of import ANA

HOME = "slack/C1"
PIRATE, CAT = Persona("Be a pirate."), Persona("Be a cat.", temperature=0.5)


async def test_a_channel_has_no_persona_until_somebody_gives_it_one(client: "Redis") -> None:
    personas = Personas(client)
    assert await personas.current(HOME) == ""
    assert await personas.get("") == NOTHING
    assert await personas.get("unheard of") == NOTHING
    assert await personas.change(HOME, "", PIRATE, ANA, 5.0)
    assert await personas.current(HOME) == PIRATE.id
    assert await personas.get(PIRATE.id) == PIRATE
    assert await personas.current("slack/C2") == ""


async def test_changes_are_listed_the_latest_first_and_no_persona_is_lost(
    client: "Redis",
) -> None:
    personas, bo = Personas(client), Person("slack", "U2")
    await personas.change(HOME, "", PIRATE, ANA, 5.0)
    await personas.change(HOME, PIRATE.id, CAT, bo, 6.0)
    await personas.change(HOME, CAT.id, NOTHING, ANA, 7.0)
    assert await personas.current(HOME) == ""
    assert await personas.versions(HOME, 2) == [
        Version("", ANA.key, 7.0),
        Version(CAT.id, bo.key, 6.0),
    ]
    assert await personas.get(CAT.id) == CAT


async def test_a_change_of_what_somebody_else_changed_meanwhile_changes_nothing(
    client: "Redis",
) -> None:
    personas = Personas(client)
    changed = await asyncio.gather(
        *(personas.change(HOME, "", Persona(f"Be {name}."), ANA, 5.0) for name in "abcdefgh")
    )
    assert changed.count(True) == 1
    assert len(await personas.versions(HOME, 10)) == 1
    assert len(await Audit(client).latest(10)) == 1


async def test_the_audit_trail_tells_who_changed_what_from_what_to_what(client: "Redis") -> None:
    personas = Personas(client)
    await personas.change(HOME, "", PIRATE, ANA, 5.0)
    await personas.change(HOME, PIRATE.id, CAT, ANA, 6.0)
    latest, first = await Audit(client).latest(10)
    assert (first.what, first.who, first.where) == ("persona", ANA.key, HOME)
    assert (first.before, first.after) == ("", PIRATE.id)
    assert (latest.before, latest.after) == (PIRATE.id, CAT.id)
    assert latest.at >= first.at > 1e9
    assert [change.after for change in await Audit(client).latest(1)] == [CAT.id]


async def test_the_list_of_changes_is_bounded(client: "Redis") -> None:
    personas, before = Personas(client), ""
    for number in range(keys.PERSONAS_KEPT + 5):
        one = Persona(f"Be {number}.")
        assert await personas.change(HOME, before, one, ANA, float(number))
        before = one.id
    found = await personas.versions(HOME, 1000)
    assert len(found) == keys.PERSONAS_KEPT
    assert found[0].persona == before
