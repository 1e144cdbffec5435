"""Which of two answers people prefer, and the pairs that come of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.domain import Person, Turn
from bot.feedback.pairs import Pair, Pairs, Preference, preference
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import Votes
from bot.store.wishes import Wishes
from tests.bot.turns_of import accepted, inbox, turn

ANA, BO = "slack/ana", "slack/bo"

BALLOTS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([-1, 0, 1]))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ({}, {}, None),
        ({ANA: 1}, {}, None),
        ({ANA: 1}, {ANA: 1}, None),
        ({ANA: -1}, {ANA: 1}, Preference("second", 1, "both")),
        ({ANA: 1}, {ANA: 0}, Preference("first", 1, "both")),
        ({ANA: 1, BO: -1}, {ANA: -1, BO: 1}, None),
        ({ANA: -1}, {BO: 1}, Preference("second", 2, "each")),
        ({ANA: 1, BO: 1}, {BO: -1, "slack/cy": 1}, Preference("first", 1, "both")),
        ({ANA: 1, BO: 1}, {"slack/cy": 1}, None),
        ({ANA: 1}, {ANA: 1, BO: -1, "slack/cy": -1}, Preference("first", 2, "each")),
    ],
)
def test_people_who_judged_both_say_most(
    first: dict[str, int], second: dict[str, int], expected: Preference | None
) -> None:
    assert preference(first, second) == expected


@given(first=BALLOTS, second=BALLOTS)
def test_who_is_named_first_changes_nothing(first: dict[str, int], second: dict[str, int]) -> None:
    one, other = preference(first, second), preference(second, first)
    if one is None:
        assert other is None
    else:
        better = "second" if one.better == "first" else "first"
        assert other == Preference(better, one.margin, one.by)  # type: ignore[arg-type]
        assert one.margin > 0


async def answered(client: "Redis", one: Turn, text: str) -> Turn:
    """A turn with a whole answer, which is closed."""
    mine = inbox(client)
    await mine.left("slack")
    await mine.read("slack", 9)
    done = replace(one, status="done", answer=text, finish="stop")
    assert await mine.close(done)
    return done


async def test_two_answers_to_one_question_that_were_voted_on_differently_are_a_pair(
    client: "Redis",
) -> None:
    turns, people = Turns(client), People(client)
    votes, wishes = Votes(client, turns, people), Wishes(client, turns, total=9, each=9)
    pairs = Pairs(wishes, votes)
    one = await accepted(client, turn("one"))
    one = await answered(client, one, "It is not.")
    assert await wishes.again(replace(one, id="two", retry_of="one", status="waiting")) == "done"
    two = await turns.get("two")
    assert two is not None
    two = await answered(client, two, "It is.")
    assert [pair async for pair in pairs.listed()] == []
    await votes.press("one", Person("slack", "ana"), "-")
    await votes.press("two", Person("slack", "ana"), "+")
    assert [pair async for pair in pairs.listed()] == [Pair(two, one, 1, "both")]


async def test_two_answers_that_say_the_same_are_no_pair(client: "Redis") -> None:
    turns, people = Turns(client), People(client)
    votes, wishes = Votes(client, turns, people), Wishes(client, turns, total=9, each=9)
    one = await answered(client, await accepted(client, turn("one")), "It is.")
    await wishes.again(replace(one, id="two", retry_of="one", status="waiting"))
    two = await turns.get("two")
    assert two is not None
    await answered(client, two, "It is.")
    await votes.press("one", Person("slack", "ana"), "-")
    await votes.press("two", Person("slack", "ana"), "+")
    assert [pair async for pair in Pairs(wishes, votes).listed()] == []
