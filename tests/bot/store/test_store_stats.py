"""The numbers of a channel are those of its turns."""

import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.domain import Person, Reaction
from bot.store import keys
from bot.store import stats as stats_module
from bot.store.people import People
from bot.store.stats import Activity, Stats
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.bot.turns_of import ANA, DM, accepted, inbox, turn

DAY = 86_400.0
HOME = "slack/D1"
BO = Person("slack", "U2", "Bo")


async def answered(client: "Redis", name: str, *, asker: Person = ANA, days_ago: float = 0) -> str:
    one = replace(turn(name, answer="That."), asker=asker)
    await accepted(client, one)
    await client.zadd(keys.asked_in(HOME), {name: time.time() - days_ago * DAY})
    return name


async def voted(client: "Redis", name: str, person: Person, sign: str) -> None:
    turns = Turns(client)
    one = await turns.get(name)
    assert one is not None
    reaction = Reaction(one.question, person, "👍", True, 1.0)
    votes = Votes(client, turns, People(client))
    await votes.apply(name, reaction, "+" if sign == "+" else "-")


async def test_a_channel_where_nobody_asked_has_zeros(client: "Redis") -> None:
    assert await Activity(client).since(HOME, 0.0) == [Stats()]
    assert Stats().share_voted == 0


async def test_questions_answers_people_and_votes_are_counted(client: "Redis") -> None:
    await answered(client, "one")
    await answered(client, "two", asker=BO)
    await answered(client, "old", days_ago=10)
    await answered(client, "older", days_ago=30.5)
    await inbox(client).accept(replace(turn("open"), asker=BO))
    await voted(client, "one", ANA, "+")
    await voted(client, "one", BO, "-")
    await voted(client, "old", BO, "+")
    now = time.time()
    week, month = await Activity(client).since(HOME, now - 7 * DAY, now - 30 * DAY)
    assert week == Stats(questions=3, answers=2, people=2, up=1, down=1, voted=1)
    assert week.share_voted == 0.5
    assert month == Stats(questions=4, answers=3, people=2, up=2, down=1, voted=2)


async def test_another_channel_is_not_counted_and_a_thread_counts_for_its_channel(
    client: "Redis",
) -> None:
    elsewhere = turn("elsewhere", conversation=replace(DM, channel="D2"))
    await inbox(client).accept(elsewhere)
    await inbox(client).accept(replace(turn("thread"), home="C9"))
    counted = {}
    for home in (HOME, "slack/D2", "slack/C9"):
        [found] = await Activity(client).since(home, 0.0)
        counted[home] = found.questions
    assert counted == {HOME: 0, "slack/D2": 1, "slack/C9": 1}


async def test_a_channel_that_is_too_busy_is_counted_as_far_as_that_goes(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats_module, "MOST", 4)
    monkeypatch.setattr(stats_module, "PAGE", 3)
    for number in range(6):
        await answered(client, f"t{number}", days_ago=number)
    now = time.time()
    few, many = await Activity(client).since(HOME, now - 2.5 * DAY, now - 30 * DAY)
    assert (few.questions, few.is_whole) == (3, True)
    assert (many.questions, many.is_whole) == (4, False)


async def test_what_is_older_than_a_month_is_not_listed(client: "Redis") -> None:
    await answered(client, "old", days_ago=40)
    await answered(client, "new")
    await accepted(client, turn("newer"))
    assert await client.zrange(keys.asked_in(HOME), 0, -1) == ["new", "newer"]
