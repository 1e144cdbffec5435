"""The desk: buttons, forms and commands, what comes of them and what a person is told."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import wording
from adapters.border import Border
from adapters.desk import FrontDesk
from adapters.interaction import Command, Desk, Form, Press, Said
from bot.domain import NOBODY, Control, Incoming, MessageRef, Person, Reaction, Standing, Turn
from bot.feedback.voting import Voting
from bot.parts import Parts
from bot.store.reasons import LONGEST, Reason, Reasons
from bot.store.votes import Votes
from tests.adapters.paces import quick
from tests.adapters.room import Room
from tests.bot.chat_bench import ANA, BO, Bench, Gate, asked, chat_bench
from tests.scripted_model import ScriptedModel

MODERATOR = Standing(is_moderator=True)


@pytest.fixture(autouse=True)
def _no_double_click(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.store.keys.PRESSED_MS", 1)


@dataclass
class Recorded:
    """A room of commands that keeps what it is asked."""

    asked: list[object] = field(default_factory=list)

    async def run(self, command: Command) -> Said:
        self.asked.append(command)
        return Said("ran")

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        self.asked.append((form, person, text))
        return Said("filled")


@dataclass
class House:
    """A desk and a border over one chat core, and the channel."""

    bench: Bench
    votes: Votes
    voting: Voting
    reasons: Reasons
    commands: Recorded
    border: Border
    desk: Desk
    room: Room

    async def asks(self, question: Incoming) -> Turn:
        """Ask, and have it answered; the turn then."""
        await self.border.take(question, self.room)
        return await self.answers((await self.bench.held(question)).id)

    async def answers(self, turn_id: str) -> Turn:
        """Answer a turn as a worker does; how it stands then."""
        while turn_id not in {entry.turn for entry in await self.bench.inbox.left("slack")}:
            await self.bench.inbox.read("slack", 9)
        turn = await self.turn(turn_id)
        await self.border.answer(turn, self.room, self.room, resumed=False)
        return await self.turn(turn_id)

    async def turn(self, turn_id: str) -> Turn:
        found = await self.bench.turns.get(turn_id)
        assert found is not None
        return found

    async def press(
        self, turn: Turn, control: Control, person: Person = ANA, standing: Standing = NOBODY
    ) -> Said | None:
        await asyncio.sleep(0.005)  # beyond a double click
        return await self.desk.press(Press(turn.id, control, person, standing))


@asynccontextmanager
async def house(client: "Redis", server: ScriptedModel | None = None) -> AsyncIterator[House]:
    async with chat_bench(client, server) as bench:
        bench.clock[0] = time.time()
        votes = Votes(client, bench.turns, bench.people)
        voting = Voting(bench.turns, votes, bench.people)
        reasons = Reasons(client, bench.turns, bench.people)
        commands, room = Recorded(), Room(limit=400)
        border = Border(
            bench.chat,
            voting,
            bench.people,
            quick(),
            Parts(bench.turns, voting),
            give_up_s=600,
        )
        desk = FrontDesk(bench.chat.hold, voting, reasons, commands)
        try:
            yield House(bench, votes, voting, reasons, commands, border, desk, room)
        finally:
            await border.close()


# Holding


async def test_a_pressed_stop_is_seen_in_the_channel(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with house(client, gate.server) as one:
        answering = asyncio.create_task(one.asks(question))
        await one.room.shows("first")
        turn = await one.bench.stored(question)
        assert list(one.room.controls["p1"]) == ["stop"]
        assert await one.press(turn, "stop") is None
        await asyncio.wait_for(answering, 2)
        assert one.room.texts() == [f"first\n\n{wording.STOPPED}"]
        assert list(one.room.controls["p1"]) == ["up", "down", "continue", "again"]


async def test_a_waiting_answer_that_is_stopped_says_so_in_a_line(client: "Redis") -> None:
    gate, first, second = Gate(), asked("one"), asked("two")
    async with house(client, gate.server) as one:
        running = asyncio.create_task(one.asks(first))
        await one.room.shows("first")
        waiting = asyncio.create_task(one.asks(second))
        await one.bench.saves(second, "")
        assert await one.press(await one.bench.stored(second), "stop") is None
        await asyncio.wait_for(waiting, 2)
        assert one.room.texts() == ["first", wording.STOPPED]
        assert one.room.controls["p2"] == ("again",)
        gate.open()
        await running


async def test_a_continued_answer_goes_on_in_its_messages(client: "Redis") -> None:
    async with house(client) as one:
        one.bench.server.finish = "length"
        one.bench.server.answer = lambda _: ["It "]
        turn = await one.asks(asked("one"))
        assert one.room.texts() == [f"It\n\n{wording.CUT_BY_LENGTH}"]
        one.bench.server.finish = "stop"
        one.bench.server.answer = lambda _: ["It ", "is " * 200 + "so."]
        assert await one.press(turn, "continue") is None
        whole = await one.answers(turn.id)
        assert " ".join(one.room.texts()).split() == whole.answer.split()
        assert one.room.messages.keys() == {"p1", "p2"}
        assert one.room.controls == {"p1": (), "p2": ("up", "down", "again")}
        assert [ref.message for ref in whole.parts] == ["p1", "p2"]


async def test_another_try_is_shown_in_messages_of_its_own(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        one.bench.server.answer = lambda _: ["Once more."]
        assert await one.press(turn, "again") is None
        [_, second] = await one.bench.turns.history(turn.conversation, 9)
        await one.answers(second.id)
        assert one.room.texts() == ["I heard: one", "Once more."]
        assert one.room.controls == dict.fromkeys(("p1", "p2"), ("up", "down", "again"))


@pytest.mark.parametrize(
    ("control", "said"),
    [
        ("stop", wording.not_held("ended")),
        ("continue", wording.not_held("whole")),
        ("again", None),
    ],
)
async def test_what_cannot_be_is_told_in_private(
    client: "Redis", control: Control, said: str | None
) -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        found = await one.press(turn, control)
        assert found == (None if said is None else Said(said))
        assert await one.press(turn, control, BO) == Said(wording.NOT_YOURS)
        assert one.room.texts() == ["I heard: one"]


async def test_no_bot_holds_or_votes(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        for control in ("stop", "again", "continue", "up", "down"):
            said = await one.press(turn, control, standing=Standing(is_bot=True))
            assert said == Said(wording.BOTS_DECIDE_NOTHING)
        assert await one.votes.of_turn(turn.id) == {}


async def test_an_answer_that_is_forgotten_is_told_of(client: "Redis") -> None:
    async with house(client) as one:
        turn = replace(await one.asks(asked("one")), id="nonsense")
        for control in ("stop", "again", "continue", "up", "down"):
            assert await one.press(turn, control) == Said(wording.FORGOTTEN)
        assert await one.desk.filled(Form("reason", turn.id), ANA, "why") == Said(wording.FORGOTTEN)


async def test_a_platforms_own_stop_means_what_is_answered_there(client: "Redis") -> None:
    gate, question = Gate(), asked("one")
    async with house(client, gate.server) as one:
        answering = asyncio.create_task(one.asks(question))
        await one.room.shows("first")
        where = (await one.bench.stored(question)).conversation
        assert await one.desk.stop_in(where, BO, Standing()) == Said(wording.NOT_YOURS)
        assert await one.desk.stop_in(where, ANA, Standing()) is None
        await asyncio.wait_for(answering, 2)
        assert await one.desk.stop_in(where, ANA, Standing()) == Said(wording.NOTHING_RUNS)


# Votes


async def test_a_vote_by_a_button_is_told_and_taken_back_by_the_same(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        assert await one.press(turn, "up") == Said(wording.voted(1, pressed=True))
        assert await one.votes.tally(turn.id) == (1, 0)
        assert await one.press(turn, "up") == Said(wording.voted(None, pressed=False))
        assert await one.votes.tally(turn.id) == (0, 0)


async def test_the_other_button_switches_and_asks_why(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        await one.press(turn, "up", BO)
        said = await one.press(turn, "down", BO)
        assert said is not None
        assert said.text == f"{wording.voted(-1, pressed=True)} {wording.SAY_WHY}"
        assert said.form == Form("reason", turn.id)
        assert await one.votes.of_turn(turn.id) == {BO.key: -1}
        assert await one.votes.tally(turn.id) == (0, 1)


async def test_a_double_click_is_one_press(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.keys.PRESSED_MS", 5000)
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        said = [await one.press(turn, "up") for _ in range(3)]
        assert said == [Said(wording.voted(1, pressed=True))] * 3
        assert await one.votes.of_turn(turn.id) == {ANA.key: 1}


async def test_a_button_and_a_reaction_are_one_vote(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        await one.voting.react(thumb(turn.parts[0], "+1"))
        await one.press(turn, "up")
        assert await one.votes.tally(turn.id) == (1, 0)
        said = await one.press(turn, "up")
        assert said == Said(wording.voted(1, pressed=False)), "the reaction still counts"
        assert "reaction" in said.text
        assert await one.press(turn, "down") == Said(wording.voted(0, pressed=True))
        assert await one.votes.tally(turn.id) == (0, 0)
        await one.voting.react(thumb(turn.parts[0], "+1", present=False))
        assert await one.votes.of_turn(turn.id) == {ANA.key: -1}


async def test_reading_reactions_back_leaves_buttons_alone(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        await one.press(turn, "down")
        await one.voting.react(thumb(turn.parts[0], "-1", person=BO))
        assert await one.voting.reread(turn.parts[0], one.room.reactions) == 1
        assert await one.votes.of_turn(turn.id) == {ANA.key: -1}
        assert not await one.voting.differs(turn.parts[0], [])


async def test_a_vote_stays_when_the_answer_is_continued(client: "Redis") -> None:
    async with house(client) as one:
        one.bench.server.finish = "length"
        turn = await one.asks(asked("one"))
        await one.press(turn, "up")
        one.bench.server.finish = "stop"
        await one.press(turn, "continue")
        await one.answers(turn.id)
        assert await one.votes.of_turn(turn.id) == {ANA.key: 1}


def thumb(on: MessageRef, emoji: str, *, present: bool = True, person: Person = ANA) -> Reaction:
    return Reaction(on, person, emoji, present, time.time())


# Reasons, and the rest


async def kept(one: House) -> list[Reason]:
    return [reason async for reason in one.reasons.listed()]


async def test_a_reason_is_kept_for_the_operators_alone(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        await one.press(turn, "down")
        with capture_logs() as logs:
            said = await one.desk.filled(Form("reason", turn.id), ANA, " It is a secret. \n")
        assert said == Said(wording.REASON_KEPT)
        [reason] = await kept(one)
        assert (reason.turn, reason.text, reason.vote) == (turn, "It is a secret.", -1)
        assert (reason.person.key, reason.person.name) == (ANA.key, "Ana")
        assert one.room.texts() == ["I heard: one"]
        assert "secret" not in str(logs)


async def test_a_newer_reason_replaces_the_older_of_the_same_person(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        for person, text in ((ANA, "old"), (BO, "other"), (ANA, "new")):
            await one.desk.filled(Form("reason", turn.id), person, text)
        assert [(each.person.id, each.text) for each in await kept(one)] == [
            (ANA.id, "new"),
            (BO.id, "other"),
        ]


async def test_a_reason_outlives_its_vote_and_says_so(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        await one.press(turn, "down")
        await one.desk.filled(Form("reason", turn.id), ANA, "wrong")
        await one.press(turn, "down")
        assert [(each.text, each.vote) for each in await kept(one)] == [("wrong", None)]


async def test_a_long_reason_is_cut_and_an_empty_one_is_none(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        assert await one.desk.filled(Form("reason", turn.id), ANA, " \n") == Said(
            wording.REASON_EMPTY
        )
        assert await kept(one) == []
        said = await one.desk.filled(Form("reason", turn.id), ANA, "x" * (LONGEST + 1))
        assert "2,000" in said.text
        assert [len(each.text) for each in await kept(one)] == [LONGEST]


async def test_commands_and_their_forms_have_a_room_of_their_own(client: "Redis") -> None:
    async with house(client) as one:
        turn = await one.asks(asked("one"))
        command = Command("help", "", ANA, turn.conversation)
        assert await one.desk.command(command) == Said("ran")
        assert await one.desk.filled(Form("feedback"), ANA, "nice") == Said("filled")
        assert one.commands.asked == [command, (Form("feedback"), ANA, "nice")]
