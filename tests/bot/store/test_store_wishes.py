"""What people wish of answers, in the store: what is kept of it, and forgotten."""

import asyncio
from dataclasses import replace

from redis.asyncio import Redis

from bot.domain import Person, Turn
from bot.store import keys
from bot.store.forgetting import Forgetting
from bot.store.people import People
from bot.store.reasons import Reasons
from bot.store.turns import Turns
from bot.store.wishes import Wishes
from tests.bot.turns_of import ANA, accepted, inbox, message, turn

BO = Person("slack", "U2", "Bo")


def wishes_of(client: "Redis") -> Wishes:
    return Wishes(client, Turns(client), total=99, each=99)


async def ended(client: "Redis", one: Turn) -> Turn:
    """A turn that is answered whole."""
    mine = inbox(client)
    await mine.left("slack")
    await mine.read("slack", 9)
    done = replace(one, status="done", answer="It is so.", finish="stop")
    assert await mine.close(done)
    return done


def retry(of: Turn, name: str) -> Turn:
    return replace(of, id=name, status="waiting", answer="", finish=None, retry_of=of.first)


async def test_a_word_is_granted_once_whoever_hears_it(client: "Redis") -> None:
    one, word = await ended(client, await accepted(client, turn())), message()
    wishes = wishes_of(client)
    found = await asyncio.gather(
        *(wishes.again(retry(one, f"try{number}"), word) for number in range(4))
    )
    assert sorted(found) == ["done", "seen", "seen", "seen"]
    assert len(await wishes.linked(one.id)) == 2


async def test_a_wish_that_is_not_granted_leaves_its_word_a_question(client: "Redis") -> None:
    one, wishes, word = await accepted(client, turn()), wishes_of(client), message()
    one = await ended(client, one)
    assert await wishes.stop(one.id, word) == "ended"
    assert await wishes.reopen(one, "r1", word) == "whole"
    assert await wishes.stop("nonsense", word) == "unknown"
    assert await client.exists(keys.seen(word.key)) == 0


async def test_all_answers_to_a_question_are_listed(client: "Redis") -> None:
    wishes = wishes_of(client)
    one = await ended(client, await accepted(client, turn("one")))
    other = await ended(client, await accepted(client, turn("other")))
    for name, of in (("two", one), ("again", other), ("three", one)):
        assert await wishes.again(retry(of, name)) == "done"
        await ended(client, retry(of, name))
    found = [[each.id for each in answers] async for answers in wishes.retried()]
    assert found == [["one", "two", "three"], ["other", "again"]]
    assert [each.id for each in await wishes.linked("one")] == ["one", "two", "three"]
    latest = await wishes.latest(one.conversation.key)
    assert latest is not None
    assert latest.id == "three"


async def test_tries_and_reasons_are_forgotten_with_their_person(client: "Redis") -> None:
    turns, people = Turns(client), People(client)
    wishes, reasons = wishes_of(client), Reasons(client, turns, people)
    one = await ended(client, await accepted(client, turn("one")))
    his = await ended(client, await accepted(client, replace(turn("his"), asker=BO)))
    await wishes.again(retry(one, "two"))
    await ended(client, retry(one, "two"))
    await reasons.keep(one.id, BO, "secret of Bo about Ana's")
    await reasons.keep(his.id, ANA, "secret of Ana")
    await reasons.keep(his.id, BO, "kept")
    done = await Forgetting(client, turns).forget(ANA, 1.0)
    assert (done.questions, done.remarks) == (2, 1)
    assert [each.text async for each in reasons.listed()] == ["kept"]
    assert await turns.get("two") is None
    assert [answers async for answers in wishes.retried()] == []
    left = [str(key) for key in await client.keys("*")]
    assert not [key for key in left if "one" in key or "two" in key]
    values = [repr(await client.dump(key)) for key in left]
    assert not [value for value in values if "secret" in value]
