"""The border of an adapter: questions to answers, reactions to votes, and nothing gets through."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import wording
from adapters.border import MOST_HELD, Border
from adapters.delivery import FINAL_TRIES
from bot.domain import Incoming, MessageRef, Person, Reaction, Turn
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.feedback.voting import Voting
from bot.parts import Parts
from bot.settings import ChatSettings, VotesSettings
from bot.store import keys
from bot.store.votes import Votes
from bot.worker import Worker
from tests.adapters.paces import quick
from tests.adapters.room import Fault, Room, for_ever, later, lost
from tests.adapters.wire import Result, Wire, WiredRedis, load_scripts
from tests.bot.chat_bench import ANA, BO, Bench, Gate, asked, chat_bench
from tests.bot.store.outage import outage
from tests.scripted_model import ScriptedModel
from tests.waiting import until

AWAY = wording.waiting("store")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.border.RETRY_S", 0.05)
    monkeypatch.setattr("adapters.border.SHOW_AGAIN_S", 0.05)


class Desk:
    """A border over a real chat core."""

    def __init__(self, client: "Redis", bench: Bench, give_up_s: float) -> None:
        self.bench = bench
        self.votes = Votes(client, bench.turns, bench.people)
        self.voting = Voting(bench.turns, self.votes, bench.people)
        self.book = Parts(bench.turns, self.voting)
        self._give_up_s = give_up_s
        self.border = self.border_with(VotesSettings())

    def border_with(self, votes: VotesSettings) -> Border:
        """A border that has people vote so."""
        return Border(
            self.bench.chat,
            self.voting,
            self.bench.people,
            quick(),
            self.book,
            give_up_s=self._give_up_s,
            votes=votes,
        )

    async def answered(
        self, room: Room, question: Incoming, *, resumed: bool = False
    ) -> tuple[str, MessageRef]:
        """The turn of an answer, and its first part."""
        await self.border.take(question, room)
        turn = await self.answer(room, question, resumed=resumed)
        return turn.id, turn.parts[0]

    async def answer(self, room: Room, question: Incoming, *, resumed: bool = False) -> Turn:
        """Answer a question that is taken in; its turn then."""
        room.questions.setdefault(question.ref.key, question)
        turn = await self.bench.held(question)
        await self.border.answer(turn, room, room, resumed=resumed)
        return await self.bench.stored(question)


@asynccontextmanager
async def desk(
    client: "Redis",
    server: ScriptedModel | None = None,
    *,
    give_up_s: float = 600,
    settings: ChatSettings | None = None,
    beside: Desk | None = None,
) -> AsyncIterator[Desk]:
    other = None if beside is None else beside.bench
    async with chat_bench(client, server, settings=settings, beside=other) as bench:
        bench.clock[0] = time.time()
        yield Desk(client, bench, give_up_s)


def thumb(
    on: MessageRef, *, emoji: str = "+1", present: bool = True, person: Person = ANA
) -> Reaction:
    return Reaction(on, person, emoji, present, time.time())


async def cancelled(task: "asyncio.Task[object]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


# Questions


async def test_a_question_is_answered_where_it_was_asked(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        turn = await one.answered(room, asked("Why?"))
        assert room.texts() == ["I heard: Why?"]
        assert turn[1].message == "p1"
        assert await one.bench.inbox.waiting("slack") == 0


async def test_a_message_that_is_not_for_us_is_left_alone(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        await one.border.take(asked(place="channel", channel="C1"), room)
        assert room.log == []
        assert await one.bench.inbox.waiting("slack") == 0


async def test_a_question_is_durable_once_it_is_taken(client: "Redis") -> None:
    question, room = asked("Why?"), Room()
    async with desk(client) as one:
        await one.border.take(question, room)
        await one.border.take(question, room)
        assert (await one.bench.stored(question)).status == "waiting"
        assert await one.bench.inbox.waiting("slack") == 1
        assert room.log == []


async def test_who_finds_no_room_is_told_once(client: "Redis") -> None:
    question, room = asked("two"), Room(limit=200)
    async with desk(client, settings=ChatSettings(max_waiting_conversation=1)) as one:
        await one.border.take(asked("one"), room)
        await one.border.take(question, room)
        await one.border.take(question, room)
        assert room.texts() == [wording.problem("busy")]
        assert await one.bench.turns.of_message(question.ref.key) is None


async def test_who_finds_no_room_and_cannot_be_told_ends_nothing(client: "Redis") -> None:
    room = Room(limit=200)
    async with desk(client, settings=ChatSettings(max_waiting_conversation=1)) as one:
        await one.border.take(asked("one"), room)
        for trouble in (later(), lost(), MessageGone("deleted")):
            room.faults["post"].append(trouble)
            await one.border.take(asked("more"), room)
        assert room.texts() == []


@pytest.mark.parametrize("number", [30])
async def test_many_questions_at_once_are_all_answered(client: "Redis", number: int) -> None:
    rooms = [Room(scope=f"room {at}", channel=f"D{at}") for at in range(number)]
    async with desk(client) as one:
        await asyncio.gather(
            *(
                one.answered(room, asked(f"q{at}", channel=f"D{at}"))
                for at, room in enumerate(rooms)
            )
        )
    assert [room.texts() for room in rooms] == [[f"I heard: q{at}"] for at in range(number)]


# The store away while a question comes


async def test_who_asks_while_the_store_is_away_is_told_and_answered_in_that_message(
    client: "Redis", tmp_path: Path
) -> None:
    question, room = asked("Why?"), Room(limit=200)
    async with desk(client) as one:
        async with outage(client, tmp_path):
            taking = asyncio.create_task(one.border.take(question, room))
            await room.shows(AWAY)
            await asyncio.sleep(0.15)
            assert room.texts() == [AWAY]
            assert not taking.done(), "what is not durable is not acknowledged"
        await asyncio.wait_for(taking, 5)
        turn = await one.answer(room, question)
        assert room.texts() == ["I heard: Why?"]
        assert [ref.message for ref in turn.parts] == ["p1"]
        assert room.posted == 1


async def test_nobody_is_told_of_a_message_that_may_be_for_somebody_else(
    client: "Redis", tmp_path: Path
) -> None:
    room = Room(limit=200)
    async with desk(client) as one:
        async with outage(client, tmp_path):
            taking = asyncio.create_task(
                one.border.take(asked(place="thread", channel="C1", thread="t1"), room)
            )
            await asyncio.sleep(0.15)
            assert not taking.done()
        await asyncio.wait_for(taking, 5)
        assert room.log == []


async def test_a_message_that_comes_again_while_it_waits_is_one_that_waits(
    client: "Redis", tmp_path: Path
) -> None:
    question, room = asked("Why?"), Room(limit=200)
    async with desk(client) as one:
        async with outage(client, tmp_path):
            takes = [asyncio.create_task(one.border.take(question, room)) for _ in range(3)]
            await room.shows(AWAY)
            await cancelled(takes[0])
        await asyncio.wait_for(asyncio.gather(*takes[1:]), 5)
        await one.answer(room, question)
        assert room.texts() == ["I heard: Why?"]
        assert room.posted == 1


@pytest.mark.parametrize("trouble", [later(), lost(), MessageGone("no access"), KeyError("a bug")])
async def test_a_notice_that_could_not_be_given_does_not_keep_the_question_out(
    client: "Redis", tmp_path: Path, trouble: Exception
) -> None:
    question, room = asked("Why?"), Room(limit=200)
    room.faults["post"].append(trouble)
    async with desk(client) as one:
        async with outage(client, tmp_path):
            taking = asyncio.create_task(one.border.take(question, room))
            await until(lambda: not room.faults["post"])
        await asyncio.wait_for(taking, 5)
        await one.answer(room, question)
        assert room.texts() == ["I heard: Why?"]


async def test_a_notice_to_a_question_that_was_taken_in_all_the_same_is_taken_back(
    client: "Redis",
) -> None:
    """The reply to the first call was lost, and the second one knows the message."""
    question, room = asked("Why?"), Room(limit=200)
    await load_scripts(client)
    wire = Wire(at=("store accept.lua", 1), when="after", what="fail")
    async with desk(WiredRedis(client, wire)) as one:
        await one.border.take(question, room)
        assert room.done() == ["post", "delete"]
        await one.answer(room, question)
        assert room.texts() == ["I heard: Why?"]
        assert (await one.bench.stored(question)).parts[0].message == "p2"


async def test_a_notice_that_is_a_part_already_stays(client: "Redis") -> None:
    """Only the second call goes through, and its reply is lost."""

    class Lossy(Wire):
        async def call(
            self, what: str, effect: Callable[[], Awaitable[Result]], broken: Exception
        ) -> Result:
            if what != "store accept.lua":
                return await effect()
            self._counts[what] += 1
            if self._counts[what] == 1:
                raise broken
            taken = await effect()
            if self._counts[what] == 2:
                raise broken
            return taken

    await load_scripts(client)
    question, room = asked("Why?"), Room(limit=200)
    async with desk(WiredRedis(client, Lossy())) as one:
        await one.border.take(question, room)
        assert room.texts() == [AWAY]
        await one.answer(room, question)
        assert room.texts() == ["I heard: Why?"]
        assert room.posted == 1


async def test_a_question_deleted_under_its_notice_leaves_no_promise_behind(
    client: "Redis", tmp_path: Path
) -> None:
    question, room = asked("Why?"), Room(limit=200)
    async with desk(client) as one:
        async with outage(client, tmp_path):
            taking = asyncio.create_task(one.border.take(question, room))
            await room.shows(AWAY)
        await taking
        await one.border.deleted(question.ref)
        turn = await one.answer(room, question)
        assert room.texts() == [wording.problem("withdrawn")]
        assert turn.status == "withdrawn"
        assert one.bench.server.requests == []


async def test_a_deletion_while_the_question_waits_for_the_store_takes_the_notice_back(
    client: "Redis", tmp_path: Path
) -> None:
    question, room = asked("Why?"), Room(limit=200)
    async with desk(client) as one:
        async with outage(client, tmp_path):
            deleting = asyncio.create_task(one.border.deleted(question.ref))
            taking = asyncio.create_task(one.border.take(question, room))
            await room.shows(AWAY)
        await asyncio.wait_for(asyncio.gather(deleting, taking), 5)
        turn = await one.bench.turns.of_message(question.ref.key)
        if turn is not None:  # the deletion was told after the question
            await one.answer(room, question)
            assert room.texts() == [wording.problem("withdrawn")]
        else:
            assert room.texts() == []


async def test_when_too_many_wait_the_platform_has_to_come_again(
    client: "Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_HELD >= 100
    monkeypatch.setattr("adapters.border.MOST_HELD", 2)
    rooms = [Room(limit=200, channel=f"D{at}") for at in range(3)]
    questions = [asked("Why?", channel=f"D{at}") for at in range(3)]
    async with desk(client) as one:
        async with outage(client, tmp_path):
            held = [
                asyncio.create_task(one.border.take(question, room))
                for question, room in zip(questions[:2], rooms, strict=False)
            ]
            await rooms[0].shows(AWAY)
            await rooms[1].shows(AWAY)
            with pytest.raises(StoreUnavailable):
                await one.border.take(questions[2], rooms[2])
            with pytest.raises(StoreUnavailable):
                await one.border.vote(thumb(questions[2].ref))
            assert rooms[2].texts() == []
        await asyncio.wait_for(asyncio.gather(*held), 5)
        await one.border.take(questions[2], rooms[2])
        assert await one.bench.inbox.waiting("slack") == 3


async def test_what_waits_for_the_store_is_given_up_at_the_end(
    client: "Redis", tmp_path: Path
) -> None:
    question, room = asked("Why?"), Room(limit=200)
    async with desk(client) as one:
        async with outage(client, tmp_path):
            taking = asyncio.create_task(one.border.take(question, room))
            await room.shows(AWAY)
            await asyncio.wait_for(one.border.close(), 5)
            await asyncio.gather(taking, return_exceptions=True)
            assert taking.cancelled()
        assert await one.bench.turns.of_message(question.ref.key) is None


# Guarding


async def test_an_event_that_was_made_durable_is_told_from_one_that_was_not(
    client: "Redis",
) -> None:
    async def fails(error: Exception) -> None:
        raise error

    async def goes_well() -> None:
        return

    async with desk(client) as one:
        assert await one.border.guarded(goes_well())
        with capture_logs() as logs:
            assert not await one.border.guarded(fails(StoreUnavailable("away")), message="m1")
            assert not await one.border.guarded(fails(KeyError("a bug")), message="m2")
    assert [(entry["event"], entry["message"]) for entry in logs] == [
        ("event not taken in", "m1"),
        ("event failed", "m2"),
    ]


# Taken up


async def test_half_an_answer_is_finished_in_place(client: "Redis") -> None:
    gate, question, room = Gate(), asked("Why?"), Room(limit=200)
    async with desk(client, gate.server) as killed:
        await killed.border.take(question, room)
        answering = asyncio.create_task(killed.answer(room, question))
        await room.shows("first")
        await killed.bench.saves(question, "first ")
        await cancelled(answering)
        assert room.texts() == [f"first\n\n{wording.PAUSED}"]
        gate.open()
        async with desk(client, beside=killed) as heir:
            turn = await heir.answer(room, question, resumed=True)
    assert room.texts() == ["first to Why?"]
    assert room.posted == 1
    assert (turn.status, turn.answer) == ("done", "first to Why?")


async def test_an_answer_that_was_said_but_not_shown_is_shown(client: "Redis") -> None:
    question, room = asked("Why?"), Room()
    room.faults["posted"].append(for_ever)
    async with desk(client) as killed:
        await killed.border.take(question, room)
        answering = asyncio.create_task(killed.answer(room, question))
        await killed.bench.saves(question, "I heard: Why?")
        await room.shows("Why?")
        await cancelled(answering)
        async with desk(client, beside=killed) as heir:
            turn = await heir.answer(room, question, resumed=True)
        assert len(killed.bench.server.requests) == 1
    assert room.texts() == ["I heard: Why?"]
    assert [ref.message for ref in turn.parts] == ["p1"]


async def test_a_question_that_was_edited_meanwhile_is_answered_as_edited(
    client: "Redis",
) -> None:
    question, room = asked("Whu?"), Room()
    room.questions[question.ref.key] = replace(question, text="Why?")
    async with desk(client) as one:
        await one.border.take(question, room)
        turn = await one.answer(room, question, resumed=True)
    assert room.texts() == ["I heard: Why?"]
    assert turn.text == "Why?"


async def test_a_question_that_was_deleted_meanwhile_is_not_answered(client: "Redis") -> None:
    question, room = asked("Why?"), Room()
    async with desk(client) as one:
        await one.border.take(question, room)
        turn = await one.bench.held(question)
        await one.border.answer(turn, room, room, resumed=True)
        assert room.texts() == []
        assert await one.bench.status(question) == "withdrawn"
        assert await one.bench.inbox.waiting("slack") == 0


async def test_half_an_answer_to_a_question_that_was_deleted_meanwhile_is_marked(
    client: "Redis",
) -> None:
    gate, question, room = Gate(), asked("Why?"), Room(limit=200)
    async with desk(client, gate.server) as killed:
        await killed.border.take(question, room)
        answering = asyncio.create_task(killed.answer(room, question))
        await room.shows("first")
        await killed.bench.saves(question, "first ")
        killed.border.is_hurried = True
        await cancelled(answering)
        assert room.texts() == ["first"]
        del room.questions[question.ref.key]
        async with desk(client, beside=killed) as heir:
            turn = await heir.bench.held(question)
            await heir.border.answer(turn, room, room, resumed=True)
            assert await heir.bench.status(question) == "stopped"
    assert room.texts() == [f"first\n\n{wording.problem('withdrawn')}"]


@pytest.mark.parametrize("trouble", [later(), lost(), MessageGone("no access")])
async def test_a_question_that_cannot_be_looked_at_again_is_answered_as_it_is_known(
    client: "Redis", trouble: Exception
) -> None:
    question, room = asked("Why?"), Room()
    room.faults["question"].append(trouble)
    async with desk(client) as one:
        await one.border.take(question, room)
        await one.answer(room, question, resumed=True)
    assert room.texts() == ["I heard: Why?"]


@pytest.mark.parametrize("call", ["delete", "deleted"])
async def test_a_part_that_we_delete_ourselves_does_not_mark_the_answer(
    client: "Redis", call: str
) -> None:
    """Its event may come before the reply to our call, or later."""
    gate, question, room = Gate(), asked("Why?"), Room()
    async with desk(client, gate.server) as killed:
        await killed.border.take(question, room)
        answering = asyncio.create_task(killed.answer(room, question))
        await room.shows("first")
        await cancelled(answering)
        assert len(room.texts()) == 2, "the note is too long for one message"
        surplus = room.refs[1]
        gate.open()
        async with desk(client, beside=killed) as heir:

            async def told() -> None:
                await heir.border.deleted(surplus)

            room.meets(call, told)
            turn = await heir.answer(room, question, resumed=True)
            await heir.border.deleted(surplus)
            assert room.texts() == ["first to Why?"]
            assert (await heir.bench.stored(question)).deleted is False
            await heir.border.deleted(turn.parts[0])
            assert (await heir.bench.stored(question)).deleted


async def test_who_lost_an_answer_to_another_process_says_nothing_more(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one writes in the same messages."""
    monkeypatch.setattr("bot.worker.HOLD_S", 0.02)
    gate, question, room = Gate(), asked("Why?"), Room(limit=200)
    room.questions[question.ref.key] = question
    async with desk(client, gate.server) as slow:
        await slow.border.take(question, room)

        async def respond(turn: Turn, resumed: bool) -> None:
            await slow.border.answer(turn, room, room, resumed=resumed)

        worker = Worker(slow.bench.inbox, slow.bench.turns, "slack", respond, room=9)
        working = asyncio.create_task(worker.run())
        await room.shows("first")
        async with chat_bench(client, worker="worker-2", beside=slow.bench) as other:
            await other.inbox.claim("slack", 0, 9)
            await until(lambda: gate.server.running == 0)
        await worker.stop(1)
        await cancelled(working)
    assert room.texts() == ["first"]


# The platform in trouble


async def test_an_answer_that_the_platform_refuses_for_long_is_shown_when_it_takes_it(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.delivery.BACKOFF_S", 0.001)
    question, room = asked("Why?"), Room()
    room.faults["post"] += [later(0.001) for _ in range(3 * FINAL_TRIES)]
    async with desk(client) as one:
        await one.border.take(question, room)
        turn = await asyncio.wait_for(one.answer(room, question), 5)
        assert room.texts() == ["I heard: Why?"]
        assert turn.status == "done"
        assert len(one.bench.server.requests) == 1, "what was said is not made again"


async def test_an_answer_that_the_platform_never_takes_is_given_up_in_the_end(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.delivery.BACKOFF_S", 0.001)
    question, room = asked("Why?"), Room()
    room.faults["post"] += [later(0.001) for _ in range(1000)]
    async with desk(client, give_up_s=0.3) as one:
        await one.border.take(question, room)
        turn = await asyncio.wait_for(one.answer(room, question), 5)
        assert (turn.status, turn.answer) == ("failed", "I heard: Why?")
        assert await one.bench.inbox.waiting("slack") == 0
        room.faults["post"].clear()
        await one.answered(room, asked("two"))
    assert room.texts() == ["I heard: two"]


async def test_an_answer_without_a_place_is_ended(client: "Redis") -> None:
    question, room = asked("one"), Room()
    room.faults["post"].append(MessageGone("channel deleted"))
    async with desk(client) as one:
        await one.border.take(question, room)
        with capture_logs() as logs:
            turn = await one.answer(room, question)
        assert turn.status == "failed"
        assert await one.bench.inbox.waiting("slack") == 0
    assert room.texts() == [], "there is nobody to tell"
    assert "answer not shown" in {entry["event"] for entry in logs}


# What nobody foresaw


async def test_what_nobody_foresaw_is_logged_and_told_and_the_next_question_is_answered(
    client: "Redis",
) -> None:
    question, room = asked("one"), Room(limit=200)
    room.faults["post"].append(KeyError("a bug"))
    async with desk(client) as one:
        await one.border.take(question, room)
        with capture_logs() as logs:
            turn = await one.answer(room, question)
        assert room.texts() == [wording.problem("error")]
        [failed] = [entry for entry in logs if entry["event"] == "answer failed"]
        assert failed["turn"] == turn.id
        assert failed["exc_info"]
        assert turn.status == "failed"
        await one.answered(room, asked("two"))
    assert room.texts()[1] == "I heard: two"


async def test_a_person_who_cannot_be_told_ends_nothing(client: "Redis") -> None:
    async with desk(client) as one:
        for trouble in (later(), MessageGone("deleted"), KeyError("another bug")):
            room, question = Room(limit=200), asked("one")
            room.faults["post"] += [KeyError("a bug"), trouble]
            await one.border.take(question, room)
            turn = await one.answer(room, question)
            assert room.texts() == []
            assert turn.status == "failed"


async def test_a_cancelled_answer_is_no_failure(client: "Redis") -> None:
    question, room = asked(), Room(limit=200)
    server = ScriptedModel(answer=lambda _: ["It is", for_ever])
    async with desk(client, server) as one:
        await one.border.take(question, room)
        task = asyncio.create_task(one.answer(room, question))
        await room.shows("It is")
        with capture_logs() as logs:
            await cancelled(task)
        assert await one.bench.status(question) == "running"
    assert room.texts() == [f"It is\n\n{wording.PAUSED}"]
    assert "answer failed" not in {entry["event"] for entry in logs}


async def test_an_answer_that_cannot_wait_says_nothing_more(client: "Redis") -> None:
    question, room = asked(), Room(limit=200)
    server = ScriptedModel(answer=lambda _: ["It is", for_ever])
    async with desk(client, server) as one:
        await one.border.take(question, room)
        task = asyncio.create_task(one.answer(room, question))
        await room.shows("It is")
        one.border.is_hurried = True
        await cancelled(task)
    assert room.texts() == ["It is"]


# Reactions


async def test_an_answer_s_parts_lead_from_reactions_to_votes(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        await one.border.vote(thumb(part))
        await one.border.vote(thumb(part, person=BO, emoji="-1"))
        assert await one.votes.tally(turn) == (1, 1)


async def test_a_reaction_that_comes_before_its_message_is_known_is_a_vote(
    client: "Redis",
) -> None:
    """Its event overtakes the reply to the post."""
    question, room, go_on = asked("Why?"), Room(), asyncio.Event()
    room.faults["posted"].append(go_on.wait)
    async with desk(client) as one:
        await one.border.take(question, room)
        answering = asyncio.create_task(one.answer(room, question))
        await room.shows("Why?")
        await one.border.vote(thumb(room.refs[0]))
        await one.border.vote(thumb(room.refs[0], person=BO))
        await one.border.vote(thumb(room.refs[0], person=BO, present=False))
        go_on.set()
        turn = await answering
        assert await one.votes.tally(turn.id) == (1, 0)


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


async def test_a_reaction_waits_for_the_store(client: "Redis", tmp_path: Path) -> None:
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        async with outage(client, tmp_path):
            voting = asyncio.create_task(one.border.vote(thumb(part)))
            await asyncio.sleep(0.15)
            assert not voting.done(), "what is not durable is not acknowledged"
        await asyncio.wait_for(voting, 5)
        assert await one.votes.tally(turn) == (1, 0)


async def test_a_reaction_that_is_in_doubt_is_read_back(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its removal came before it was put there, as far as we were told."""
    monkeypatch.setattr("adapters.rereads.SETTLE_S", 0.01)
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        await one.border.vote(thumb(part, person=BO))
        assert len(one.border.rereads) == 0
        for present in (False, True):
            await one.border.vote(thumb(part, present=present))
        assert len(one.border.rereads) == 1
        assert await one.votes.tally(turn) == (2, 0)
        room.standing = [thumb(part, person=BO)]
        reading = asyncio.create_task(one.border.rereads.run(room))

        async def is_right() -> bool:
            return await one.votes.tally(turn) == (1, 0)

        await until(is_right)
        await cancelled(reading)


async def test_reactions_on_somebody_else_s_message_are_never_read_back(client: "Redis") -> None:
    async with desk(client) as one:
        for present in (True, False):
            await one.border.vote(replace(thumb(asked().ref, present=present), at=0.0, ours=False))
        assert len(one.border.rereads) == 0


async def test_a_reaction_that_nobody_foresaw_ends_nothing(client: "Redis") -> None:
    room = Room()
    async with desk(client) as one:
        turn, part = await one.answered(room, asked("Why?"))
        await client.set(keys.tally(turn), "in the way of the tally")
        await asyncio.wait_for(one.border.vote(thumb(part)), 5)
        await client.delete(keys.tally(turn))
        await one.border.vote(thumb(part, person=BO))
        assert (await one.votes.tally(turn))[0] >= 1


async def test_both_thumbs_stand_under_the_last_part_where_that_is_wanted(
    client: "Redis",
) -> None:
    room, plain = Room(limit=64), Room(limit=64)
    words = "It is so, and so it is. " * 4
    async with desk(client, ScriptedModel(answer=lambda _: [words])) as one:
        await one.answered(plain, asked("Why?"))
        assert plain.seeded == []
        one.border = one.border_with(VotesSettings(seed_reactions=True, buttons=False))
        turn = (await one.answered(room, asked("Why?")))[0]
        assert room.seeded == [(await one.bench.turns.get_many([turn]))[0].parts[-1].message]  # type: ignore[union-attr]
        assert set(room.controls.values()) == {(), ("again",)}
        assert await one.votes.tally(turn) == (0, 0)


@pytest.mark.parametrize("trouble", [later(), MessageGone("deleted"), KeyError("a bug"), for_ever])
async def test_thumbs_that_cannot_be_put_there_are_no_failure(
    client: "Redis", monkeypatch: pytest.MonkeyPatch, trouble: Fault
) -> None:
    monkeypatch.setattr("adapters.border.SEED_S", 0.05)
    room = Room()
    room.faults["seed"].append(trouble)
    async with desk(client) as one:
        one.border = one.border_with(VotesSettings(seed_reactions=True))
        turn = await one.answered(room, asked("Why?"))
        assert room.texts() == ["I heard: Why?"]
        assert room.seeded == []
        [stored] = await one.bench.turns.get_many([turn[0]])
        assert stored is not None
        assert stored.status == "done"


# Names


async def test_a_name_is_remembered(client: "Redis") -> None:
    async with desk(client) as one:
        await one.border.remember(ANA)
        assert await one.bench.people.get_many([ANA.key]) == [ANA]


async def test_without_the_store_a_name_is_passed_over(client: "Redis", tmp_path: Path) -> None:
    async with desk(client) as one, outage(client, tmp_path):
        with capture_logs() as logs:
            await one.border.remember(ANA)
    assert [entry["event"] for entry in logs] == ["name not kept"]


def test_a_platform_that_asks_to_wait_is_no_unknown_outcome() -> None:
    assert later().retry_after_s is not None
    assert lost().retry_after_s is None
    assert isinstance(lost(), PlatformUnavailable)
