"""Turns come back as they were kept, in order, and are found by their messages."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.domain import (
    Conversation,
    FinishReason,
    MessageRef,
    Person,
    Place,
    Platform,
    Turn,
    TurnStatus,
)
from bot.errors import StoreUnavailable
from bot.settings import RedisSettings
from bot.store import keys
from bot.store.connection import connect
from bot.store.turns import Turns
from tests.bot.turns_of import ANA, DM, message, turn

texts = st.text(st.characters(exclude_categories=["Cs"]))
times = st.floats(min_value=0, max_value=1e11, allow_nan=False)
platforms = st.sampled_from(get_args(Platform))
people = st.builds(Person, platforms, texts, texts)
messages = st.builds(MessageRef, platforms, texts, texts, texts)
conversations = st.builds(
    Conversation, platforms, texts, texts, st.sampled_from(get_args(Place)), texts
)
turns_of_all_kinds = st.builds(
    Turn,
    id=st.uuids().map(lambda one: one.hex),
    conversation=conversations,
    question=messages,
    asker=people,
    text=texts,
    release=texts,
    created_at=times,
    status=st.sampled_from(get_args(TurnStatus)),
    answer=texts,
    finish=st.none() | st.sampled_from(get_args(FinishReason)),
    first_text_at=st.none() | times,
    finished_at=st.none() | times,
)

whole_store = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@whole_store
@given(kept=turns_of_all_kinds)
@example(kept=turn("strange", text="👩‍👩‍👧 naïve\r\n\x00\u2028 日本語", answer="\n \t"))
async def test_a_turn_comes_back_as_it_was_kept(client: "Redis", kept: Turn) -> None:
    turns = Turns(client)
    await turns.add(kept)
    assert await turns.get(kept.id) == kept
    assert await turns.of_message(kept.question.key) == kept


@whole_store
@given(kept=turns_of_all_kinds, status=st.sampled_from(get_args(TurnStatus)), answer=texts)
async def test_a_saved_turn_comes_back_as_it_is_now(
    client: "Redis", kept: Turn, status: TurnStatus, answer: str
) -> None:
    turns = Turns(client)
    await turns.add(kept)
    changed = replace(
        kept,
        status=status,
        answer=answer,
        finish=None if kept.finish else "stop",
        first_text_at=None if kept.first_text_at is not None else 0.25,
        finished_at=None if kept.finished_at is not None else 0.0,
    )
    await turns.save(changed)
    assert await turns.get(kept.id) == changed


async def test_a_turn_that_was_never_kept_is_none(client: "Redis") -> None:
    assert await Turns(client).get("unknown") is None


async def test_several_turns_come_back_in_the_order_asked_for(client: "Redis") -> None:
    turns = Turns(client)
    one, two = turn("one"), turn("two")
    await turns.add(one)
    await turns.add(two)
    assert await turns.get_many(["two", "unknown", "one", "two"]) == [two, None, one, two]
    assert await turns.get_many([]) == []


async def test_the_history_is_the_latest_turns_oldest_first(client: "Redis") -> None:
    turns = Turns(client)
    kept = [turn() for _ in range(5)]
    for one in kept:
        await turns.add(one)
    assert await turns.history(DM, 10) == kept
    assert await turns.history(DM, 5) == kept
    assert await turns.history(DM, 2) == kept[-2:]
    assert await turns.history(DM, 1) == kept[-1:]
    assert await turns.history(DM, 0) == []


async def test_each_conversation_has_its_own_history(client: "Redis") -> None:
    turns = Turns(client)
    thread = Conversation("slack", "T1", "C1", "thread", "1795427000.000100")
    other = replace(thread, root="1795427000.000200")
    chain = Conversation("discord", "7", "C1", "channel", "1795427000.000100")
    places = [DM, thread, other, chain]
    for number, place in enumerate(places):
        await turns.add(turn(f"turn{number}", conversation=place))
    for number, place in enumerate(places):
        assert [one.id for one in await turns.history(place, 10)] == [f"turn{number}"]


async def test_a_conversation_is_known_from_its_first_turn_on(client: "Redis") -> None:
    turns = Turns(client)
    assert not await turns.knows(DM)
    assert await turns.history(DM, 10) == []
    await turns.add(turn())
    assert await turns.knows(DM)


async def test_a_long_conversation_keeps_its_latest_turns(client: "Redis") -> None:
    turns = Turns(client)
    earlier = [f"turn{number}" for number in range(keys.CONVERSATION_TURNS)]
    await client.rpush(keys.conversation(DM.key), *earlier)
    await turns.add(turn("newest"))
    kept = await client.lrange(keys.conversation(DM.key), 0, -1)
    assert kept == [*earlier[1:], "newest"]


async def test_a_message_is_told_to_be_the_question_or_a_part_of_the_answer(
    client: "Redis",
) -> None:
    turns = Turns(client)
    one = turn()
    await turns.add(one)
    part, stranger = message(), message()
    await turns.add_part(one.id, part)
    assert await turns.of_message(part.key) == one
    assert await turns.of_message(one.question.key) == one
    assert await turns.of_message(stranger.key) is None
    assert await turns.answered_by(part.key) == one.id
    assert await turns.answered_by(one.question.key) is None, "a question is no answer"
    assert await turns.answered_by(stranger.key) is None


async def test_all_parts_of_an_answer_lead_to_its_turn(client: "Redis") -> None:
    turns = Turns(client)
    one = turn()
    await turns.add(one)
    parts = [message() for _ in range(3)]
    for part in parts:
        await turns.add_part(one.id, part)
    assert [await turns.answered_by(part.key) for part in parts] == [one.id] * 3


async def test_a_part_is_found_by_a_reference_that_does_not_know_the_workspace(
    client: "Redis",
) -> None:
    """A reaction event need not tell the team or guild."""
    turns = Turns(client)
    one, part = turn(), message()
    await turns.add(one)
    await turns.add_part(one.id, part)
    assert await turns.answered_by(replace(part, workspace="").key) == one.id


async def test_the_window_is_where_it_was_set_and_each_conversation_has_its_own(
    client: "Redis",
) -> None:
    turns = Turns(client)
    assert await turns.window(DM) is None
    await turns.set_window(DM, "turn7")
    await turns.set_window(DM, "turn9")
    assert await turns.window(DM) == "turn9"
    assert await turns.window(replace(DM, channel="D2")) is None


async def test_turns_outlive_the_server(tmp_path: Path) -> None:
    one, part = turn(answer="This."), message()
    async with connect(RedisSettings(), tmp_path) as client:
        await Turns(client).add(one)
        await Turns(client).add_part(one.id, part)
    async with connect(RedisSettings(), tmp_path) as client:
        assert await Turns(client).of_message(part.key) == one


async def test_without_the_server_everything_is_unavailable(client: "Redis") -> None:
    turns = Turns(client)
    await client.shutdown(nosave=True)
    one = turn()
    for call in (
        turns.add(one),
        turns.save(one),
        turns.add_part(one.id, message()),
        turns.get(one.id),
        turns.answered_by(message().key),
        turns.of_message(message().key),
        turns.knows(DM),
        turns.history(DM, 3),
        turns.window(DM),
        turns.set_window(DM, one.id),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    assert one.asker == ANA
