"""Turns come back as they were kept, in order, and are found by their messages."""

import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from bot.domain import (
    OPEN,
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
from tests.bot.store.outage import outage
from tests.bot.turns_of import DM, accepted, inbox, message, turn

texts = st.text(st.characters(exclude_categories=["Cs"]))
times = st.floats(min_value=0, max_value=1e11, allow_nan=False)
platforms = st.sampled_from(get_args(Platform))
finishes = st.none() | st.sampled_from(get_args(FinishReason))
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
    finish=finishes,
    first_text_at=st.none() | times,
    finished_at=st.none() | times,
    files=st.none() | texts,
)

whole_store = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@whole_store
@given(kept=turns_of_all_kinds)
@example(kept=turn("strange", text="👩‍👩‍👧 naïve\r\n\x00\u2028 日本語", answer="\n \t"))
async def test_a_turn_comes_back_as_it_was_taken_in(client: "Redis", kept: Turn) -> None:
    await client.flushall()
    turns, waiting = Turns(client), await accepted(client, kept)
    assert await turns.get(kept.id) == waiting
    assert await turns.of_message(kept.question.key) == waiting


@whole_store
@given(kept=turns_of_all_kinds, answer=texts, finish=finishes)
async def test_a_growing_turn_comes_back_as_it_is_now(
    client: "Redis", kept: Turn, answer: str, finish: FinishReason | None
) -> None:
    await client.flushall()
    turns, waiting = Turns(client), await accepted(client, kept)
    grown = replace(
        waiting,
        answer=answer,
        finish=finish,
        first_text_at=None if kept.first_text_at is not None else 0.25,
    )
    assert not await turns.progress(grown)
    assert await turns.get(kept.id) == grown


async def test_a_turn_that_was_never_kept_is_none(client: "Redis") -> None:
    assert await Turns(client).get("unknown") is None


async def test_several_turns_come_back_in_the_order_asked_for(client: "Redis") -> None:
    turns = Turns(client)
    one, two = await accepted(client, turn("one")), await accepted(client, turn("two"))
    assert await turns.get_many(["two", "unknown", "one", "two"]) == [two, None, one, two]
    assert await turns.get_many([]) == []


async def test_the_history_is_the_latest_turns_oldest_first(client: "Redis") -> None:
    turns = Turns(client)
    kept = [await accepted(client, turn()) for _ in range(5)]
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
        await accepted(client, turn(f"turn{number}", conversation=place))
    for number, place in enumerate(places):
        assert [one.id for one in await turns.history(place, 10)] == [f"turn{number}"]


async def test_a_conversation_is_known_from_its_first_turn_on(client: "Redis") -> None:
    turns = Turns(client)
    assert not await turns.knows(DM)
    assert await turns.history(DM, 10) == []
    await accepted(client, turn())
    assert await turns.knows(DM)


async def test_a_long_conversation_keeps_its_latest_turns(client: "Redis") -> None:
    earlier = [f"turn{number}" for number in range(keys.CONVERSATION_TURNS)]
    await client.rpush(keys.conversation(DM.key), *earlier)
    await accepted(client, turn("newest"))
    kept = await client.lrange(keys.conversation(DM.key), 0, -1)
    assert kept == [*earlier[1:], "newest"]


async def test_a_message_is_told_to_be_the_question_or_a_part_of_the_answer(
    client: "Redis",
) -> None:
    turns = Turns(client)
    one = await accepted(client, turn())
    part, stranger = message(), message()
    await turns.add_part(one.id, 0, part)
    one = replace(one, parts=(part,))
    assert await turns.of_message(part.key) == one
    assert await turns.of_message(one.question.key) == one
    assert await turns.of_message(stranger.key) is None
    assert await turns.answered_by(part.key) == one.id
    assert await turns.answered_by(one.question.key) is None, "a question is no answer"
    assert await turns.answered_by(stranger.key) is None


async def test_all_parts_of_an_answer_lead_to_its_turn(client: "Redis") -> None:
    turns = Turns(client)
    one = await accepted(client, turn())
    parts = [message() for _ in range(3)]
    for number, part in enumerate(parts):
        await turns.add_part(one.id, number, part)
    assert [await turns.answered_by(part.key) for part in parts] == [one.id] * 3


async def test_a_part_is_found_by_a_reference_that_does_not_know_the_workspace(
    client: "Redis",
) -> None:
    """A reaction event need not tell the team or guild."""
    turns = Turns(client)
    one, part = await accepted(client, turn()), message()
    await turns.add_part(one.id, 0, part)
    assert await turns.answered_by(replace(part, workspace="").key) == one.id


# How an answer grows in the store


async def test_an_answer_begins_and_what_was_said_of_it_is_kept(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    begun = await turns.begin(one.id, "r1")
    assert begun == replace(one, status="running")
    await turns.progress(replace(begun, answer="Half", first_text_at=5.0))
    assert await turns.begin(one.id, "r1") == replace(
        one, status="running", answer="Half", first_text_at=5.0
    )


async def test_what_another_release_said_is_dropped_but_not_its_messages(client: "Redis") -> None:
    turns, one, part = Turns(client), await accepted(client, turn(answer="Old.")), message()
    await turns.add_part(one.id, 0, part)
    await turns.intend(one.id, "next")
    await turns.progress(replace(one, answer="Old.", first_text_at=5.0))
    assert await turns.begin(one.id, "r2") == replace(
        one, status="running", release="r2", answer="", finish=None, parts=(part,), posting="next"
    )


@pytest.mark.parametrize("status", sorted(set(get_args(TurnStatus)) - set(OPEN)))
async def test_a_turn_that_has_ended_does_not_begin_again(
    client: "Redis", status: TurnStatus
) -> None:
    turns, one = Turns(client), await accepted(client, turn())
    [_] = await inbox(client).left("slack") or await inbox(client).read("slack", 1)
    assert await inbox(client).close(replace(one, status=status))
    assert await turns.begin(one.id, "r2") is None
    assert await turns.get(one.id) == replace(one, status=status)


async def test_a_turn_that_is_not_there_does_not_begin(client: "Redis") -> None:
    assert await Turns(client).begin("unknown", "r1") is None
    assert await Turns(client).get("unknown") is None, "and is not made by that"


# What is about to be posted, and what was


async def test_an_announced_post_is_kept_until_the_part_is_known(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    await turns.intend(one.id, "It is")
    assert await turns.get(one.id) == replace(one, posting="It is")
    part = message()
    await turns.add_part(one.id, 0, part)
    assert await turns.get(one.id) == replace(one, parts=(part,))
    await turns.intend(one.id, "")
    assert await turns.get(one.id) == replace(one, parts=(part,), posting="")


async def test_a_part_may_be_added_again(client: "Redis") -> None:
    """The reply to the first call may be lost."""
    turns, one, part = Turns(client), await accepted(client, turn()), message()
    await turns.add_part(one.id, 0, part)
    await turns.add_part(one.id, 0, part)
    assert await turns.get(one.id) == replace(one, parts=(part,))
    assert await turns.recent_parts(0.0, 9) == [part.key]


async def test_parts_are_in_their_order_also_beyond_ten(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    parts = tuple(message() for _ in range(12))
    for number, part in reversed(list(enumerate(parts))):
        await turns.add_part(one.id, number, part)
    assert await turns.get(one.id) == replace(one, parts=parts)


async def test_a_part_that_is_no_longer_needed_is_no_part_but_its_votes_stay(
    client: "Redis",
) -> None:
    turns, one = Turns(client), await accepted(client, turn())
    first, last = message(), message()
    await turns.add_part(one.id, 0, first)
    await turns.add_part(one.id, 1, last)
    await turns.drop_part(one.id, 1)
    assert await turns.get(one.id) == replace(one, parts=(first,))
    assert await turns.answered_by(last.key) == one.id


async def test_that_a_surplus_part_is_deleted_is_no_news(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    first, last = message(), message()
    await turns.add_part(one.id, 0, first)
    await turns.add_part(one.id, 1, last)
    await turns.spare_part(one.id, last)
    assert await turns.deleted(last) is None
    assert await turns.answered_by(last.key) is None
    assert await turns.get(one.id) == replace(one, parts=(first, last)), "until it is dropped"
    await turns.drop_part(one.id, 1)
    assert await turns.deleted(last) is None
    assert await turns.get(one.id) == replace(one, parts=(first,))
    assert await turns.deleted(first) == (one.id, "part")


async def test_late_parts_are_listed_the_newest_first(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    parts = [message() for _ in range(4)]
    for number, part in enumerate(parts):
        await turns.add_part(one.id, number, part)
        await client.zadd(keys.PARTS, {part.key: 100.0 + number})
    assert await turns.recent_parts(0.0, 9) == [part.key for part in reversed(parts)]
    assert await turns.recent_parts(102.0, 9) == [parts[3].key, parts[2].key]
    assert await turns.recent_parts(0.0, 1) == [parts[3].key]
    assert await turns.recent_parts(104.0, 9) == []


async def test_a_part_is_dated_when_it_is_known(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    before = time.time()
    await turns.add_part(one.id, 0, message())
    assert await turns.recent_parts(before - 1, 9)
    assert not await turns.recent_parts(time.time() + 1, 9)


async def test_no_more_parts_are_remembered_than_the_bound(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "PARTS_KEPT", 2)
    turns, one = Turns(client), await accepted(client, turn())
    parts = [message() for _ in range(4)]
    for number, part in enumerate(parts):
        await turns.add_part(one.id, number, part)
    assert await turns.recent_parts(0.0, 9) == [parts[3].key, parts[2].key]


# Edited and deleted questions


async def test_a_question_that_waits_is_amended(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn(text="Whu?"))
    assert await turns.amend(one.question, "Why?") == one.id
    assert await turns.get(one.id) == replace(one, text="Why?")


async def test_a_question_whose_answer_has_begun_is_not_amended(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    await turns.begin(one.id, "r1")
    assert await turns.amend(one.question, "Why?") is None
    assert await turns.get(one.id) == replace(one, status="running")


async def test_only_questions_are_amended(client: "Redis") -> None:
    turns, one, part = Turns(client), await accepted(client, turn()), message()
    await turns.add_part(one.id, 0, part)
    assert await turns.amend(part, "Why?") is None
    assert await turns.amend(message(), "Why?") is None
    assert await turns.get(one.id) == replace(one, parts=(part,))


async def test_a_deleted_question_that_waits_is_withdrawn(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    assert await turns.deleted(one.question) == (one.id, "withdrawn")
    assert await turns.get(one.id) == replace(one, status="withdrawn")
    assert await turns.begin(one.id, "r1") is None
    assert await turns.deleted(one.question) is None, "told once"


async def test_a_question_deleted_under_its_answer_is_noticed_by_who_answers(
    client: "Redis",
) -> None:
    turns, one = Turns(client), await accepted(client, turn())
    begun = await turns.begin(one.id, "r1")
    assert begun is not None
    assert not await turns.progress(begun)
    assert await turns.deleted(one.question) == (one.id, "running")
    assert await turns.progress(replace(begun, answer="Half"))
    assert await turns.get(one.id) == replace(begun, answer="Half", withdrawn=True)


async def test_a_deleted_part_marks_the_turn_once_and_keeps_its_place(client: "Redis") -> None:
    turns, one, part = Turns(client), await accepted(client, turn()), message()
    await turns.add_part(one.id, 0, part)
    assert await turns.deleted(part) == (one.id, "part")
    assert await turns.deleted(part) is None
    assert await turns.get(one.id) == replace(one, parts=(part,), deleted=True)
    assert await turns.answered_by(part.key) == one.id


async def test_the_question_of_an_ended_turn_may_go(client: "Redis") -> None:
    turns, one = Turns(client), await accepted(client, turn())
    await inbox(client).left("slack")
    await inbox(client).read("slack", 1)
    await inbox(client).close(replace(one, status="done"))
    assert await turns.deleted(one.question) is None
    assert await turns.get(one.id) == replace(one, status="done", withdrawn=True)


async def test_a_deletion_waits_for_its_message_for_a_while(client: "Redis") -> None:
    turns, early = Turns(client), message()
    assert await turns.deleted(early) is None
    assert keys.GONE_S - 60 < await client.ttl(keys.gone(early.key)) <= keys.GONE_S


# The rest


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
    part = message()
    async with connect(RedisSettings(), tmp_path) as client:
        one = await accepted(client, turn(answer="This."))
        await Turns(client).add_part(one.id, 0, part)
    async with connect(RedisSettings(), tmp_path) as client:
        assert await Turns(client).of_message(part.key) == replace(one, parts=(part,))


async def test_without_the_server_everything_is_unavailable(
    client: "Redis", tmp_path: Path
) -> None:
    turns = Turns(client)
    async with outage(client, tmp_path):
        one = turn()
        for call in (
            turns.begin(one.id, "r1"),
            turns.progress(one),
            turns.intend(one.id, "text"),
            turns.add_part(one.id, 0, message()),
            turns.spare_part(one.id, message()),
            turns.drop_part(one.id, 0),
            turns.deleted(one.question),
            turns.amend(one.question, "text"),
            turns.recent_parts(0.0, 9),
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


async def test_files_below_an_answer_are_announced_and_then_done(client: "Redis") -> None:
    turns, begun = Turns(client), await accepted(client, turn())
    assert begun.files is None
    await turns.note_files(begun.id, "F1,F2")
    held = await turns.get(begun.id)
    assert held is not None
    assert held.files == "F1,F2"
    await turns.note_files(begun.id, "")
    held = await turns.get(begun.id)
    assert held is not None
    assert held.files == ""
