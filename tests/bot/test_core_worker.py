"""Turns are handed out, held, taken up after a death, and left at the stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from bot.domain import Turn
from bot.store import keys
from bot.store.inbox import Inbox
from bot.store.turns import Turns
from bot.worker import Worker
from tests.bot.store.outage import outage
from tests.bot.turns_of import DM, WORKER, accepted, inbox, turn
from tests.waiting import until

OTHER = "worker-2"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.worker.HOLD_S", 0.03)
    monkeypatch.setattr("bot.worker.PAUSE_S", 0.02)
    monkeypatch.setattr("bot.store.inbox.READ_S", 0.05)


@dataclass
class Desk:
    """A worker, and somebody who answers for as long as `busy` says."""

    inbox: Inbox
    worker: Worker
    busy: Callable[[Turn], Awaitable[object]]
    handed: list[tuple[str, bool]] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    async def respond(self, one: Turn, resumed: bool) -> None:
        self.handed.append((one.id, resumed))
        try:
            await self.busy(one)
        except asyncio.CancelledError:
            self.left.append(one.id)
            raise
        assert await self.inbox.close(replace(one, status="done"))
        self.ended.append(one.id)


async def at_once(_: Turn) -> None:
    return


async def for_ever(_: Turn) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def desk(
    client: "Redis",
    busy: Callable[[Turn], Awaitable[object]] = at_once,
    *,
    name: str = WORKER,
    room: int = 10,
) -> AsyncIterator[Desk]:
    """A worker at work; killed at the end if it was not stopped."""
    box = inbox(client, name)
    worker = Worker(
        box, Turns(client), "slack", lambda one, resumed: made.respond(one, resumed), room=room
    )
    made = Desk(box, worker, busy)
    running = asyncio.create_task(worker.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await worker.stop(0)


async def questions(client: "Redis", number: int) -> list[str]:
    """So many questions, each in a conversation of its own, by their turns."""
    return [
        (await accepted(client, turn(conversation=replace(DM, channel=f"D{n}")))).id
        for n in range(number)
    ]


async def test_each_turn_is_handed_out_once_as_a_new_one(client: "Redis") -> None:
    before = await questions(client, 2)
    async with desk(client) as one:
        await until(lambda: len(one.ended) == 2)
        assert {name for name, _ in one.handed} == set(before)
        meanwhile = await questions(client, 3)
        await until(lambda: len(one.ended) == 5)
    assert sorted(one.handed) == sorted((name, False) for name in (*before, *meanwhile))
    assert await one.inbox.waiting("slack") == 0


async def test_no_more_turns_are_in_hand_than_there_is_room(client: "Redis") -> None:
    go_on = asyncio.Event()

    async def wait(_: Turn) -> None:
        await go_on.wait()

    names = await questions(client, 5)
    async with desk(client, wait, room=2) as one:
        await until(lambda: len(one.handed) == 2)
        await asyncio.sleep(0.15)
        assert len(one.handed) == 2
        go_on.set()
        await until(lambda: len(one.ended) == 5)
    assert sorted(name for name, _ in one.handed) == sorted(names)


async def test_what_a_killed_process_of_the_name_held_is_taken_up_at_once(
    client: "Redis",
) -> None:
    names = await questions(client, 2)
    dead = inbox(client)
    await dead.left("slack")
    await dead.read("slack", 1)
    async with desk(client) as one:
        await until(lambda: len(one.ended) == 2)
    assert sorted(one.handed) == sorted([(names[0], True), (names[1], False)])


async def test_what_a_process_of_another_name_held_is_taken_up_once_it_is_silent(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.worker.DEAD_S", 0.2)
    [name] = await questions(client, 1)
    dead = inbox(client, OTHER)
    await dead.left("slack")
    await dead.read("slack", 1)
    async with desk(client) as one:
        await asyncio.sleep(0.1)
        assert one.handed == []
        await until(lambda: one.ended == [name])
    assert one.handed == [(name, True)]


async def test_what_a_living_process_holds_is_left_alone(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.worker.DEAD_S", 0.15)
    await questions(client, 1)
    async with desk(client, for_ever, name=OTHER) as alive:
        await until(lambda: len(alive.handed) == 1)
        async with desk(client) as one:
            await asyncio.sleep(0.5)
            assert one.handed == []
            assert alive.left == []


async def test_who_lost_a_turn_leaves_it_to_the_other(client: "Redis") -> None:
    """It was silent for too long, although it was not dead."""
    [name] = await questions(client, 1)
    async with desk(client, for_ever) as slow:
        await until(lambda: len(slow.handed) == 1)
        other = inbox(client, OTHER)
        assert len(await other.claim("slack", 0, 9)) == 1
        await until(lambda: slow.left == [name])
        assert slow.ended == []
    assert [entry.turn for entry in await other.left("slack")] == [name]


async def test_a_turn_that_failed_is_logged_and_taken_up_later(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.worker.DEAD_S", 0.1)
    tries: list[str] = []

    async def fail_once(one: Turn) -> None:
        tries.append(one.id)
        if len(tries) == 1:
            raise KeyError("a bug")

    [name] = await questions(client, 1)
    with capture_logs() as logs:
        async with desk(client, fail_once) as one:
            await until(lambda: one.ended == [name])
    assert one.handed == [(name, False), (name, True)]
    assert "a turn was not answered" in {entry["event"] for entry in logs}


async def test_a_turn_that_is_not_there_keeps_nobody_up(client: "Redis") -> None:
    lost, kept = await questions(client, 2)
    await client.delete(keys.turn(lost))
    with capture_logs() as logs:
        async with desk(client, room=1) as one:
            await until(lambda: one.ended == [kept])
    assert [entry["turn"] for entry in logs if "not there" in entry["event"]] == [lost]


async def test_the_worker_outlives_an_outage_of_the_store(client: "Redis", tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def wait(_: Turn) -> None:
        await go_on.wait()

    [before] = await questions(client, 1)
    async with desk(client, wait) as one:
        await until(lambda: len(one.handed) == 1)
        async with outage(client, tmp_path):
            await asyncio.sleep(0.15)
        go_on.set()
        await until(lambda: one.ended == [before])
        [after] = await questions(client, 1)
        await until(lambda: one.ended == [before, after])
    assert [name for name, _ in one.handed] == [before, after], "nothing is in two hands"
    assert one.left == []


async def test_after_an_outage_others_have_the_time_to_give_their_sign(
    client: "Redis", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.worker.DEAD_S", 0.4)
    await questions(client, 1)
    quiet = inbox(client, OTHER)
    await quiet.left("slack")
    [entry] = await quiet.read("slack", 1)
    async with desk(client) as one:
        await asyncio.sleep(0.25)
        async with outage(client, tmp_path):
            await asyncio.sleep(0.2)
        await asyncio.sleep(0.15)
        assert await quiet.hold("slack", [entry]) == set(), "still its own"
        assert one.handed == []
        await until(lambda: len(one.handed) == 1)


async def test_who_has_ended_a_turn_is_not_cut_short_in_what_is_left_to_do(
    client: "Redis",
) -> None:
    done: list[str] = []

    async def respond(one: Turn, _: bool) -> None:
        assert await box.close(replace(one, status="done"))
        await asyncio.sleep(0.2)  # several signs of life are given meanwhile
        done.append(one.id)

    box = inbox(client)
    worker = Worker(box, Turns(client), "slack", respond, room=1)
    names = await questions(client, 1)
    running = asyncio.create_task(worker.run())
    await until(lambda: done == names)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# The stop


async def test_at_the_stop_running_turns_may_end_and_no_more_are_begun(client: "Redis") -> None:
    go_on = asyncio.Event()

    async def wait(_: Turn) -> None:
        await go_on.wait()

    names = await questions(client, 2)
    async with desk(client, wait) as one:
        await until(lambda: len(one.handed) == 2)
        stopping = asyncio.create_task(one.worker.stop(5))
        await asyncio.sleep(0.05)
        [late] = await questions(client, 1)
        go_on.set()
        await asyncio.wait_for(stopping, 2)
        assert sorted(one.ended) == sorted(names)
    async with desk(client) as heir:
        await until(lambda: heir.ended == [late])
        assert heir.handed == [(late, False)]


async def test_what_takes_too_long_at_the_stop_is_left_to_the_next(client: "Redis") -> None:
    [name] = await questions(client, 1)
    async with desk(client, for_ever) as one:
        await until(lambda: len(one.handed) == 1)
        await asyncio.wait_for(one.worker.stop(0.05), 2)
        assert one.left == [name]
    async with desk(client) as heir:
        await until(lambda: heir.ended == [name])
    assert heir.handed == [(name, True)]


async def test_a_stop_without_a_start_is_none(client: "Redis") -> None:
    box = inbox(client)
    worker = Worker(box, Turns(client), "slack", lambda one, resumed: at_once(one), room=1)
    await asyncio.wait_for(worker.stop(5), 1)
