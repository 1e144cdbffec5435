"""Who asks to be forgotten is: nothing of them is left, and nothing brings them back."""

import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.access import Reason
from bot.context.material import Document, Line, Material, Talk
from bot.domain import Conversation, MessageRef, Person, Reaction, Turn
from bot.feedback.voting import Voting
from bot.store import keys
from bot.store.forgetting import Forgetting, Forgotten
from bot.store.materials import Materials
from bot.store.people import People
from bot.store.places import Places
from bot.store.refusals import Refusal, Refusals
from bot.store.remarks import Remarks
from bot.store.turns import Turns
from bot.store.votes import Votes
from tests.bot.chat_bench import Gate, asked, chat_bench
from tests.bot.turns_of import accepted, inbox, message, turn
from tests.waiting import until

BO = Person("slack", "U2", "Bo the Second")
EVE = Person("slack", "U3", "Eve the Third")
CHANNEL = Conversation("slack", "T1", "C1", "thread", "1.5")


class World:
    """Two people, their turns and votes."""

    def __init__(self, client: "Redis") -> None:
        self.client = client
        self.turns, self.people = Turns(client), People(client)
        self.votes = Votes(client, self.turns, self.people)
        self.voting = Voting(self.turns, self.votes, self.people)
        self.forgetting = Forgetting(client, self.turns)

    async def ended(self, name: str, asker: Person, text: str = "What?") -> Turn:
        """A turn that has ended, with one part."""
        one = replace(turn(name, conversation=CHANNEL, text=text), asker=asker)
        await self.people.remember(asker)
        await accepted(self.client, one)
        await inbox(self.client).left("slack")
        await inbox(self.client).read("slack", 10)
        await self.turns.add_part(name, 0, message(f"part-{name}", channel="C1"))
        done = replace(one, status="done", answer=f"Answer to {text}", finish="stop")
        assert await inbox(self.client).close(done)
        found = await self.turns.get(name)
        assert found is not None
        return found

    async def vote(self, on: Turn, person: Person, *, present: bool = True) -> None:
        await self.voting.react(thumb(on, person, present=present))

    async def forget(self, person: Person) -> Forgotten:
        return await self.forgetting.forget(person, time.time())

    async def left_of(self, *words: str) -> list[str]:
        """The keys that still tell one of these words, but the one that may."""
        found = []
        for key in await self.client.keys("*"):
            value = repr(await contents(self.client, str(key)))
            told = [word for word in words if word in value or word in str(key)]
            if told and key != keys.FORGOTTEN:
                found.append(str(key))
        return found


def thumb(on: Turn, person: Person, *, present: bool = True) -> Reaction:
    return Reaction(on.parts[0], person, "+1", present, time.time())


async def contents(client: "Redis", key: str) -> object:
    match await client.type(key):
        case "hash":
            return await client.hgetall(key)
        case "set":
            return await client.smembers(key)
        case "zset":
            return await client.zrange(key, 0, -1)
        case "list":
            return await client.lrange(key, 0, -1)
        case "stream":
            return await client.xrange(key)
        case _:
            return await client.get(key)


async def test_everything_of_a_person_is_forgotten_and_others_keep_theirs(
    client: "Redis",
) -> None:
    world = World(client)
    hers = await world.ended("hers", EVE, "a secret?")
    his = await world.ended("his", BO, "a riddle?")
    await world.vote(his, EVE)
    await world.vote(his, BO)
    await world.vote(hers, BO)
    await world.vote(hers, EVE)
    await Remarks(client).add(EVE, "a complaint")
    await Remarks(client).add(BO, "praise")
    reason: Reason = "dm"
    await Refusals(client).note(EVE, Refusal(reason, "D3", True, 5.0))
    await Places(client).set_direct("slack", EVE.id, "D3")

    assert await world.forget(EVE) == Forgotten(questions=1, votes=1, remarks=1)

    secrets = ("a secret?", "a complaint", EVE.name, EVE.key, '"U3"', "'U3'", hers.id)
    # That a message was seen is remembered for a day, by its id alone.
    assert await world.left_of(*secrets, hers.parts[0].key) == []
    assert await world.turns.get("hers") is None
    kept = await world.turns.get("his")
    assert kept is not None
    assert kept.text == "a riddle?"
    assert await world.votes.tally("his") == (1, 0)
    assert [vote.person.id async for vote in world.votes.listed()] == [BO.id]
    assert [remark.text for remark in await Remarks(client).latest(9)] == ["praise"]
    assert await world.turns.history(CHANNEL, 10) == [kept]
    assert await world.forget(EVE) == Forgotten(0, 0, 0)


async def test_a_conversation_of_nobody_else_is_not_known_any_more(client: "Redis") -> None:
    world = World(client)
    await world.ended("hers", EVE)
    assert await world.turns.knows(CHANNEL)
    await world.forget(EVE)
    assert not await world.turns.knows(CHANNEL)
    assert await Places(client).conversations("slack", 0, 10) == []
    assert await Places(client).askers("slack", 0, 10) == []


async def test_a_question_that_comes_again_is_not_taken_in_again(client: "Redis") -> None:
    world = World(client)
    hers = await world.ended("hers", EVE)
    await world.forget(EVE)
    assert await inbox(client).accept(replace(hers, id="again")) == "seen"


# What is under way


async def test_what_waits_is_withdrawn_and_gone_once_it_is_ended(client: "Redis") -> None:
    async with chat_bench(client) as bench:
        question = asked("a secret?", author=EVE)
        held = await bench.taken(question)
        done = await Forgetting(client, bench.turns).forget(EVE, time.time())
        assert done.questions == 1
        assert await World(client).left_of("a secret?", EVE.name, EVE.key) == []
        answer = bench.chat.answer(held)
        assert [event async for event in bench.shown(answer)] == []
        assert await bench.turns.get(held.id) is None
        assert await bench.inbox.waiting("slack") == 0
        assert bench.server.requests == []


async def test_a_running_answer_is_stopped_and_nothing_brings_it_back(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.answer.SAVE_S", 0.02)
    gate, question = Gate(), asked("a secret?", author=EVE)
    async with chat_bench(client, gate.server) as bench:
        answer = bench.chat.answer(await bench.taken(question))
        events = []
        async for event in bench.shown(answer):
            events.append(event)
            if len(events) == 1:
                await bench.saves(question, "first ")
                await Forgetting(client, bench.turns).forget(EVE, time.time())
                gate.open()
        assert await bench.turns.get(answer.turn.id) is None
        await until(lambda: gate.server.running == 0)
        await bench.turns.progress(replace(answer.turn, answer="a secret!"))
        await bench.turns.intend(answer.turn.id, "a secret!")
        await bench.turns.add_part(answer.turn.id, 0, message("late"))
        assert not await bench.inbox.close(replace(answer.turn, answer="a secret!"))
        assert await World(client).left_of("secret", "late", answer.turn.id, EVE.key) == []


async def test_an_answer_that_a_crash_left_is_not_taken_up(client: "Redis") -> None:
    gate, question = Gate(), asked("a secret?", author=EVE)
    async with chat_bench(client, gate.server) as bench:
        await bench.begun(question, "first ")
        turn_id = (await bench.stored(question)).id
        await Forgetting(client, bench.turns).forget(EVE, time.time())
        left = await bench.inbox.left("slack")
        assert [entry.turn for entry in left] == [turn_id]
        shell = await bench.turns.get(turn_id)
        assert shell is not None
        assert (shell.text, shell.answer, shell.asker.id) == ("", "", "")
        async for _ in bench.shown(bench.chat.answer(shell, resumed=True)):
            pass
        assert await bench.turns.get(turn_id) is None
        assert len(bench.server.requests) == 1


# What stands on the platform


async def test_a_vote_that_still_stands_there_is_not_read_back_but_a_new_one_counts(
    client: "Redis",
) -> None:
    world = World(client)
    his = await world.ended("his", BO)
    await client.hset(keys.turn("his"), "created_at", time.time() - 10)
    await world.vote(his, EVE)
    await world.forget(EVE)

    async def standing(ref: MessageRef) -> list[Reaction]:
        return [thumb(his, EVE), thumb(his, BO)]

    assert await world.voting.reread(his.parts[0], standing) == 1
    assert await world.votes.tally("his") == (1, 0)
    assert not await world.voting.differs(his.parts[0], [thumb(his, EVE), thumb(his, BO)])
    assert await world.left_of(EVE.key, EVE.name) == []
    await world.vote(his, EVE)
    assert await world.votes.tally("his") == (2, 0)


async def test_a_vote_on_what_was_asked_later_is_read_back(client: "Redis") -> None:
    world = World(client)
    await world.forgetting.forget(EVE, 5.0)
    his = await world.ended("his", BO)

    async def standing(ref: MessageRef) -> list[Reaction]:
        return [thumb(his, EVE)]

    assert await world.voting.reread(his.parts[0], standing) == 1


# Other rooms


async def test_what_was_read_for_a_question_is_forgotten_with_it(client: "Redis") -> None:
    world, materials = World(client), Materials(client, keep_s=60)
    await world.ended("hers", EVE)
    await materials.keep("hers", Material((Document("a.txt", "a secret", (1,)),)))
    await materials.keep_talk(CHANNEL, Talk((Line("Eve", "a secret"),)))
    await world.forget(EVE)
    assert await world.left_of("a secret") == []


async def test_a_long_log_is_swept_to_its_end(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.forgetting.PAGE", 3)
    remarks = Remarks(client)
    for number in range(8):
        await remarks.add(EVE if number % 2 else BO, f"remark {number}")
    assert (await World(client).forget(EVE)).remarks == 4
    assert {remark.person for remark in await remarks.latest(20)} == {BO.key}
    assert len(await remarks.latest(20)) == 4
