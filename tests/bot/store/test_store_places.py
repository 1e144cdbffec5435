"""Where to look after an outage."""

import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from bot.domain import Conversation, MessageRef, Person, Turn
from bot.store import keys
from bot.store.inbox import Inbox
from bot.store.places import Places
from bot.store.turns import Turns


def turn(number: int, place: Conversation, asker: str = "U1") -> Turn:
    question = MessageRef(place.platform, place.workspace, place.channel, f"m{number}")
    return Turn(f"t{number}", place, question, Person(place.platform, asker), "Why?", "r1", 1.0)


THREAD = Conversation("slack", "T1", "C1", "thread", "17.1")
DM = Conversation("slack", "T1", "D1", "dm")
CHAIN = Conversation("discord", "7", "71", "channel", "711")


def inbox_of(client: "Redis", *, total: int = 10) -> Inbox:
    return Inbox(client, "w1", total=total, each=10)


async def test_the_sign_of_life_is_each_platform_s_own(client: "Redis") -> None:
    places = Places(client)
    assert await places.awake("slack") is None
    await places.set_awake("slack", 1795427000.25)
    assert await places.awake("slack") == 1795427000.25
    assert await places.awake("discord") is None


async def test_conversations_and_askers_are_known_the_latest_first(client: "Redis") -> None:
    inbox, places = inbox_of(client), Places(client)
    began = time.time()
    for number, (place, asker) in enumerate([(THREAD, "U1"), (DM, "U2"), (CHAIN, "9")]):
        assert await inbox.accept(turn(number, place, asker)) == "new"
    nameless = [replace(place, workspace="") for place in (DM, THREAD)]
    assert await places.conversations("slack", began, 10) == nameless
    assert await places.askers("slack", began, 10) == ["U2", "U1"]
    assert await places.conversations("discord", began, 10) == [replace(CHAIN, workspace="")]
    assert await inbox.accept(turn(3, THREAD)) == "new"
    assert await places.conversations("slack", began, 10) == nameless[::-1]
    assert await places.conversations("slack", began, 1) == nameless[1:]
    assert await places.askers("slack", began, 1) == ["U1"]
    assert await places.conversations("slack", time.time() + 1, 10) == []


async def test_what_is_not_accepted_is_not_known(client: "Redis") -> None:
    inbox, places = inbox_of(client, total=1), Places(client)
    assert await inbox.accept(turn(0, THREAD)) == "new"
    assert await inbox.accept(turn(1, DM, "U2")) == "busy"
    assert await places.askers("slack", 0.0, 10) == ["U1"]


async def test_only_so_many_are_kept(client: "Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PLACES_KEPT", 3)
    inbox, places = inbox_of(client), Places(client)
    for number in range(5):
        place = Conversation("slack", "T1", f"D{number}", "dm")
        assert await inbox.accept(turn(number, place, f"U{number}")) == "new"
    assert await places.askers("slack", 0.0, 10) == ["U4", "U3", "U2"]
    assert [one.channel for one in await places.conversations("slack", 0.0, 10)] == [
        "D4",
        "D3",
        "D2",
    ]


async def test_the_channel_of_direct_messages_is_kept(client: "Redis") -> None:
    places = Places(client)
    assert await places.direct("discord") == {}
    await places.set_direct("discord", "9", "71")
    await places.set_direct("discord", "10", "")
    assert await places.direct("discord") == {"9": "71", "10": ""}
    assert await places.direct("slack") == {}


async def test_a_conversation_is_known_from_its_first_question_on_in_whatever_order_they_come(
    client: "Redis",
) -> None:
    inbox, turns = inbox_of(client), Turns(client)
    assert not await turns.knows(THREAD)
    assert await inbox.accept(turn(0, THREAD), asked_at=1795427020.5) == "new"
    assert await inbox.accept(turn(1, THREAD), asked_at=1795427010.5) == "new"
    assert await inbox.accept(turn(2, THREAD), asked_at=1795427030.5) == "new"
    assert await turns.knows(THREAD)
    assert await turns.knows(THREAD, 1795427010.5)
    assert not await turns.knows(THREAD, 1795427010.4)
    assert not await turns.knows(DM, 1795427040.0)
