"""The border of an adapter: questions to answers, reactions to votes, and nothing gets through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import wording
from adapters.border import Border
from adapters.pacing import Pacing
from bot.domain import Incoming, MessageRef, Person, Reaction
from bot.errors import MessageGone
from bot.feedback.voting import Voting
from bot.store import keys
from bot.store.votes import Votes
from tests.adapters.room import Room, later
from tests.bot.chat_bench import ANA, BO, Bench, asked, chat_bench
from tests.scripted_model import ScriptedModel


class Desk:
    """A border over a real chat core."""

    def __init__(self, client: "Redis", bench: Bench) -> None:
        self.bench = bench
        self.votes = Votes(client, bench.turns, bench.people)
        voting = Voting(bench.turns, self.votes, bench.people)
        self.border = Border(bench.chat, voting, bench.people, Pacing(0.001))

    async def answered(self, room: Room, question: Incoming) -> tuple[str, MessageRef]:
        """The turn of an answer, and its first part."""
        await self.border.answer(question, room)
        turn = await self.bench.turns.of_message(question.ref.key)
        assert turn is not None
        return turn.id, room.refs[0]


@asynccontextmanager
async def desk(client: "Redis", server: ScriptedModel | None = None) -> AsyncIterator[Desk]:
    async with chat_bench(client, server) as bench:
        yield Desk(client, bench)


def thumb(
    on: MessageRef, *, emoji: str = "+1", present: bool = True, person: Person = ANA
) -> Reaction:
    return Reaction(on, person, emoji, present, 1.5)


async def test_a_question_is_answered_where_it_was_asked(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        await one.border.answer(asked("Why?"), room)
    assert room.texts() == ["I heard: Why?"]


async def test_a_message_that_is_not_for_us_is_left_alone(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        await one.border.answer(asked(place="channel", channel="C1"), room)
    assert room.log == []


async def test_an_answer_s_parts_lead_from_reactions_to_votes(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        await one.border.vote(thumb(part))
        await one.border.vote(thumb(part, person=BO, emoji="-1"))
        assert await one.votes.tally(turn) == (1, 1)


async def test_reactions_on_one_message_are_applied_in_the_order_of_their_events(
    client: "Redis",
) -> None:
    """Up, away, up, away …: in another order the last state would be another."""
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        for last in (True, False):
            events = [thumb(part, present=bool(number % 2)) for number in range(1, 40)]
            events += [] if last else [thumb(part, present=False)]
            await asyncio.gather(*(one.border.vote(event) for event in events))
            assert await one.votes.tally(turn) == ((1, 0) if last else (0, 0))


async def test_reactions_whose_workspace_is_not_told_keep_their_order(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        for _ in range(20):
            added = thumb(part)
            removed = thumb(replace(part, workspace=""), present=False)
            await asyncio.gather(one.border.vote(added), one.border.vote(removed))
            assert await one.votes.tally(turn) == (0, 0)


async def test_what_nobody_foresaw_is_logged_and_told_and_the_next_question_is_answered(
    client: "Redis",
) -> None:
    room = Room(limit=200)
    room.faults["post"].append(KeyError("a bug"))
    question = asked("one")
    async with desk(client) as one:
        with capture_logs() as logs:
            await one.border.answer(question, room)
        assert room.texts() == [wording.problem("error")]
        [failed] = [entry for entry in logs if entry["event"] == "answer failed"]
        assert failed["message"] == question.ref.key
        assert failed["exc_info"]
        await one.border.answer(asked("two"), room)
    assert room.texts()[1] == "I heard: two"


async def test_a_person_who_cannot_be_told_ends_nothing(client: "Redis") -> None:
    async with desk(client) as one:
        for trouble in (later(), MessageGone("deleted"), KeyError("another bug")):
            room = Room(limit=200)
            room.faults["post"] += [KeyError("a bug"), trouble]
            await one.border.answer(asked("one"), room)
            assert room.texts() == []


async def test_an_answer_that_the_platform_does_not_take_ends_nothing(client: "Redis") -> None:
    room = Room()
    room.faults["post"].append(MessageGone("channel deleted"))
    async with desk(client) as one:
        with capture_logs() as logs:
            await one.border.answer(asked("one"), room)
    assert room.texts() == [], "there is nobody to tell"
    assert "answer not shown" in {entry["event"] for entry in logs}


async def test_a_cancelled_answer_is_no_failure(client: "Redis") -> None:
    room = Room(limit=200)

    async def for_ever() -> None:
        await asyncio.Event().wait()

    async with desk(client, ScriptedModel(answer=lambda _: ["It is", for_ever])) as one:
        task = asyncio.create_task(one.border.answer(asked(), room))
        await room.shows("It is")
        with capture_logs() as logs:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
    assert room.texts() == [f"It is\n\n{wording.STOPPED}"]
    assert "answer failed" not in {entry["event"] for entry in logs}


async def test_without_redis_a_question_is_told_and_a_reaction_is_logged(client: "Redis") -> None:
    room = Room(limit=200)
    async with desk(client) as one:
        await client.shutdown(nosave=True)
        await one.border.answer(asked(), room)
        assert room.texts() == [wording.problem("store")]
        with capture_logs() as logs:
            await one.border.vote(thumb(room.refs[0]))
            await one.border.remember(ANA)
    assert [entry["event"] for entry in logs] == ["reaction lost", "name not kept"]


async def test_a_reaction_that_nobody_foresaw_ends_nothing(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        await client.set(keys.tally(turn), "in the way of the tally")
        await one.border.vote(thumb(part))
        await client.delete(keys.tally(turn))
        await one.border.vote(thumb(part, person=BO))
        assert (await one.votes.tally(turn))[0] >= 1


async def test_a_name_is_remembered(client: "Redis") -> None:
    async with desk(client) as one:
        await one.border.remember(ANA)
        assert await one.bench.people.get_many([ANA.key]) == [ANA]


@pytest.mark.parametrize("number", [30])
async def test_many_questions_at_once_are_all_answered(client: "Redis", number: int) -> None:
    rooms = [Room(scope=f"room {at}") for at in range(number)]
    async with desk(client) as one:
        await asyncio.gather(
            *(
                one.border.answer(asked(f"q{at}", channel=f"D{at}"), room)
                for at, room in enumerate(rooms)
            )
        )
    assert [room.texts() for room in rooms] == [[f"I heard: q{at}"] for at in range(number)]
