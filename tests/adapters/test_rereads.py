"""Reading reactions back: in order, once each, and again after trouble."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import rereads as rereads_module
from adapters.rereads import Rereads
from bot.domain import Conversation, Incoming, MessageRef, Reaction, Turn
from bot.errors import MessageGone, PlatformUnavailable
from bot.feedback.voting import Voting
from bot.settings import RedisSettings
from bot.store.connection import connect
from bot.store.inbox import Inbox
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.adapters.core_bench import frozen
from tests.bot.chat_bench import ANA
from tests.waiting import until


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rereads_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(rereads_module, "RETRY_S", 0.05)


PLACE = Conversation("slack", "T1", "C1", "thread", "1.1")


def part(number: int) -> MessageRef:
    return MessageRef("slack", "T1", "C1", f"m{number}")


def thumb(ref: MessageRef) -> Reaction:
    return Reaction(ref, ANA, "+1", True, 1.0)


@dataclass
class Wall:
    """A platform on which everybody has put a thumb on every message."""

    read: list[str] = field(default_factory=list)
    troubles: deque[Exception] = field(default_factory=deque)
    glance: list[int] = field(default_factory=list)
    """What one call tells of, whatever is asked for."""

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        self.read.append(ref.message)
        if self.troubles:
            raise self.troubles.popleft()
        return [thumb(ref)]

    async def question(self, ref: MessageRef) -> Incoming | None:
        raise AssertionError("nobody asks")

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        return [(part(number), [thumb(part(number))]) for number in self.glance]

    def missed(self, since: float) -> AsyncIterator[Incoming]:
        raise AssertionError("nobody asks")


@dataclass
class Desk:
    rereads: Rereads
    votes: Votes

    async def counted(self, number: int) -> None:
        """Wait until the thumb on a message is a vote."""

        async def voted() -> bool:
            return await self.votes.tally(f"t{number}") == (1, 0)

        await until(voted)

    @asynccontextmanager
    async def running(self, wall: Wall) -> AsyncIterator[None]:
        task = asyncio.create_task(self.rereads.run(wall))
        try:
            yield
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def desk_of(client: "Redis", count: int = 5) -> Desk:
    """Messages m0, m1, … are the parts of turns t0, t1, …"""
    turns, people = Turns(client), People(client)
    votes = Votes(client, turns, people)
    inbox = Inbox(client, "w1", total=100, each=100)
    for number in range(count):
        question = MessageRef("slack", "T1", "C1", f"q{number}")
        turn = Turn(f"t{number}", PLACE, question, ANA, "Why?", "r1", 1.0)
        assert await inbox.accept(turn) == "new"
        await turns.add_part(turn.id, 0, part(number))
    return Desk(Rereads(Voting(turns, votes, people)), votes)


async def test_doubts_come_before_the_rest_which_keeps_its_order(client: "Redis") -> None:
    desk, wall = await desk_of(client), Wall()
    for number in range(4):
        desk.rereads.add(part(number))
    desk.rereads.doubt(part(3))
    desk.rereads.doubt(part(4))
    await asyncio.sleep(0.06)
    async with desk.running(wall):
        await until(lambda: len(wall.read) == 5)
        for number in range(5):
            await desk.counted(number)
    assert wall.read == ["m3", "m4", "m0", "m1", "m2"]
    assert len(desk.rereads) == 0


async def test_the_rest_does_not_wait_for_a_doubt_to_settle(client: "Redis") -> None:
    desk, wall = await desk_of(client), Wall()
    async with desk.running(wall):
        desk.rereads.doubt(part(0))
        desk.rereads.add(part(1))
        await until(lambda: len(wall.read) == 2)
    assert wall.read == ["m1", "m0"]


async def test_one_in_doubt_again_and_again_is_read_once_it_has_settled(client: "Redis") -> None:
    desk, wall = await desk_of(client), Wall()
    async with desk.running(wall):
        for _ in range(20):
            desk.rereads.doubt(part(0))
            await asyncio.sleep(0.01)
        assert wall.read == []
        await until(lambda: wall.read == ["m0"])
        await asyncio.sleep(0.15)
    assert wall.read == ["m0"]


async def test_nothing_is_there_twice(client: "Redis") -> None:
    desk = await desk_of(client)
    for _ in range(3):
        desk.rereads.add(part(0))
        desk.rereads.doubt(part(1))
        desk.rereads.add(part(1))
    assert len(desk.rereads) == 2
    desk.rereads.doubt(part(0))
    assert len(desk.rereads) == 2


async def test_of_too_many_the_last_of_the_rest_are_left_out(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rereads_module, "MOST", 3)
    desk, wall = await desk_of(client), Wall()
    with capture_logs() as logged:
        for number in range(4):
            desk.rereads.add(part(number))
        desk.rereads.doubt(part(4))
    assert len(desk.rereads) == 3
    assert [one["log_level"] for one in logged] == ["warning", "warning"]
    async with desk.running(wall):
        await until(lambda: len(desk.rereads) == 0)
        await until(lambda: len(wall.read) == 3)
    assert sorted(wall.read) == ["m0", "m1", "m4"]


@pytest.mark.parametrize(
    "trouble", [PlatformUnavailable("not now"), PlatformUnavailable("not now", 0.1)], ids=repr
)
async def test_after_trouble_it_is_read_again(client: "Redis", trouble: Exception) -> None:
    desk, wall = await desk_of(client), Wall(troubles=deque([trouble, trouble]))
    async with desk.running(wall):
        desk.rereads.add(part(0))
        await until(lambda: len(wall.read) == 3)
        await desk.counted(0)
    assert len(desk.rereads) == 0


@pytest.mark.parametrize("trouble", [MessageGone("deleted"), KeyError("a bug")], ids=repr)
async def test_what_cannot_be_read_at_all_is_left_and_stops_no_other(
    client: "Redis", trouble: Exception
) -> None:
    desk, wall = await desk_of(client), Wall(troubles=deque([trouble]))
    with capture_logs() as logged:
        async with desk.running(wall):
            desk.rereads.add(part(0))
            desk.rereads.add(part(1))
            await until(lambda: len(wall.read) == 2)
    assert wall.read == ["m0", "m1"]
    assert await desk.votes.tally("t0") == (0, 0)
    assert len(desk.rereads) == 0
    assert part(0).key in {one.get("message") for one in logged}


async def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    async with connect(RedisSettings(timeout_s=0.2), tmp_path / "state") as client:
        desk, wall = await desk_of(client), Wall()
        async with desk.running(wall):
            with frozen(tmp_path / "state"):
                desk.rereads.add(part(0))
                await asyncio.sleep(0.6)

            await desk.counted(0)


async def test_what_is_no_answer_is_not_asked_for(client: "Redis") -> None:
    desk, wall = await desk_of(client, 1), Wall()
    async with desk.running(wall):
        desk.rereads.doubt(part(7))
        desk.rereads.add(part(0))
        await until(lambda: wall.read == ["m0"])
        await until(lambda: len(desk.rereads) == 0)
        await asyncio.sleep(0.1)
    assert wall.read == ["m0"]


async def test_of_what_one_glance_shows_only_what_differs_is_read(client: "Redis") -> None:
    desk, wall = await desk_of(client), Wall(glance=[0, 1, 2])
    for number in (0, 2):
        await desk.votes.apply(f"t{number}", thumb(part(number)), "+")
    async with desk.running(wall):
        for number in range(4):
            desk.rereads.add(part(number))
        await until(lambda: len(wall.read) == 2)
        for number in range(4):
            await desk.counted(number)
    assert sorted(wall.read) == ["m1", "m3"]
    assert len(desk.rereads) == 0
