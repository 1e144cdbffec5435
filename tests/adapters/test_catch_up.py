"""Catching up: since when, how often, and that no trouble and no crash leaves anything out."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import catch_up as catch_up_module
from adapters.catch_up import MARGIN_S, CatchUp
from adapters.rereads import Rereads
from bot.domain import Conversation, Incoming, MessageRef, Reaction
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.feedback.voting import Voting
from bot.settings import RedisSettings
from bot.store.connection import connect
from bot.store.people import People
from bot.store.places import Places
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.adapters.core_bench import frozen
from tests.bot.chat_bench import asked
from tests.bot.turns_of import accepted, turn
from tests.waiting import until

NOW = 1_000_000.0


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up_module, "SIGN_S", 0.01)
    monkeypatch.setattr(catch_up_module, "RETRY_S", 0.01)


@dataclass
class Past:
    """A platform's memory: what was written, and what it meets when it is asked."""

    written: list[Incoming] = field(default_factory=list)
    troubles: deque[Exception] = field(default_factory=deque)
    asked: list[float] = field(default_factory=list)
    block: asyncio.Event | None = None

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        return ()

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        self.asked.append(since)
        for incoming in self.written:
            if incoming.sent_at >= since:
                yield incoming
        if self.troubles:
            raise self.troubles.popleft()
        if self.block is not None:
            await self.block.wait()

    async def question(self, ref: MessageRef) -> Incoming | None:
        raise AssertionError("nobody asks")

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        raise AssertionError("nobody asks")


@dataclass
class Desk:
    """Catching up that runs, and what it took."""

    catch_up: CatchUp
    places: Places
    rereads: Rereads
    clock: list[float]
    holds: list[bool]
    taken: list[str] = field(default_factory=list)
    troubles: dict[str, deque[Exception]] = field(default_factory=dict)

    async def take(self, incoming: Incoming) -> None:
        if troubles := self.troubles.get(incoming.text):
            raise troubles.popleft()
        self.taken.append(incoming.text)

    async def signed(self, at: float) -> None:
        """Wait for a sign of life of that time."""

        async def so() -> bool:
            return await self.places.awake("slack") == at

        await until(so)

    async def silent(self) -> None:
        """There is no sign of life, though there was time for many."""
        before = await self.places.awake("slack")
        self.clock[0] += 1
        await asyncio.sleep(0.1)
        assert await self.places.awake("slack") == before


def desk_of(client: "Redis", *, asked_s: float = 900.0) -> Desk:
    turns, people, places, clock = Turns(client), People(client), Places(client), [NOW]
    holds = [False]
    rereads = Rereads(Voting(turns, Votes(client, turns, people), people))
    catch_up = CatchUp(
        "slack",
        rereads=rereads,
        turns=turns,
        places=places,
        asked_s=asked_s,
        voted_s=900.0,
        is_holding=lambda: holds[0],
        clock=lambda: clock[0],
    )
    return Desk(catch_up, places, rereads, clock, holds)


@asynccontextmanager
async def running(desk: Desk, past: Past) -> AsyncIterator[None]:
    task = asyncio.create_task(desk.catch_up.run(past, desk.take))
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def wrote(text: str, ago_s: float) -> Incoming:
    return replace(asked(text), sent_at=NOW - ago_s)


async def test_the_first_start_of_all_looks_at_nothing(client: "Redis") -> None:
    past, desk = Past([wrote("one", 5)]), desk_of(client)
    async with running(desk, past):
        desk.catch_up.connected()
        await desk.signed(NOW)
    assert past.asked == []
    assert desk.taken == []


async def test_the_first_sign_of_life_is_left_at_once(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first life of a second must leave the next one where to begin."""
    monkeypatch.setattr(catch_up_module, "SIGN_S", 60.0)
    desk = desk_of(client)
    async with running(desk, Past()):
        desk.catch_up.connected()
        await desk.signed(NOW)


async def test_it_begins_a_margin_before_the_last_sign_of_life(client: "Redis") -> None:
    before, margin, after = wrote("before", 161), wrote("margin", 159), wrote("after", 5)
    past, desk = Past([before, margin, after]), desk_of(client)
    await desk.places.set_awake("slack", NOW - 100)
    async with running(desk, past):
        desk.catch_up.connected()
        await desk.signed(NOW)
    assert past.asked == [NOW - 100 - MARGIN_S]
    assert desk.taken == ["margin", "after"]


async def test_what_is_too_old_is_left(client: "Redis") -> None:
    past, desk = Past([wrote("old", 50), wrote("new", 5)]), desk_of(client, asked_s=20.0)
    await desk.places.set_awake("slack", NOW - 5000)
    async with running(desk, past):
        desk.catch_up.connected()
        await desk.signed(NOW)
    assert past.asked == [NOW - 20]
    assert desk.taken == ["new"]


async def test_signs_of_life_are_left_only_while_connected(client: "Redis") -> None:
    past, desk = Past(), desk_of(client)
    async with running(desk, past):
        await desk.silent()
        desk.catch_up.connected()
        await desk.signed(desk.clock[0])
        desk.catch_up.disconnected()
        await asyncio.sleep(0.05)
        await desk.silent()
        desk.catch_up.resumed()
        await desk.signed(desk.clock[0])
        assert past.asked == [], "a session that goes on missed nothing"


async def test_an_outage_is_caught_up_on_from_where_it_began(client: "Redis") -> None:
    past, desk = Past(), desk_of(client)
    async with running(desk, past):
        desk.catch_up.connected()
        await desk.signed(NOW)
        desk.catch_up.disconnected()
        await asyncio.sleep(0.05)
        desk.clock[0] += 500
        desk.catch_up.connected()
        await until(lambda: past.asked)
    assert past.asked == [NOW - MARGIN_S]


async def test_no_sign_of_life_is_left_while_events_wait_in_memory(client: "Redis") -> None:
    past, desk = Past(), desk_of(client)
    async with running(desk, past):
        desk.catch_up.connected()
        await desk.signed(NOW)
        desk.holds[0] = True
        await asyncio.sleep(0.05)
        await desk.silent()
        desk.holds[0] = False
        await desk.signed(desk.clock[0])


@pytest.mark.parametrize("first", [True, False])
async def test_a_crash_in_the_middle_begins_again_where_this_one_began(
    client: "Redis", first: bool
) -> None:
    """Also when the one before went well."""
    past, desk = Past([wrote("one", 5)]), desk_of(client)
    await desk.places.set_awake("slack", NOW - 100)
    async with running(desk, past):
        if not first:
            desk.catch_up.connected()
            await desk.signed(NOW)
            desk.catch_up.disconnected()
            await asyncio.sleep(0.05)
            desk.taken.clear()
        since = past.asked[0] if first and past.asked else None
        past.block = asyncio.Event()
        desk.clock[0] += 300
        desk.catch_up.connected()
        await until(lambda: desk.taken)
        await desk.silent()
    again, after = Past([wrote("one", 5)]), desk_of(client)
    async with running(after, again):
        after.catch_up.connected()
        await until(lambda: after.taken)
    assert since is None
    assert again.asked == past.asked[-1:]
    assert after.taken == ["one"]


@pytest.mark.parametrize(
    "trouble",
    [
        PlatformUnavailable("not now"),
        PlatformUnavailable("not now", 0.02),
        StoreUnavailable("not now"),
        MessageGone("all gone"),
    ],
    ids=repr,
)
@pytest.mark.parametrize("whose", ["platform", "taking"])
async def test_trouble_is_waited_out(client: "Redis", trouble: Exception, whose: str) -> None:
    past, desk = Past([wrote("one", 5), wrote("two", 4)]), desk_of(client)
    if whose == "platform":
        past.troubles += [trouble, trouble]
    else:
        desk.troubles["two"] = deque([trouble, trouble])
    await desk.places.set_awake("slack", NOW - 100)
    async with running(desk, past):
        desk.catch_up.connected()
        await desk.signed(NOW)
    assert len(past.asked) == 3
    assert len(set(past.asked)) == 1
    assert desk.taken[-2:] == ["one", "two"]


async def test_a_message_that_cannot_be_taken_in_hides_no_other(client: "Redis") -> None:
    past, desk = Past([wrote("one", 5), wrote("two", 4), wrote("three", 3)]), desk_of(client)
    desk.troubles["two"] = deque([KeyError("a bug")])
    await desk.places.set_awake("slack", NOW - 100)
    with capture_logs() as logged:
        async with running(desk, past):
            desk.catch_up.connected()
            await desk.signed(NOW)
    assert desk.taken == ["one", "three"]
    assert past.written[1].ref.key in {str(one.get("message")) for one in logged}


async def test_what_nobody_foresaw_is_logged_and_the_next_connection_catches_up(
    client: "Redis",
) -> None:
    past, desk = Past([wrote("one", 5)]), desk_of(client)
    past.troubles.append(KeyError("a bug"))
    await desk.places.set_awake("slack", NOW - 100)
    with capture_logs() as logged:
        async with running(desk, past):
            desk.catch_up.connected()
            await until(lambda: "not caught up" in {one["event"] for one in logged})
            desk.catch_up.connected()
            await until(lambda: len(past.asked) == 2)
    assert desk.taken == ["one", "one"]


async def test_a_store_that_is_away_is_waited_for(tmp_path: Path) -> None:
    async with connect(RedisSettings(timeout_s=0.2), tmp_path / "state") as client:
        past, desk = Past([wrote("one", 5)]), desk_of(client)
        await desk.places.set_awake("slack", NOW - 100)
        async with running(desk, past):
            with frozen(tmp_path / "state"):
                desk.catch_up.connected()
                await asyncio.sleep(0.6)
                assert past.asked == []
            await desk.signed(NOW)
    assert desk.taken == ["one"]


async def test_the_reactions_of_late_answers_are_read_back_newest_first(client: "Redis") -> None:
    desk, turns = desk_of(client), Turns(client)
    desk.clock[0] = time.time()
    for name in ("t1", "t2"):
        await accepted(client, turn(name))
    for number in range(3):
        await turns.add_part("t1", number, MessageRef("slack", "T1", "C1", f"m{number}"))
        await asyncio.sleep(0.002)
    await turns.add_part("t2", 0, MessageRef("discord", "G1", "C9", "m9"))
    async with running(desk, Past()):
        desk.catch_up.connected()
        await desk.signed(desk.clock[0])
        assert len(desk.rereads) == 3
        assert [(await desk.rereads._next())[0].message for _ in range(3)] == ["m2", "m1", "m0"]


async def test_answers_too_old_are_not_read_back(client: "Redis") -> None:
    desk = desk_of(client)
    await Turns(client).add_part("t1", 0, MessageRef("slack", "T1", "C1", "m1"))
    desk.clock[0] = time.time() + 1000
    async with running(desk, Past()):
        desk.catch_up.connected()
        await desk.signed(desk.clock[0])
        assert len(desk.rereads) == 0
