"""A message is accepted once, whoever delivers it how often, and its turn is one worker's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.domain import Conversation, Turn
from bot.errors import StoreUnavailable
from bot.store import keys
from bot.store.inbox import Entry, Inbox
from bot.store.turns import Turns
from tests.bot.store.outage import outage
from tests.bot.turns_of import DM, WORKER, accepted, inbox, message, turn
from tests.waiting import until

OTHER = "worker-2"


def asking(one: Turn, name: str) -> Turn:
    """Another turn of the same question, as a second delivery of its event makes it."""
    return replace(one, id=name)


async def read(one: Inbox, limit: int = 100) -> list[str]:
    """The turns that a worker is handed."""
    return [entry.turn for entry in await one.read("slack", limit)]


async def held(one: Inbox) -> list[Entry]:
    """The entries of a worker that has taken all that was new."""
    await one.left("slack")
    return await one.read("slack", 100)


async def everything(client: "Redis") -> dict[str, str]:
    """The whole store as text, times to live apart."""
    found: dict[str, str] = {}
    for key in sorted(await client.keys("*")):
        # A hash dumps its fields in an order of its own.
        is_hash = await client.type(key) == "hash"
        found[str(key)] = repr(
            sorted((await client.hgetall(key)).items()) if is_hash else await client.dump(key)
        )
    return found


# Once


async def test_a_message_is_accepted_once(client: "Redis") -> None:
    one = turn()
    assert await inbox(client).accept(one) == "new"
    assert await inbox(client).accept(asking(one, "again")) == "seen"
    assert await inbox(client, OTHER).accept(asking(one, "again")) == "seen"
    assert await inbox(client).accept(turn()) == "new"
    assert await Turns(client).get("again") is None


async def test_the_same_message_of_another_channel_or_platform_is_another(client: "Redis") -> None:
    one = turn()
    assert await inbox(client).accept(one) == "new"
    for number, other in enumerate(
        (replace(one.question, channel="D2"), replace(one.question, platform="discord"))
    ):
        assert await inbox(client).accept(replace(one, id=f"t{number}", question=other)) == "new"
    elsewhere = replace(one.question, workspace="T2")
    assert await inbox(client).accept(replace(one, id="t3", question=elsewhere)) == "seen"


async def test_of_many_deliveries_at_once_exactly_one_is_accepted(client: "Redis") -> None:
    one = turn()
    inboxes = [inbox(client), inbox(client, OTHER)]
    taken = await asyncio.gather(
        *(inboxes[at % 2].accept(asking(one, f"delivery{at}")) for at in range(50))
    )
    assert (taken.count("new"), taken.count("seen")) == (1, 49)
    accepted_id = f"delivery{taken.index('new')}"
    assert [entry.turn for entry in await held(inbox(client))] == [accepted_id]
    assert [past.id for past in await Turns(client).history(DM, 99)] == [accepted_id]
    found = await Turns(client).of_message(one.question.key)
    assert found is not None
    assert found.id == accepted_id


async def test_a_message_is_forgotten_after_a_day_and_not_sooner(client: "Redis") -> None:
    one = await accepted(client, turn())
    left_s = await client.ttl(keys.seen(one.question.key))
    assert keys.SEEN_S - 60 < left_s <= keys.SEEN_S
    assert keys.SEEN_S >= 24 * 3600


async def test_a_second_delivery_does_not_lengthen_the_memory_of_the_first(
    client: "Redis",
) -> None:
    one = await accepted(client, turn())
    await client.expire(keys.seen(one.question.key), 100)
    assert await inbox(client).accept(one) == "seen"
    assert await client.ttl(keys.seen(one.question.key)) <= 100


async def test_a_repeated_acceptance_changes_nothing(client: "Redis") -> None:
    """The reply to the first one may be lost, and the repeat may come when the turn has ended."""
    one = await accepted(client, turn())
    before = await everything(client)
    assert await inbox(client).accept(one) == "seen"
    assert await everything(client) == before
    await held(inbox(client))
    assert await inbox(client).close(replace(one, status="done"))
    before = await everything(client)
    assert await inbox(client).accept(one) == "seen"
    assert await everything(client) == before


# All or nothing


async def test_seen_turn_line_and_queue_come_into_being_together(client: "Redis") -> None:
    one = turn()
    assert await client.keys("*") == []
    assert await inbox(client).accept(one) == "new"
    assert await client.exists(keys.seen(one.question.key))
    assert await Turns(client).get(one.id) == one
    assert await Turns(client).history(DM, 9) == [one]
    assert await client.lrange(keys.open_turns(DM.key), 0, -1) == [one.id]
    assert await inbox(client).waiting("slack") == 1
    assert [entry.turn for entry in await held(inbox(client))] == [one.id]


async def test_a_store_that_takes_no_writes_accepts_nothing_at_all(client: "Redis") -> None:
    one = turn()
    await client.config_set("maxmemory", "1")
    with pytest.raises(StoreUnavailable):
        await inbox(client).accept(one)
    await client.config_set("maxmemory", "0")
    assert await client.keys("*") == []
    assert await inbox(client).accept(one) == "new"


async def test_a_notice_becomes_the_first_part(client: "Redis") -> None:
    notice = message()
    one = await accepted(client, replace(turn(), parts=(notice,)))
    assert await Turns(client).get(one.id) == one
    assert await Turns(client).answered_by(notice.key) == one.id
    assert await Turns(client).recent_parts(0.0, 9) == [notice.key]


async def test_the_notice_of_a_message_that_was_known_already_is_nobody_s(client: "Redis") -> None:
    one, notice = await accepted(client, turn()), message()
    assert await inbox(client).accept(replace(one, parts=(notice,))) == "seen"
    assert await Turns(client).get(one.id) == one
    assert await Turns(client).answered_by(notice.key) is None


async def test_a_message_deleted_before_it_came_is_not_accepted(client: "Redis") -> None:
    one = turn()
    assert await Turns(client).deleted(one.question) is None
    assert await inbox(client).accept(one) == "gone"
    assert await inbox(client).accept(one) == "seen"
    assert await Turns(client).get(one.id) is None
    assert await inbox(client).waiting("slack") == 0


# Bounds


async def test_a_conversation_takes_no_more_than_its_bound(client: "Redis") -> None:
    one = inbox(client, each=2)
    elsewhere = replace(DM, channel="D2")
    turns = [turn() for _ in range(3)]
    assert [await one.accept(each) for each in turns] == ["new", "new", "busy"]
    assert await one.accept(turn(conversation=elsewhere)) == "new"
    assert await Turns(client).get(turns[2].id) is None
    assert await one.accept(turns[2]) == "seen", "its person was told already"
    [first, *_] = await held(one)
    assert first.turn == turns[0].id
    assert await one.close(replace(turns[0], status="done"))
    assert await one.accept(turn()) == "new"


async def test_a_platform_takes_no_more_than_its_bound(client: "Redis") -> None:
    one = inbox(client, total=3)
    places = [replace(DM, channel=f"D{number}") for number in range(4)]
    turns = [turn(conversation=place) for place in places]
    assert [await one.accept(each) for each in turns] == ["new", "new", "new", "busy"]
    assert await one.waiting("slack") == 3
    discord = replace(message(), platform="discord")
    there = Conversation("discord", "1", "D1", "dm")
    assert await one.accept(replace(turn(conversation=there), question=discord)) == "new"
    await held(one)
    assert await one.close(replace(turns[1], status="done"))
    assert await one.accept(turn(conversation=places[3])) == "new"


# Who has what


async def test_entries_are_handed_out_in_the_order_of_acceptance(client: "Redis") -> None:
    turns = [await accepted(client, turn()) for _ in range(5)]
    one = inbox(client)
    await one.left("slack")
    assert await read(one, 2) == [each.id for each in turns[:2]]
    assert await read(one) == [each.id for each in turns[2:]]


async def test_what_waited_before_the_first_worker_came_is_handed_out(client: "Redis") -> None:
    kept = await accepted(client, turn())
    assert await inbox(client).left("slack") == []
    assert await read(inbox(client)) == [kept.id]


async def test_each_entry_is_one_worker_s(client: "Redis") -> None:
    workers = [inbox(client, name) for name in (WORKER, OTHER, "worker-3")]
    for one in workers:
        await one.left("slack")
    turns = {(await accepted(client, turn())).id for _ in range(30)}
    found: list[str] = []

    async def work(one: Inbox) -> None:
        while len(found) < len(turns):
            found.extend(await read(one, 2))

    await asyncio.gather(*(work(one) for one in workers))
    assert sorted(found) == sorted(turns)


async def test_a_read_waits_for_what_comes(client: "Redis") -> None:
    one = inbox(client)
    await one.left("slack")
    reading = asyncio.create_task(read(one))
    await asyncio.sleep(0.02)
    kept = await accepted(client, turn())
    assert await asyncio.wait_for(reading, 0.5) == [kept.id]


async def test_each_platform_has_its_own_inbox(client: "Redis") -> None:
    one = inbox(client)
    await one.left("slack")
    await one.left("discord")
    kept = turn(conversation=Conversation("discord", "1", "D1", "dm"))
    kept = await accepted(client, replace(kept, question=replace(message(), platform="discord")))
    assert [entry.turn for entry in await one.read("discord", 9)] == [kept.id]
    assert await one.waiting("slack") == 0


async def test_what_a_killed_process_held_is_left_to_the_next_of_its_name(
    client: "Redis",
) -> None:
    turns = [await accepted(client, turn()) for _ in range(2)]
    entries = await held(inbox(client))
    assert [entry.turn for entry in entries] == [each.id for each in turns]
    assert await inbox(client, OTHER).left("slack") == []
    assert await inbox(client).left("slack") == entries
    assert await inbox(client).left("slack") == entries, "as often as it is asked"
    assert await inbox(client).close(replace(turns[0], status="done"))
    assert await inbox(client).left("slack") == entries[1:]


async def test_entries_of_the_silent_are_claimed_and_of_no_one_else(client: "Redis") -> None:
    one, other = inbox(client), inbox(client, OTHER)
    kept = [await accepted(client, turn()) for _ in range(2)]
    silent, alive = await held(one)
    assert await other.claim("slack", 60, 9) == []
    await asyncio.sleep(0.06)
    assert await one.hold("slack", [alive]) == set()
    assert await other.claim("slack", 0.05, 9) == [silent]
    assert [entry.turn for entry in await other.left("slack")] == [kept[0].id]
    assert await one.hold("slack", [silent, alive]) == {silent}


async def test_no_more_is_claimed_than_there_is_room(client: "Redis") -> None:
    for _ in range(3):
        await accepted(client, turn())
    entries = await held(inbox(client))
    assert await inbox(client, OTHER).claim("slack", 0, 2) == entries[:2]
    assert await inbox(client).hold("slack", entries) == set(entries[:2])


async def test_of_two_who_claim_at_once_each_entry_goes_to_one(client: "Redis") -> None:
    for _ in range(20):
        await accepted(client, turn())
    entries = await held(inbox(client))
    await asyncio.sleep(0.06)
    found = await asyncio.gather(
        *(inbox(client, f"heir-{at}").claim("slack", 0.05, 9) for at in range(4))
    )
    claimed = [entry.turn for each in found for entry in each]
    assert len(claimed) == len(set(claimed)) == len(entries)


async def test_an_entry_that_was_ended_is_lost_to_all_but_who_ended_it(client: "Redis") -> None:
    """Who ended a turn has still to tell the platform so, and is not to be cut short there."""
    one = await accepted(client, turn())
    [entry] = await held(inbox(client))
    assert await inbox(client).hold("slack", [entry]) == set()
    assert await inbox(client).close(replace(one, status="done"))
    assert await inbox(client).hold("slack", [entry]) == set()
    assert await inbox(client, OTHER).hold("slack", [entry]) == {entry}
    assert await inbox(client).hold("slack", []) == set()


# The end of a turn


async def test_an_end_is_kept_and_leaves_queue_and_line(client: "Redis") -> None:
    one = await accepted(client, turn())
    await held(inbox(client))
    ended = replace(
        one, status="done", answer="This.", finish="stop", first_text_at=2.5, finished_at=3.5
    )
    assert await inbox(client).close(ended)
    assert await Turns(client).get(one.id) == ended
    assert await inbox(client).waiting("slack") == 0
    assert await inbox(client).left("slack") == []
    assert await client.exists(keys.open_turns(DM.key)) == 0


async def test_a_repeated_end_changes_nothing(client: "Redis") -> None:
    one = await accepted(client, turn())
    await held(inbox(client))
    assert await inbox(client).close(replace(one, status="done", answer="This."))
    before = await everything(client)
    assert not await inbox(client).close(replace(one, status="failed", answer="That."))
    assert await everything(client) == before


async def test_who_lost_the_entry_cannot_end_the_turn(client: "Redis") -> None:
    one = await accepted(client, turn())
    [entry] = await held(inbox(client))
    assert await inbox(client, OTHER).claim("slack", 0, 9) == [entry]
    before = await everything(client)
    assert not await inbox(client).close(replace(one, status="failed", answer="That."))
    assert await everything(client) == before
    assert await inbox(client, OTHER).close(replace(one, status="done", answer="This."))
    assert await Turns(client).get(one.id) == replace(one, status="done", answer="This.")


async def test_who_never_had_the_entry_cannot_end_the_turn(client: "Redis") -> None:
    one = await accepted(client, turn())
    await inbox(client).left("slack")
    before = await everything(client)
    assert not await inbox(client).close(replace(one, status="done"))
    assert await everything(client) == before


async def test_a_turn_that_the_store_has_lost_can_be_ended(client: "Redis") -> None:
    """A server without persistence was restarted: whoever insists on the end must come through."""
    one = await accepted(client, turn())
    await held(inbox(client))
    await client.flushall()
    assert not await inbox(client).close(replace(one, status="done"))
    assert await client.keys("*") == []


# The order of a conversation


async def test_turns_of_a_conversation_are_first_one_after_the_other(client: "Redis") -> None:
    one, two = await accepted(client, turn()), await accepted(client, turn())
    elsewhere = await accepted(client, turn(conversation=replace(DM, channel="D2")))
    await held(inbox(client))
    for worker in (inbox(client), inbox(client, OTHER)):
        assert [await worker.is_first(each) for each in (one, two, elsewhere)] == [
            True,
            False,
            True,
        ]
    await Turns(client).begin(one.id, "r1")
    assert not await inbox(client).is_first(two), "a running turn is still before it"
    await inbox(client).close(replace(one, status="done"))
    assert await inbox(client).is_first(two)


async def test_a_turn_that_ended_without_leaving_the_line_blocks_nobody(client: "Redis") -> None:
    one, two, three = [await accepted(client, turn()) for _ in range(3)]
    await Turns(client).deleted(one.question)
    assert await inbox(client).is_first(two)
    assert not await inbox(client).is_first(three)
    assert await client.lrange(keys.open_turns(DM.key), 0, -1) == [two.id, three.id]
    assert await inbox(client).is_first(one), "who stands in no line waits for nobody"


async def test_a_lost_turn_blocks_nobody(client: "Redis") -> None:
    one, two = await accepted(client, turn()), await accepted(client, turn())
    await client.delete(keys.turn(one.id))
    assert await inbox(client).is_first(two)


# Without the server


async def test_without_the_server_everything_is_unavailable(
    client: "Redis", tmp_path: Path
) -> None:
    one = inbox(client)
    kept = await accepted(client, turn())
    await held(one)
    async with outage(client, tmp_path):
        calls: list[Callable[[], Awaitable[object]]] = [
            lambda: one.accept(turn()),
            lambda: one.close(kept),
            lambda: one.is_first(kept),
            lambda: one.left("slack"),
            lambda: one.read("slack", 1),
            lambda: one.claim("slack", 1, 1),
            lambda: one.hold("slack", [Entry("1-1", "turn")]),
            lambda: one.waiting("slack"),
        ]
        for call in calls:
            with pytest.raises(StoreUnavailable):
                await call()


async def test_a_store_that_forgot_everything_is_unavailable_until_asked_what_is_left(
    client: "Redis",
) -> None:
    one = inbox(client)
    await one.left("slack")
    await client.flushall()
    with pytest.raises(StoreUnavailable):
        await one.read("slack", 1)
    assert await one.left("slack") == []
    kept = await accepted(client, turn())
    assert await read(one) == [kept.id]


# Whatever comes


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["accept", "read", "claim", "close", "delete", "restart"]),
            st.integers(0, 4),
            st.sampled_from([WORKER, OTHER]),
        ),
        max_size=40,
    )
)
async def test_whatever_happens_each_question_is_held_by_one_at_most_and_ends_once(
    client: "Redis", steps: list[tuple[str, int, str]]
) -> None:
    """`number` is the question, over two conversations; a plain model says what has to be."""
    await client.flushall()
    workers = {name: inbox(client, name) for name in (WORKER, OTHER)}
    turns = Turns(client)
    for one in workers.values():
        await one.left("slack")
    questions = [turn(f"t{n}", conversation=replace(DM, channel=f"D{n % 2}")) for n in range(5)]
    seen: set[int] = set()
    gone: set[int] = set()
    queued: list[int] = []
    owner: dict[int, str] = {}
    ended: dict[int, str] = {}
    for what, number, name in steps:
        one, question = workers[name], questions[number]
        if what == "accept":
            expected = "seen" if number in seen else "gone" if number in gone else "new"
            assert await one.accept(question) == expected
            seen.add(number)
            if expected == "new":
                queued.append(number)
        elif what == "read" and queued:
            assert await read(one) == [f"t{n}" for n in queued]
            owner |= dict.fromkeys(queued, name)
            queued.clear()
        elif what == "claim":
            assert {entry.turn for entry in await one.claim("slack", 0, 99)} == {
                f"t{n}" for n in owner
            }
            owner = dict.fromkeys(owner, name)
        elif what == "close":
            mine = owner.get(number) == name
            status = "done" if name == WORKER else "failed"
            assert await one.close(replace(question, status=status)) == mine  # type: ignore[arg-type]
            if mine:
                ended[number] = status
                del owner[number]
        elif what == "delete":
            kept = await turns.get(question.id)
            found = await turns.deleted(question.question)
            assert (found is not None) == (kept is not None and kept.status == "waiting")
            if kept is None:
                gone.add(number)
        elif what == "restart":
            left = [entry.turn for entry in await inbox(client, name).left("slack")]
            assert sorted(left) == sorted(f"t{n}" for n in owner if owner[n] == name)
    assert await workers[WORKER].waiting("slack") == len(owner) + len(queued)
    for number, status in ended.items():
        kept = await turns.get(f"t{number}")
        assert kept is not None
        assert kept.status == status
    for place in ("D0", "D1"):
        line = await client.lrange(keys.open_turns(replace(DM, channel=place).key), 0, -1)
        assert set(line) == {
            f"t{n}" for n in (*owner, *queued) if questions[n].conversation.channel == place
        }


async def test_many_questions_over_two_workers_are_all_ended_and_nothing_is_left(
    client: "Redis",
) -> None:
    workers = [inbox(client, WORKER), inbox(client, OTHER)]
    for one in workers:
        await one.left("slack")
    places = [replace(DM, channel=f"D{number}") for number in range(4)]
    turns = {f"t{n}": turn(f"t{n}", conversation=places[n % 4]) for n in range(40)}
    order: list[str] = []

    async def answer(one: Inbox, each: Turn) -> None:
        await until(lambda: one.is_first(each), within_s=20)
        assert await one.close(replace(each, status="done"))
        order.append(each.id)

    async def work(one: Inbox, tasks: asyncio.TaskGroup) -> None:
        while await one.waiting("slack"):
            for name in await read(one, 3):
                tasks.create_task(answer(one, turns[name]))

    for each in turns.values():
        await accepted(client, each)
    async with asyncio.TaskGroup() as tasks:
        for one in workers:
            tasks.create_task(work(one, tasks))
    for number in range(4):
        mine = [name for name in order if turns[name].conversation == places[number]]
        assert mine == [f"t{n}" for n in range(number, 40, 4)]
    assert await client.keys(keys.open_turns("*")) == []
