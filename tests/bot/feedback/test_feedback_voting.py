"""The path of a reaction, from the message it stands on to the vote."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.domain import MessageRef, Person, Reaction
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.feedback.voting import LATE_S, REREAD_TRIES, Voting
from bot.store import keys
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import Change, Votes
from tests.bot.store.outage import outage
from tests.bot.turns_of import accepted, message, turn

ANA = Person("slack", "U1", "Ana")
BO = Person("slack", "U2", "Bo")


class Poll:
    """An answer of two parts, and what people do with it."""

    def __init__(self, client: "Redis") -> None:
        self.client, self.turns, self.people = client, Turns(client), People(client)
        self.votes = Votes(client, self.turns, self.people)
        self.now = 1_795_427_000.0
        self.voting = Voting(self.turns, self.votes, self.people, lambda: self.now)
        self.turn = turn(answer="This.")
        self.parts = [message(), message()]

    async def taken_in(self) -> "Poll":
        """The question is known, and none of its messages."""
        await accepted(self.client, self.turn)
        return self

    async def open(self) -> "Poll":
        """The question and both messages of the answer are known."""
        await self.taken_in()
        for number in range(len(self.parts)):
            await self.know(number)
        return self

    async def know(self, part: int) -> None:
        """A message of the answer becomes known."""
        await self.turns.add_part(self.turn.id, part, self.parts[part])

    def reaction(
        self, on: MessageRef, emoji: str, *, present: bool = True, person: Person = ANA
    ) -> Reaction:
        return Reaction(on, person, emoji, present, self.now)

    async def react(
        self, on: MessageRef, emoji: str, *, present: bool = True, person: Person = ANA
    ) -> Change | None:
        return await self.voting.react(self.reaction(on, emoji, present=present, person=person))

    async def tally(self) -> tuple[int, int]:
        return await self.votes.tally(self.turn.id)

    async def counted(self) -> dict[str, int]:
        """The votes, by person."""
        return {vote.person.id: vote.value async for vote in self.votes.listed()}


# A vote


async def test_a_thumb_on_an_answer_is_a_vote(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(poll.parts[0], "+1") == Change(None, 1)
    assert await poll.react(poll.parts[0], "+1", present=False) == Change(1, None)


async def test_a_thumb_counts_on_every_part_and_once_in_all(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(poll.parts[1], "👎🏿") == Change(None, -1)
    assert await poll.react(poll.parts[0], "👎") == Change(-1, -1)
    assert await poll.tally() == (0, 1)


async def test_a_thumb_on_the_question_is_no_vote(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(poll.turn.question, "+1") is None
    assert await poll.tally() == (0, 0)
    assert not await client.exists(keys.parked(poll.turn.question.key))


async def test_a_thumb_on_a_message_of_somebody_else_is_no_vote(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(message(), "+1") is None
    assert await client.xlen(keys.EVENTS) == 0


async def test_another_emoji_is_no_vote_and_is_not_kept(client: "Redis") -> None:
    poll, unknown = await Poll(client).open(), message()
    assert await poll.react(poll.parts[0], "heart") is None
    assert await poll.react(unknown, "heart") is None
    assert await client.xlen(keys.EVENTS) == 0
    assert not await client.exists(keys.parked(unknown.key))
    assert await poll.people.get_many([ANA.key]) == [Person("slack", "U1", "U1")]


async def test_the_same_event_again_is_no_news(client: "Redis") -> None:
    poll = await Poll(client).open()
    await poll.react(poll.parts[0], "+1")
    assert await poll.react(poll.parts[0], "+1") is None


async def test_who_votes_is_remembered_by_name(client: "Redis") -> None:
    poll = await Poll(client).open()
    await poll.react(poll.parts[0], "+1")
    [vote] = [vote async for vote in poll.votes.listed()]
    assert vote.person == ANA


async def test_without_the_server_a_reaction_is_unavailable(
    client: "Redis", tmp_path: Path
) -> None:
    poll = await Poll(client).open()
    async with outage(client, tmp_path):
        with pytest.raises(StoreUnavailable):
            await poll.react(poll.parts[0], "+1")
        with pytest.raises(StoreUnavailable):
            await poll.voting.settle(poll.parts[0])
        with pytest.raises(StoreUnavailable):
            await poll.voting.reread(poll.parts[0], nothing_there)


async def nothing_there(_: MessageRef) -> Sequence[Reaction]:
    return []


# Before its message is known


async def test_a_reaction_waits_for_its_message(client: "Redis") -> None:
    poll = await Poll(client).taken_in()
    part = poll.parts[0]
    assert await poll.react(part, "+1") is None
    assert await poll.react(part, "-1", person=BO) is None
    assert await poll.tally() == (0, 0)
    await poll.know(0)
    await poll.voting.settle(part)
    assert await poll.tally() == (1, 1)
    assert not await client.exists(keys.parked(part.key))


async def test_what_waits_is_the_last_state_of_each_reaction(client: "Redis") -> None:
    poll = await Poll(client).taken_in()
    part = poll.parts[0]
    for present in (True, False, True):
        await poll.react(part, "+1", present=present)
    for present in (True, False):
        await poll.react(part, "+1", present=present, person=BO)
    await poll.know(0)
    await poll.voting.settle(part)
    assert await poll.counted() == {"U1": 1}


async def test_who_waited_is_remembered_by_the_name_that_others_told(client: "Redis") -> None:
    poll = await Poll(client).taken_in()
    await poll.people.remember(ANA)
    await poll.react(poll.parts[0], "+1")
    await poll.know(0)
    await poll.voting.settle(poll.parts[0])
    [vote] = [vote async for vote in poll.votes.listed()]
    assert vote.person == ANA


async def test_a_reaction_that_is_known_to_be_on_somebody_else_s_message_does_not_wait(
    client: "Redis",
) -> None:
    poll, part = await Poll(client).taken_in(), message()
    assert await poll.voting.react(replace(poll.reaction(part, "+1"), ours=False)) is None
    assert not await client.exists(keys.parked(part.key))
    await poll.voting.react(replace(poll.reaction(part, "+1"), ours=True))
    assert await client.exists(keys.parked(part.key))


async def test_a_reaction_does_not_wait_for_ever(client: "Redis") -> None:
    poll = await Poll(client).taken_in()
    await poll.react(poll.parts[0], "+1")
    left_s = await client.ttl(keys.parked(poll.parts[0].key))
    assert keys.PARKED_S - 60 < left_s <= keys.PARKED_S


async def test_a_live_reaction_comes_after_what_waited(client: "Redis") -> None:
    """It is handled between the moment in which its message is known and the settling."""
    poll = await Poll(client).taken_in()
    part = poll.parts[0]
    await poll.react(part, "+1")
    await poll.react(part, "-1", person=BO)
    await poll.know(0)
    await poll.react(part, "+1", present=False)
    await poll.voting.settle(part)
    assert await poll.counted() == {"U2": -1}


async def test_settling_and_live_reactions_at_once_keep_their_order(client: "Redis") -> None:
    poll = await Poll(client).taken_in()
    part = poll.parts[0]
    for _ in range(20):
        await client.delete(keys.message(part.key))
        await poll.react(part, "+1")
        await poll.know(0)
        await asyncio.gather(
            poll.voting.settle(part),
            poll.react(part, "+1", present=False),
            poll.react(part, "+1"),
            poll.react(part, "+1", present=False),
        )
        assert await poll.tally() == (0, 0)


async def test_settling_that_was_broken_off_is_made_up_for(client: "Redis") -> None:
    poll = await Poll(client).taken_in()
    part = poll.parts[0]
    await poll.people.remember(ANA)
    await poll.react(part, "+1")
    await poll.know(0)
    await client.config_set("maxmemory", "1")
    with pytest.raises(StoreUnavailable):
        await poll.voting.settle(part)
    await client.config_set("maxmemory", "0")
    assert await client.exists(keys.parked(part.key)), "it is kept until it is a vote"
    for _ in range(2):
        await poll.voting.settle(part)
        assert await poll.tally() == (1, 0)


async def test_nothing_is_settled_before_the_message_is_known(client: "Redis") -> None:
    poll = await Poll(client).taken_in()
    await poll.react(poll.parts[0], "+1")
    await poll.voting.settle(poll.parts[0])
    await poll.know(0)
    await poll.voting.settle(poll.parts[0])
    assert await poll.tally() == (1, 0)


# Doubt


async def test_an_event_that_says_the_opposite_of_an_earlier_one_is_doubtful(
    client: "Redis",
) -> None:
    poll = Poll(client)
    added = poll.reaction(poll.parts[0], "+1")
    removed = replace(added, present=False)
    assert [poll.voting.is_doubtful(each) for each in (added, added, removed, removed, added)] == [
        False,
        False,
        True,
        False,
        True,
    ]


async def test_events_of_others_contradict_nothing(client: "Redis") -> None:
    poll = Poll(client)
    added = poll.reaction(poll.parts[0], "+1")
    removed = replace(added, present=False)
    assert not poll.voting.is_doubtful(added)
    for other in (
        replace(removed, person=BO),
        replace(removed, emoji="-1"),
        replace(removed, kind="burst"),
        replace(removed, ref=poll.parts[1]),
    ):
        assert not poll.voting.is_doubtful(other)


async def test_a_late_event_is_doubtful(client: "Redis") -> None:
    poll = Poll(client)
    fresh = poll.reaction(poll.parts[0], "+1")
    late = replace(fresh, at=poll.now - LATE_S - 0.1)
    assert not poll.voting.is_doubtful(replace(fresh, at=poll.now - LATE_S))
    assert poll.voting.is_doubtful(late)


async def test_what_is_no_vote_is_never_doubtful(client: "Redis") -> None:
    poll = Poll(client)
    heart = replace(poll.reaction(poll.parts[0], "heart"), at=0.0)
    assert not poll.voting.is_doubtful(heart)
    assert not poll.voting.is_doubtful(replace(heart, present=False))


async def test_so_many_reactions_are_remembered_and_no_more(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.feedback.voting.RECENT", 2)
    poll = Poll(client)
    people = [Person("slack", f"U{number}") for number in range(3)]
    for person in people:
        assert not poll.voting.is_doubtful(poll.reaction(poll.parts[0], "+1", person=person))
    removals = [
        poll.reaction(poll.parts[0], "+1", present=False, person=person) for person in people
    ]
    assert [poll.voting.is_doubtful(each) for each in reversed(removals)] == [True, True, False]


# Reading back


async def test_votes_become_what_stands_there(client: "Redis") -> None:
    poll = await Poll(client).open()
    part = poll.parts[0]
    await poll.react(part, "+1")
    await poll.react(part, "+1", person=BO)
    standing = [poll.reaction(part, "-1"), poll.reaction(part, "heart", person=BO)]

    async def read(ref: MessageRef) -> Sequence[Reaction]:
        assert ref == part
        return standing

    assert await poll.voting.reread(part, read) == 3
    assert await poll.counted() == {"U1": -1}
    assert await poll.voting.reread(part, read) == 0


async def test_reading_one_part_back_leaves_the_others_alone(client: "Redis") -> None:
    poll = await Poll(client).open()
    await poll.react(poll.parts[1], "+1")
    await poll.react(poll.parts[0], "-1", person=BO)
    assert await poll.voting.reread(poll.parts[0], nothing_there) == 1
    assert await poll.counted() == {"U1": 1}


async def test_only_messages_of_answers_are_read_back(client: "Redis") -> None:
    poll = await Poll(client).open()

    async def never(_: MessageRef) -> Sequence[Reaction]:
        raise AssertionError

    assert await poll.voting.reread(message(), never) == 0
    assert await poll.voting.reread(poll.turn.question, never) == 0


async def test_a_super_reaction_is_told_from_a_normal_one(client: "Redis") -> None:
    poll = await Poll(client).open()
    part = poll.parts[0]
    both = [replace(poll.reaction(part, "👍"), kind=kind) for kind in ("normal", "burst")]
    for each in both:
        await poll.voting.react(each)

    async def read(_: MessageRef) -> Sequence[Reaction]:
        return both[1:]

    assert await poll.voting.reread(part, read) == 1
    assert await poll.tally() == (1, 0)
    assert [each.kind for each in await poll.votes.held(poll.turn.id, part)] == ["burst"]


@pytest.mark.parametrize("error", [PlatformUnavailable("not now"), MessageGone("deleted")])
async def test_what_cannot_be_read_back_stays_as_it_is(client: "Redis", error: Exception) -> None:
    poll = await Poll(client).open()
    await poll.react(poll.parts[0], "+1")

    async def read(_: MessageRef) -> Sequence[Reaction]:
        raise error

    with pytest.raises(type(error)):
        await poll.voting.reread(poll.parts[0], read)
    assert await poll.tally() == (1, 0)


@pytest.mark.parametrize("present", [True, False])
async def test_an_event_that_comes_while_reading_makes_it_read_again(
    client: "Redis", *, present: bool
) -> None:
    """What was read may be older than the event, or newer."""
    poll = await Poll(client).open()
    part = poll.parts[0]
    await poll.react(part, "+1")
    if not present:
        await poll.react(part, "+1", person=BO)
    reads = 0

    async def read(_: MessageRef) -> Sequence[Reaction]:
        nonlocal reads
        reads += 1
        others = [poll.reaction(part, "+1", person=BO)]
        if reads == 1:
            await poll.react(part, "+1", present=present, person=BO)
            return [] if present else others
        return others if present else []

    await poll.voting.reread(part, read)
    assert reads == 2
    assert await poll.counted() == ({"U2": 1} if present else {})


async def test_an_event_of_another_process_in_mid_change_makes_it_read_again(
    client: "Redis",
) -> None:
    """The other one knows nothing of our locks."""
    poll = await Poll(client).open()
    part = poll.parts[0]
    for number in range(5):
        await poll.react(part, "+1", person=Person("slack", f"U{number}"))
    other = Voting(poll.turns, poll.votes, poll.people)
    standing = {f"U{number}": 1 for number in range(5, 10)}
    late = Person("slack", "U99")

    async def read(_: MessageRef) -> Sequence[Reaction]:
        return [poll.reaction(part, "+1", person=Person("slack", name)) for name in standing]

    async def interfere() -> None:
        await asyncio.sleep(0.002)
        await other.react(poll.reaction(part, "-1", person=late))
        standing_now.set()

    standing_now = asyncio.Event()
    rereading = asyncio.create_task(poll.voting.reread(part, read))
    await interfere()
    await rereading
    if "U99" in (await poll.counted()):  # it came after the reading, and is the newer truth
        await other.react(poll.reaction(part, "-1", present=False, person=late))
    assert await poll.counted() == standing


async def test_votes_that_move_all_the_time_are_left_to_their_events(client: "Redis") -> None:
    poll = await Poll(client).open()
    part = poll.parts[0]
    reads = 0

    async def read(_: MessageRef) -> Sequence[Reaction]:
        nonlocal reads
        reads += 1
        await poll.react(part, "+1", present=bool(reads % 2))
        return []

    assert await poll.voting.reread(part, read) == 0
    assert reads == REREAD_TRIES


async def test_reading_back_and_live_events_at_once_end_in_what_stands_there(
    client: "Redis",
) -> None:
    """A platform whose reads take a while, under people who change their minds."""
    poll = await Poll(client).open()
    part = poll.parts[0]
    there: set[tuple[str, str]] = set()

    async def read(_: MessageRef) -> Sequence[Reaction]:
        found = sorted(there)
        await asyncio.sleep(0.001)
        return [poll.reaction(part, emoji, person=Person("slack", name)) for name, emoji in found]

    async def people() -> None:
        for number in range(60):
            name, emoji = f"U{number % 5}", ("+1", "-1")[number % 3 == 0]
            present = (name, emoji) not in there
            (there.add if present else there.discard)((name, emoji))
            await asyncio.sleep(0.0005)
            await poll.react(part, emoji, present=present, person=Person("slack", name))

    async def reader() -> None:
        for _ in range(15):
            await poll.voting.reread(part, read)

    await asyncio.gather(people(), reader())
    await poll.voting.reread(part, read)
    signs: dict[str, set[int]] = {}
    for name, emoji in there:
        signs.setdefault(name, set()).add(1 if emoji == "+1" else -1)
    assert await poll.counted() == {name: sum(each) for name, each in signs.items()}


# Whatever comes


Toggle = tuple[int, int, int]
"""A person, a part and an emoji by their numbers: put there, or taken away if it is there."""

EMOJIS = ("👍", "👎", "👎🏿")
PEOPLE = (ANA, BO, Person("slack", "U3", "Cy"))


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    toggles=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)), max_size=14
    ),
    order=st.randoms(use_true_random=False),
    is_ordered=st.booleans(),
    lost=st.sets(st.integers(0, 13)),
    again=st.lists(st.integers(0, 13), max_size=4),
    known_at=st.tuples(st.integers(0, 16), st.integers(0, 16)),
    settled_after=st.integers(0, 4),
    restarts=st.sets(st.integers(0, 16), max_size=2),
)
async def test_whatever_order_events_come_in_votes_end_as_what_stands_there(
    client: "Redis",
    toggles: list[Toggle],
    order: Random,
    lost: set[int],
    again: list[int],
    known_at: tuple[int, int],
    settled_after: int,
    restarts: set[int],
    *,
    is_ordered: bool,
) -> None:
    """Events are lost only while nobody listens, and after that all is read back; other events that
    may mislead are noticed, and their messages read back; in order, nothing has to be."""
    await client.flushall()
    poll = await Poll(client).taken_in()
    there: set[Toggle] = set()
    events: list[tuple[Toggle, bool]] = []
    for toggle in toggles:
        present = toggle not in there
        (there.add if present else there.discard)(toggle)
        events.append((toggle, present))
    was_away = bool(restarts)
    if not was_away:
        lost = set()
    delivered = [event for number, event in enumerate(events) if number not in lost]
    if not is_ordered:
        delivered += [delivered[number] for number in again if number < len(delivered)]
        order.shuffle(delivered)

    def reaction(toggle: Toggle, present: bool) -> Reaction:
        person, part, emoji = toggle
        return poll.reaction(
            poll.parts[part], EMOJIS[emoji], present=present, person=PEOPLE[person]
        )

    async def read(ref: MessageRef) -> Sequence[Reaction]:
        return [reaction(each, True) for each in sorted(there) if poll.parts[each[1]] == ref]

    doubted: set[int] = set()
    for number in range(21):
        for part in (0, 1):
            if known_at[part] == number:
                await poll.know(part)
            if known_at[part] + settled_after == number:
                await poll.voting.settle(poll.parts[part])
        if number in restarts:
            poll.voting = Voting(poll.turns, poll.votes, poll.people, lambda: poll.now)
        if number < len(delivered):
            event = reaction(*delivered[number])
            if poll.voting.is_doubtful(event):
                doubted.add(delivered[number][0][1])
            await poll.voting.react(event)
    for late in delivered[21:]:
        if poll.voting.is_doubtful(reaction(*late)):
            doubted.add(late[0][1])
        await poll.voting.react(reaction(*late))
    if was_away or not is_ordered:
        for part in (0, 1) if was_away else sorted(doubted):
            await poll.voting.reread(poll.parts[part], read)
    signs: dict[str, set[int]] = {}
    for person, _, emoji in there:
        signs.setdefault(PEOPLE[person].id, set()).add(1 if emoji == 0 else -1)
    expected = {name: sum(each) for name, each in signs.items()}
    assert await poll.counted() == expected
    values = list(expected.values())
    assert await poll.tally() == (values.count(1), values.count(-1))
