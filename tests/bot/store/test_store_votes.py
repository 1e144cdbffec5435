"""A vote is what one person's reactions on one answer add up to now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.domain import MessageRef, Person, Reaction, Vote
from bot.errors import StoreUnavailable
from bot.store import keys
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import PAGE, Change, Sign, Votes
from tests.bot.store.outage import outage
from tests.bot.turns_of import accepted, message, turn

ANA = Person("slack", "U1", "Ana")
BO = Person("slack", "U2", "Bo")


def votes_of(client: "Redis") -> Votes:
    return Votes(client, Turns(client), People(client))


def reaction(
    *,
    present: bool = True,
    person: Person = ANA,
    emoji: str = "+1",
    on: MessageRef | None = None,
    kind: str = "",
) -> Reaction:
    """Somebody's reaction on some part of an answer."""
    return Reaction(on or PART, person, emoji, present, 0.0, kind)


PART = message("part-1")
SECOND_PART = message("part-2")


async def test_a_reaction_is_a_vote(client: "Redis") -> None:
    votes = votes_of(client)
    assert await votes.apply("t1", reaction(), "+") == Change(None, 1)
    assert await votes.tally("t1") == (1, 0)


async def test_a_reaction_the_other_way_is_a_vote_against(client: "Redis") -> None:
    votes = votes_of(client)
    assert await votes.apply("t1", reaction(emoji="-1"), "-") == Change(None, -1)
    assert await votes.tally("t1") == (0, 1)


async def test_a_reaction_taken_away_takes_the_vote_away(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(), "+")
    assert await votes.apply("t1", reaction(present=False), "+") == Change(1, None)
    assert await votes.tally("t1") == (0, 0)
    assert [one async for one in votes.listed()] == []


async def test_both_thumbs_are_no_verdict_and_one_taken_away_leaves_the_other(
    client: "Redis",
) -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(), "+")
    assert await votes.apply("t1", reaction(emoji="-1"), "-") == Change(1, 0)
    assert await votes.tally("t1") == (0, 0)
    assert await votes.apply("t1", reaction(present=False), "+") == Change(0, -1)
    assert await votes.tally("t1") == (0, 1)


async def test_a_vote_flips_in_either_order_of_its_two_events(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(), "+")
    await votes.apply("t1", reaction(present=False), "+")
    assert await votes.apply("t1", reaction(emoji="-1"), "-") == Change(None, -1)
    await votes.apply("t1", reaction(), "+")
    assert await votes.apply("t1", reaction(emoji="-1", present=False), "-") == Change(0, 1)
    assert await votes.tally("t1") == (1, 0)


async def test_an_event_that_comes_again_changes_nothing(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(), "+")
    logged = await client.xlen(keys.EVENTS)
    assert await votes.apply("t1", reaction(), "+") is None
    await votes.apply("t1", reaction(present=False), "+")
    assert await votes.apply("t1", reaction(present=False), "+") is None
    assert await votes.tally("t1") == (0, 0)
    assert await client.xlen(keys.EVENTS) == logged + 1


async def test_a_removal_of_what_was_never_there_changes_nothing(client: "Redis") -> None:
    votes = votes_of(client)
    assert await votes.apply("t1", reaction(present=False), "+") is None
    assert await client.xlen(keys.EVENTS) == 0


async def test_reactions_on_several_parts_of_one_answer_are_one_vote(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(on=PART), "+")
    assert await votes.apply("t1", reaction(on=SECOND_PART), "+") == Change(1, 1)
    assert await votes.tally("t1") == (1, 0)
    assert await votes.apply("t1", reaction(on=PART, present=False), "+") == Change(1, 1)
    assert await votes.apply("t1", reaction(on=SECOND_PART, present=False), "+") == Change(1, None)
    assert await votes.tally("t1") == (0, 0)


async def test_a_super_reaction_is_held_beside_the_normal_one(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(kind="normal"), "+")
    assert await votes.apply("t1", reaction(kind="burst"), "+") == Change(1, 1)
    assert await votes.apply("t1", reaction(kind="normal", present=False), "+") == Change(1, 1)
    assert await votes.tally("t1") == (1, 0)


async def test_several_skin_tones_of_one_person_are_one_vote(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(emoji="👍"), "+")
    await votes.apply("t1", reaction(emoji="👍🏽"), "+")
    assert await votes.tally("t1") == (1, 0)


async def test_people_are_counted_and_each_turn_by_itself(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(), "+")
    await votes.apply("t1", reaction(person=BO), "+")
    await votes.apply("t2", reaction(person=BO, emoji="-1"), "-")
    assert await votes.tally("t1") == (2, 0)
    assert await votes.tally("t2") == (0, 1)
    assert await votes.tally("t3") == (0, 0)


async def test_the_same_id_on_another_platform_is_another_person(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(), "+")
    await votes.apply("t1", reaction(person=Person("discord", "U1")), "+")
    assert await votes.tally("t1") == (2, 0)


async def test_a_vote_is_listed_with_its_turn_and_person(client: "Redis") -> None:
    people, votes = People(client), votes_of(client)
    one = turn(text="Why is the sky blue?", answer="Scattering.")
    await accepted(client, one)
    await people.remember(ANA)
    await votes.apply(one.id, reaction(person=ANA), "+")
    [vote] = [vote async for vote in votes.listed()]
    now_s = float((await client.time())[0])
    assert vote == Vote(
        turn=one.id,
        person=ANA,
        value=1,
        release=one.release,
        conversation=one.conversation,
        question="Why is the sky blue?",
        at=vote.at,
    )
    assert now_s - 60 < vote.at < now_s + 60


async def test_votes_are_listed_by_their_last_change_the_latest_first(client: "Redis") -> None:
    votes = votes_of(client)
    for name in ("t1", "t2", "t3"):
        await accepted(client, turn(name))
        await votes.apply(name, reaction(), "+")
    await votes.apply("t1", reaction(emoji="-1"), "-")
    listed = [vote async for vote in votes.listed()]
    assert [(vote.turn, vote.value) for vote in listed] == [("t1", 0), ("t3", 1), ("t2", 1)]
    assert [vote.at for vote in listed] == sorted((vote.at for vote in listed), reverse=True)


async def test_votes_beyond_one_page_are_all_listed_once(client: "Redis") -> None:
    votes = votes_of(client)
    one = turn("t1")
    await accepted(client, one)
    number = 2 * PAGE + 3
    for person in range(number):
        await votes.apply("t1", reaction(person=Person("slack", f"U{person}")), "+")
    listed = [vote.person.id async for vote in votes.listed()]
    assert listed == [f"U{person}" for person in reversed(range(number))]
    assert await votes.tally("t1") == (number, 0)


async def test_exactly_one_page_of_votes_is_listed(client: "Redis") -> None:
    votes = votes_of(client)
    await accepted(client, turn("t1"))
    for person in range(PAGE):
        await votes.apply("t1", reaction(person=Person("slack", f"U{person}")), "+")
    assert len([vote async for vote in votes.listed()]) == PAGE


@pytest.mark.parametrize("event", ["another", "changed", "taken away"])
async def test_a_vote_that_changes_while_listing_neither_repeats_nor_hides_another(
    client: "Redis", event: str
) -> None:
    votes = votes_of(client)
    await accepted(client, turn("t1"))
    for person in range(PAGE + 5):
        await votes.apply("t1", reaction(person=Person("slack", f"U{person}")), "+")
    seen: list[str] = []
    async for vote in votes.listed():
        if not seen and event == "another":
            await votes.apply("t1", reaction(person=Person("slack", "another")), "+")
        elif not seen and event == "changed":
            await votes.apply("t1", reaction(person=Person("slack", "U2"), emoji="-1"), "-")
        elif not seen:
            await votes.apply("t1", reaction(person=vote.person, present=False), "+")
        seen.append(vote.person.id)
    assert len(seen) == len(set(seen))
    assert set(seen) >= {f"U{person}" for person in range(PAGE + 5)}


async def test_every_applied_reaction_is_logged_in_order(client: "Redis") -> None:
    votes = votes_of(client)
    await votes.apply("t1", reaction(), "+")
    await votes.apply("t1", reaction(emoji="-1", person=BO), "-")
    await votes.apply("t1", reaction(present=False), "+")
    entries = cast("list[tuple[str, dict[str, str]]]", await client.xrange(keys.EVENTS))
    logged = [entry for _, entry in entries]
    assert [(entry["person"], entry["sign"], entry["present"]) for entry in logged] == [
        ("slack/U1", "+", "1"),
        ("slack/U2", "-", "1"),
        ("slack/U1", "+", "0"),
    ]
    assert [entry["value"] for entry in logged] == ["1", "-1", ""]
    assert {entry["turn"] for entry in logged} == {"t1"}


async def test_without_the_server_votes_are_unavailable(client: "Redis", tmp_path: Path) -> None:
    votes = votes_of(client)
    async with outage(client, tmp_path):
        with pytest.raises(StoreUnavailable):
            await votes.apply("t1", reaction(), "+")
        with pytest.raises(StoreUnavailable):
            await votes.tally("t1")
        with pytest.raises(StoreUnavailable):
            [vote async for vote in votes.listed()]


# The store against a plain model of what votes are


@dataclass(frozen=True)
class Step:
    """One event as it may come."""

    turn: Literal["t1", "t2"]
    person: Person
    on: MessageRef
    emoji: Literal["👍", "👍🏽", "👎"]
    kind: Literal["normal", "burst"]
    present: bool

    @property
    def sign(self) -> Sign:
        return "-" if self.emoji == "👎" else "+"


@dataclass
class Plain:
    """Votes without Redis: what each person holds on each turn, and the values in their order."""

    held: dict[tuple[str, str], set[tuple[str, str, str, str]]] = field(default_factory=dict)
    values: dict[tuple[str, str], int] = field(default_factory=dict)

    def apply(self, step: Step) -> Change | None:
        place = (step.turn, step.person.key)
        reactions = self.held.setdefault(place, set())
        one = (step.sign, step.on.key, step.emoji, step.kind)
        if (one in reactions) == step.present:
            return None
        (reactions.add if step.present else reactions.discard)(one)
        before = self.values.pop(place, None)
        signs = {held[0] for held in reactions}
        now = None if not signs else 0 if len(signs) == 2 else 1 if signs == {"+"} else -1
        if now is not None:
            self.values[place] = now
        return Change(before, now)

    def tally(self, turn_id: str) -> tuple[int, int]:
        values = [value for (of, _), value in self.values.items() if of == turn_id]
        return values.count(1), values.count(-1)


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(["t1", "t2"]),
        st.sampled_from([ANA, BO]),
        st.sampled_from([PART, SECOND_PART]),
        st.sampled_from(["👍", "👍🏽", "👎"]),
        st.sampled_from(["normal", "burst"]),
        st.booleans(),
    ),
    max_size=40,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps)
async def test_whatever_comes_votes_tallies_and_list_are_those_of_a_plain_model(
    client: "Redis", steps: Sequence[Step]
) -> None:
    await client.flushall()
    votes, plain = votes_of(client), Plain()
    for name in ("t1", "t2"):
        await accepted(client, turn(name))
    for step in steps:
        event = reaction(
            present=step.present, person=step.person, emoji=step.emoji, on=step.on, kind=step.kind
        )
        assert await votes.apply(step.turn, event, step.sign) == plain.apply(step)
    for name in ("t1", "t2"):
        assert await votes.tally(name) == plain.tally(name)
    listed = [(vote.turn, vote.person.key, vote.value) async for vote in votes.listed()]
    assert listed == [(*place, value) for place, value in reversed(plain.values.items())]
