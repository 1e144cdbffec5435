"""The path of a reaction, from the message it stands on to the vote."""

from pathlib import Path

import pytest
from redis.asyncio import Redis

from bot.domain import MessageRef, Person, Reaction
from bot.errors import StoreUnavailable
from bot.feedback.voting import Voting
from bot.store import keys
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import Change, Votes
from tests.bot.store.outage import outage
from tests.bot.turns_of import accepted, message, turn

ANA = Person("slack", "U1", "Ana")


class Poll:
    """An answer of two parts, and what people do with it."""

    def __init__(self, client: "Redis") -> None:
        self.client, self.turns, self.people = client, Turns(client), People(client)
        self.votes = Votes(client, self.turns, self.people)
        self.voting = Voting(self.turns, self.votes, self.people)
        self.turn = turn(answer="This.")
        self.parts = [message(), message()]

    async def open(self) -> "Poll":
        await accepted(self.client, self.turn)
        for number, part in enumerate(self.parts):
            await self.turns.add_part(self.turn.id, number, part)
        return self

    async def react(
        self, on: MessageRef, emoji: str, *, present: bool = True, person: Person = ANA
    ) -> Change | None:
        return await self.voting.react(Reaction(on, person, emoji, present, 1.5))


async def test_a_thumb_on_an_answer_is_a_vote(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(poll.parts[0], "+1") == Change(None, 1)
    assert await poll.react(poll.parts[0], "+1", present=False) == Change(1, None)


async def test_a_thumb_counts_on_every_part_and_once_in_all(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(poll.parts[1], "👎🏿") == Change(None, -1)
    assert await poll.react(poll.parts[0], "👎") == Change(-1, -1)
    assert await poll.votes.tally(poll.turn.id) == (0, 1)


async def test_a_thumb_on_the_question_is_no_vote(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(poll.turn.question, "+1") is None
    assert await poll.votes.tally(poll.turn.id) == (0, 0)


async def test_a_thumb_on_a_message_of_somebody_else_is_no_vote(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(message(), "+1") is None
    assert await client.xlen(keys.EVENTS) == 0


async def test_another_emoji_is_no_vote_and_is_not_kept(client: "Redis") -> None:
    poll = await Poll(client).open()
    assert await poll.react(poll.parts[0], "heart") is None
    assert await client.xlen(keys.EVENTS) == 0
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
