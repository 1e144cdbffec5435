"""The commands over a real store: what they do, and what people are told."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters import wording
from adapters.commands import Commands
from adapters.interaction import Command, Form, Said
from bot.domain import NOBODY, Conversation, Person, Platform, Standing
from bot.persona import LONGEST, Persona
from bot.platform_settings import AccessSettings
from bot.store.audit import Audit
from bot.store.forgetting import Forgetting
from bot.store.personas import Personas
from bot.store.refusals import Refusals
from bot.store.remarks import Remarks
from bot.store.stats import Activity
from tests.bot.chat_bench import ANA, BO, RELEASE, Bench, asked, chat_bench

DM = Conversation("slack", "T1", "D1", "dm")
CHANNEL = Conversation("slack", "T1", "C111", "channel")
MODERATOR = Standing(is_moderator=True)
MOST_SHOWN = 2000
"""Characters of a private message on Discord."""


@dataclass
class Counter:
    """Where commands are given."""

    commands: Commands
    bench: Bench
    client: "Redis"
    lacks: list[str] = field(default_factory=list)

    async def says(
        self,
        typed: str,
        *,
        person: Person = ANA,
        where: Conversation = CHANNEL,
        standing: Standing = NOBODY,
        parent: str | None = None,
    ) -> Said:
        name, _, text = typed.partition(" ")
        said = await self.commands.run(Command(name, text, person, where, standing, parent))
        assert said.text
        assert len(said.text) <= MOST_SHOWN
        return said

    async def text(self, typed: str, **more: Any) -> str:
        return (await self.says(typed, **more)).text


@asynccontextmanager
async def counter(client: "Redis", **rules: Any) -> AsyncIterator[Counter]:
    access = AccessSettings.model_validate(rules)
    lacks: list[str] = []

    def lacking(platform: Platform) -> list[str]:
        return lacks

    async with chat_bench(client, access=access) as bench:
        bench.clock[0] = time.time()
        commands = Commands(
            gate=bench.chat.gate,
            turns=bench.turns,
            people=bench.people,
            personas=Personas(client),
            activity=Activity(client),
            forgetting=Forgetting(client, bench.turns),
            refusals=Refusals(client),
            remarks=Remarks(client),
            release=RELEASE,
            contact=access.contact,
            lacks=lacking,
            clock=lambda: bench.clock[0],
        )
        yield Counter(commands, bench, client, lacks)


async def test_help_names_every_command_and_what_is_lacking(client: "Redis") -> None:
    async with counter(client) as at:
        text = await at.text("help")
        for name in at.commands.names:
            assert f"/candor {name}" in text or name == "help"
        assert "lack" not in text
        at.lacks.append("follow-ups need the message content intent")
        assert "follow-ups need the message content intent" in await at.text("help")


@pytest.mark.parametrize(
    ("typed", "near"), [("persna", "persona"), ("STAT", "stats"), ("xyzzy", ""), ("hlep", "help")]
)
async def test_an_unknown_command_is_answered_by_help_with_the_nearest(
    client: "Redis", typed: str, near: str
) -> None:
    async with counter(client) as at:
        text = await at.text(typed)
        assert f"`{typed.lower()}`" in text
        assert (f"Did you mean `/candor {near}`?" in text) is bool(near)
        assert "/candor privacy" in text


async def test_no_name_is_help_and_case_does_not_matter(client: "Redis") -> None:
    async with counter(client) as at:
        assert await at.text("") == await at.text("HELP") == await at.text("help")


async def test_model_tells_the_release_and_the_persona_but_no_prompt(client: "Redis") -> None:
    async with counter(client) as at:
        text = await at.text("model")
        assert "`scripted`" in text
        assert "`r1`" in text
        assert RELEASE.system_prompt not in text
        await at.says("persona sampling temperature=1.25 max_tokens=9", standing=MODERATOR)
        text = await at.text("model")
        assert "temperature 1.25" in text
        assert "up to 9 tokens" in text


# Beginning anew


async def test_new_lets_a_direct_message_begin_anew_at_its_top_level(client: "Redis") -> None:
    async with counter(client) as at:
        await at.bench.answer(asked("one"))
        assert await at.text("new", where=DM) == wording.NEW
        at.bench.clock[0] += 1
        await at.bench.answer(asked("two"))
        assert at.bench.prompts() == [["one"], ["two"]]


async def test_new_in_an_open_channel_tells_that_there_is_nothing_to_do(client: "Redis") -> None:
    async with counter(client) as at:
        assert await at.text("new", where=CHANNEL) == wording.NEW_IN_CHANNEL


# Personas


async def test_a_moderator_gives_a_channel_its_persona_and_everybody_sees_it(
    client: "Redis",
) -> None:
    async with counter(client) as at:
        assert "no persona" in await at.text("persona")
        text = await at.text("persona text Be a pirate.\nAlways.", standing=MODERATOR)
        pirate = Persona("Be a pirate.\nAlways.")
        assert pirate.text in text
        assert await Personas(client).current("slack/C111") == pirate.id
        shown = await at.text("persona show", person=BO)
        assert pirate.text in shown
        assert ANA.name in shown
        assert "no persona" in await at.text("persona", where=replace(CHANNEL, channel="C222"))
        assert "no persona" in await at.text("persona reset", standing=MODERATOR)
        assert await Personas(client).current("slack/C111") == ""


async def test_every_change_of_a_persona_is_audited(client: "Redis") -> None:
    async with counter(client) as at:
        await at.says("persona text Be a pirate.", standing=MODERATOR)
        await at.says("persona text Be a pirate.", standing=MODERATOR)
        await at.says("persona sampling top_p=0.5", standing=MODERATOR, person=BO)
        trail = await Audit(client).latest(10)
        one, two = Persona("Be a pirate."), Persona("Be a pirate.", top_p=0.5)
        assert [(each.who, each.before, each.after) for each in reversed(trail)] == [
            (ANA.key, "", one.id),
            (BO.key, one.id, two.id),
        ]


@pytest.mark.parametrize(
    ("standing", "rules", "may"),
    [
        (NOBODY, {}, False),
        (Standing(is_moderator=True, is_outside=True), {"outside": True}, False),
        (NOBODY, {"moderators": ["U222"]}, True),
        (Standing(roles=frozenset({"S111"})), {"moderator_roles": ["S111"]}, True),
    ],
)
@pytest.mark.parametrize("what", ["text Obey.", "reset", "sampling temperature=2"])
async def test_only_moderators_change_a_persona(
    client: "Redis", standing: Standing, rules: dict[str, Any], may: bool, what: str
) -> None:
    before = Persona("Be kind.")
    assert await Personas(client).change("slack/C111", "", before, ANA, 5.0)
    async with counter(client, **rules) as at:
        who = Person("slack", "U222", "Eve")
        text = await at.text(f"persona {what}", person=who, standing=standing)
        assert (text == wording.PERSONA_FOR_MODERATORS) is not may
        assert (await Personas(client).current("slack/C111") != before.id) is may


@pytest.mark.parametrize(
    "what",
    ["text", "text " + "x" * (LONGEST + 1), "sampling", "sampling temperature=9", "sing", "`"],
)
async def test_what_a_persona_cannot_be_is_told_and_changes_nothing(
    client: "Redis", what: str
) -> None:
    async with counter(client) as at:
        text = await at.text(f"persona {what}", standing=MODERATOR)
        assert wording.PERSONA_USAGE in text
        assert await Personas(client).current("slack/C111") == ""
        assert await Audit(client).latest(1) == []


async def test_the_longest_persona_can_be_shown(client: "Redis") -> None:
    async with counter(client) as at:
        text = await at.text("persona text " + "x" * LONGEST, standing=MODERATOR)
        assert f"{LONGEST - wording.SHOWN} characters more" in text


async def test_a_thread_means_its_channel_s_persona(client: "Redis") -> None:
    async with counter(client) as at:
        thread = Conversation("slack", "T1", "C777", "thread", "C777")
        await at.says("persona text Be a cat.", where=thread, parent="C111", standing=MODERATOR)
        assert "Be a cat." in await at.text("persona")


# Statistics


async def test_stats_count_what_is_in_the_store(client: "Redis") -> None:
    async with counter(client) as at:
        await at.bench.answer(asked("one"))
        await at.bench.answer(asked("two", author=BO))
        text = await at.text("stats", where=DM)
        week, month = text.splitlines()
        assert "Last 7 days: 2 questions by 2 people, 2 answers; 👍 0, 👎 0; 0%" in week
        assert "Last 30 days: 2 questions by 2 people" in month
        at.bench.clock[0] += 8 * 86_400
        week, month = (await at.text("stats", where=DM)).splitlines()
        assert "Last 7 days: 0 questions by 0 people" in week
        assert "Last 30 days: 2 questions" in month


# What people have a right to


async def test_privacy_tells_whom_to_ask(client: "Redis") -> None:
    async with counter(client) as at:
        text = await at.text("privacy")
        assert "docs/privacy.md" in text
        assert "/candor forget me" in text
        assert wording.WHOEVER in text
    async with counter(client, contact="help@example.com") as at:
        assert "help@example.com" in await at.text("privacy")


async def test_forget_asks_first_and_then_does_it_and_tells_how_much(client: "Redis") -> None:
    async with counter(client) as at:
        turn = await at.bench.answer(asked("one"))
        assert await at.text("forget") == wording.FORGET
        assert await at.text("forget everybody") == wording.FORGET
        assert await at.bench.turns.get(turn.id) is not None
        assert "1 of your questions" in await at.text("forget me")
        assert await at.bench.turns.get(turn.id) is None
        assert "0 of your questions" in await at.text("forget ME")


async def test_why_tells_the_last_refusal(client: "Redis") -> None:
    async with counter(client, dms=False, contact="the help desk") as at:
        assert await at.text("why") == wording.NOT_REFUSED
        await at.bench.chat.take(asked())
        text = await at.text("why")
        assert "in a direct message" in text
        assert "do not allow direct messages" in text
        assert "the help desk" in text
        assert await at.text("why", person=BO) == wording.NOT_REFUSED


async def test_feedback_opens_a_form_whose_text_only_the_operators_get(client: "Redis") -> None:
    async with counter(client) as at:
        said = await at.says("feedback")
        assert said.form == Form("feedback")
        assert (await at.commands.filled(Form("feedback"), ANA, " \n")).text == wording.REMARK_EMPTY
        kept = await at.commands.filled(Form("feedback"), ANA, " It is slow. ")
        assert kept == Said(wording.REMARK_KEPT)
        assert await at.text("feedback It is fast.", person=BO) == wording.REMARK_KEPT
        found = await Remarks(client).latest(10)
        assert [(each.person, each.text) for each in found] == [
            (BO.key, "It is fast."),
            (ANA.key, "It is slow."),
        ]
        with pytest.raises(ValueError, match="reason"):
            await at.commands.filled(Form("reason", "t1"), ANA, "no")


async def test_a_remark_is_bounded(client: "Redis") -> None:
    async with counter(client) as at:
        await at.says("feedback " + "x" * 5000)
        [remark] = await Remarks(client).latest(10)
        assert len(remark.text) == 2000


# Who is refused


@pytest.mark.parametrize("typed", ["new", "persona text Obey.", "persona reset", "feedback Hm."])
async def test_who_may_not_ask_changes_nothing(client: "Redis", typed: str) -> None:
    async with counter(client, deny_people=["U111"]) as at:
        eve = Person("slack", "U111", "Eve")
        text = await at.text(typed, person=eve, standing=MODERATOR)
        assert text == wording.not_allowed("person")
        assert await Personas(client).current("slack/C111") == ""
        assert await Remarks(client).latest(1) == []
        assert "by your id" in await at.text("why", person=eve)


@pytest.mark.parametrize("typed", ["help", "model", "persona", "stats", "privacy", "why", "forget"])
async def test_who_may_not_ask_may_look_and_be_forgotten(client: "Redis", typed: str) -> None:
    async with counter(client, deny_people=["U111"]) as at:
        eve = Person("slack", "U111", "Eve")
        assert await at.text(typed, person=eve) != wording.not_allowed("person")
