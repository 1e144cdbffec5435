"""An answer as messages: in the book before and after each post, and none posted twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.reply import Reply
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from tests.adapters.markdown_texts import parts_of
from tests.adapters.room import Fault, Killed, Room, for_ever, kill, later, lost, nothing
from tests.waiting import until

LONG = " ".join(f"word{number}" for number in range(30))


@pytest.fixture(autouse=True)
async def _no_task_left() -> AsyncIterator[None]:
    """Every task that a reply starts ends with it."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


def reply_in(room: Room, *, resumed: bool = False) -> Reply:
    """The reply to the turn as the book has it."""
    return Reply(room.turn(), room, room, resumed=resumed)


async def shown(room: Room, text: str, *, resumed: bool = False) -> Reply:
    """A reply that shows a text as its last."""
    reply = reply_in(room, resumed=resumed)
    await reply.show(text, final=True)
    return reply


# What stands there


async def test_a_reply_is_empty_until_something_was_posted() -> None:
    room = Room()
    reply = reply_in(room)
    before = reply.is_empty, reply.parts
    await reply.show("It is")
    assert before == (True, ())
    assert (reply.is_empty, reply.parts) == (False, tuple(room.refs))


async def test_a_text_is_posted_and_in_the_book_before_and_after() -> None:
    room = Room()
    reply = reply_in(room)
    await reply.show("It is")
    assert room.log == [("intend", "t1"), ("post", "t1/0"), ("add", "p1")]
    assert room.turn().posting is None
    assert room.texts() == ["It is"]


async def test_what_is_announced_is_what_is_posted() -> None:
    room, announced = Room(), []

    async def note() -> None:
        announced.append(room.turn().posting)

    room.faults["post"].append(note)
    await shown(room, "It is so.")
    assert announced == ["It is so."]


async def test_a_changed_text_is_edited_and_the_same_one_is_not() -> None:
    room = Room()
    reply = reply_in(room)
    await reply.show("It is")
    await reply.show("It is")
    await reply.show("It is so.")
    await reply.show("It is so.", final=True)
    assert room.done() == ["intend", "post", "add", "edit"]


async def test_a_long_text_is_one_part_after_the_other() -> None:
    room = Room()
    await shown(room, LONG)
    parts = parts_of(LONG, room.dialect)
    assert len(parts) > 2
    assert room.texts() == parts
    assert room.booked() == list(room.messages)
    assert room.done() == ["intend", "post", "add"] * len(parts)


async def test_parts_that_are_left_over_are_deleted_at_the_end_and_not_before() -> None:
    room = Room()
    reply = reply_in(room)
    await reply.show(LONG)
    number = len(room.texts())
    await reply.show("It is so.")
    assert len(room.texts()) == number
    await reply.show("It is so.", final=True)
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]
    deleted = [about for what, about in room.log if what == "delete"]
    assert deleted == [f"p{n}" for n in range(number, 1, -1)], "the last first"


async def test_a_deleted_part_is_left_alone() -> None:
    room = Room()
    reply = reply_in(room)
    await reply.show("It is")
    del room.messages["p1"]
    await reply.show("It is so.")
    await reply.show("It is so, I think.", final=True)
    assert room.texts() == []
    assert room.booked() == ["p1"]


async def test_reactions_on_all_parts_are_seen_to() -> None:
    room = Room()
    await shown(room, LONG)
    await reply_in(room, resumed=True).settle()
    assert [ref.message for ref in room.settled] == list(room.messages)


# Taken up


async def test_what_was_begun_is_edited_in_place() -> None:
    room = Room()
    await shown(room, "It is")
    await shown(room, "It is so.", resumed=True)
    assert room.texts() == ["It is so."]
    assert room.posted == 1


async def test_what_stands_there_is_not_taken_to_be_known() -> None:
    """An edit of the process that was killed may have come after what is saved."""
    room = Room()
    await shown(room, "It is so.")
    await shown(room, "It is so.", resumed=True)
    assert room.done()[-1] == "edit"


async def test_a_part_that_was_posted_but_is_not_in_the_book_is_found() -> None:
    room = Room()
    room.faults["add"].append(kill)
    with pytest.raises(Killed):
        await shown(room, "It is")
    assert room.booked() == []
    await shown(room, "It is so.", resumed=True)
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


async def test_a_part_that_was_never_posted_is_posted_as_it_was_announced() -> None:
    """Discord knows a repeat by its nonce for some minutes only; its text tells it for longer."""
    room = Room()
    room.faults["post"].append(kill)
    with pytest.raises(Killed):
        await shown(room, "It is")
    posted: list[str] = []

    async def note() -> None:
        posted.append(room.turn().posting or "")

    room.faults["post"].append(note)
    await shown(room, "It is so.", resumed=True)
    assert posted == ["It is"]
    assert room.texts() == ["It is so."]


async def test_what_another_turn_says_in_the_same_words_is_not_taken_for_ours() -> None:
    room = Room(tells_parts=False)
    await shown(room, "It is so.")
    other = Reply(room.turn("t2"), room, room, resumed=True)
    await other.show("It is so.", final=True)
    assert room.texts() == ["It is so.", "It is so."]
    assert (room.booked("t1"), room.booked("t2")) == (["p1"], ["p2"])


async def test_nothing_is_looked_for_on_behalf_of_a_new_answer() -> None:
    room = Room()
    await shown(room, LONG)
    assert "find" not in room.done()


async def test_of_a_taken_up_answer_only_what_may_stand_there_is_looked_for() -> None:
    """Before the first part a notice; later parts only where the book has an intention."""
    room = Room()
    await shown(room, "It is", resumed=True)
    await shown(room, LONG, resumed=True)
    assert [about for what, about in room.log if what == "find"] == ["t1/0"]
    assert room.texts() == parts_of(LONG, room.dialect)


async def test_surplus_parts_of_akilled_process_are_deleted() -> None:
    room = Room()
    await shown(room, LONG)
    await shown(room, "It is so.", resumed=True)
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


@pytest.mark.parametrize("tells_parts", [True, False])
@pytest.mark.parametrize("call", ["posted", "add"])
async def test_a_surplus_part_that_is_not_in_the_book_yet_is_deleted(
    call: str, *, tells_parts: bool
) -> None:
    """The last lines of a note, say, which was being posted as the process was killed."""
    room = Room(tells_parts=tells_parts)
    room.meets(call, nothing, kill)
    with pytest.raises(Killed):
        await shown(room, LONG[:100])
    assert len(room.texts()) == 2
    await shown(room, "It is so.", resumed=True)
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


async def test_a_surplus_part_whose_outcome_is_not_known_is_deleted() -> None:
    room = Room()
    room.faults["posted"] += [nothing, lost()]
    reply = reply_in(room)
    with pytest.raises(PlatformUnavailable):
        await reply.show(LONG[:100])
    await reply.show("It is so.", final=True)
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


async def test_a_surplus_part_that_was_never_posted_is_looked_for_once() -> None:
    room = Room()
    room.faults["post"] += [nothing, lost()]
    reply = reply_in(room)
    with pytest.raises(PlatformUnavailable):
        await reply.show(LONG[:100])
    await reply.show("It is so.", final=True)
    await reply.show("It is so.", final=True)
    assert room.done().count("find") == 1
    assert room.texts() == ["It is so."]


@pytest.mark.parametrize("call", ["spare", "spared", "delete", "deleted", "drop", "dropped"])
async def test_a_deletion_that_was_broken_off_is_made_up_for(call: str) -> None:
    room = Room()
    await shown(room, LONG)
    room.meets(call, kill)
    with pytest.raises(Killed):
        await shown(room, "It is so.", resumed=True)
    await shown(room, "It is so.", resumed=True)
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


# A post whose outcome is not known


async def test_a_post_whose_reply_was_lost_is_found_and_not_repeated() -> None:
    room = Room()
    room.faults["posted"].append(lost())
    reply = reply_in(room)
    with pytest.raises(PlatformUnavailable):
        await reply.show("It is")
    await reply.show("It is so.", final=True)
    assert room.texts() == ["It is so."]
    assert room.posted == 1
    assert room.booked() == ["p1"]


async def test_a_post_that_was_lost_on_the_way_is_repeated() -> None:
    room = Room()
    room.faults["post"] += [lost(), lost()]
    reply = reply_in(room)
    for _ in range(2):
        with pytest.raises(PlatformUnavailable):
            await reply.show("It is")
    await reply.show("It is so.", final=True)
    assert room.texts() == ["It is so."]
    assert [what for what in room.done() if what in {"find", "post", "edit"}] == [
        "find",
        "find",
        "post",
        "edit",
    ]


async def test_a_refused_post_is_repeated_without_a_look() -> None:
    room = Room()
    room.faults["post"].append(later())
    reply = reply_in(room)
    with pytest.raises(PlatformUnavailable):
        await reply.show("It is")
    await reply.show("It is", final=True)
    assert "find" not in room.done()
    assert room.texts() == ["It is"]


async def test_after_an_unknown_outcome_a_refusal_does_not_end_the_doubt() -> None:
    room = Room()
    room.faults["posted"].append(lost())
    room.faults["find"] += [lost(), nothing]
    reply = reply_in(room)
    for _ in range(2):
        with pytest.raises(PlatformUnavailable):
            await reply.show("It is")
    await reply.show("It is", final=True)
    assert room.posted == 1
    assert room.texts() == ["It is"]


async def test_the_doubt_is_about_one_part_only() -> None:
    room = Room()
    room.faults["posted"] += [nothing, lost()]
    reply = reply_in(room)
    with pytest.raises(PlatformUnavailable):
        await reply.show(LONG)
    await reply.show(LONG, final=True)
    assert [about for what, about in room.log if what == "find"] == ["t1/1"]
    assert room.texts() == parts_of(LONG, room.dialect)


async def test_a_channel_that_is_gone_comes_out() -> None:
    room = Room()
    room.faults["post"].append(MessageGone("channel deleted"))
    with pytest.raises(MessageGone):
        await shown(room, "It is")


# A task that is cancelled


async def test_a_post_under_way_outlives_the_one_who_asked_for_it() -> None:
    """The platform may have taken it already, and would take it a second time."""
    room, told = Room(), asyncio.Event()
    room.faults["posted"].append(told.wait)
    reply = reply_in(room)
    task = asyncio.create_task(reply.show("It is"))
    await room.shows("It is")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    showing = asyncio.create_task(reply.show("It is so."))
    await asyncio.sleep(0.01)
    assert not showing.done()
    told.set()
    await showing
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


async def test_a_post_that_hangs_is_given_up_at_the_end() -> None:
    room = Room()
    room.faults["posted"].append(for_ever)
    reply = reply_in(room)
    task = asyncio.create_task(reply.show("It is"))
    await room.shows("It is")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await reply.close()
    assert room.turn().posting == "It is"
    await shown(room, "It is so.", resumed=True)
    assert room.texts() == ["It is so."]


# The store away


async def test_a_note_is_posted_though_the_store_is_away() -> None:
    room = Room()
    room.faults["intend"].append(StoreUnavailable("away"))
    await reply_in(room).show("I wait.", is_note=True)
    assert room.texts() == ["I wait."]
    assert room.booked() == ["p1"]


async def test_an_answer_is_not_posted_while_the_store_is_away() -> None:
    """A post that nobody would know of is one too many after a crash."""
    room = Room()
    room.faults["intend"] += [StoreUnavailable("away"), StoreUnavailable("away")]
    showing = asyncio.create_task(reply_in(room).show("It is so."))
    await asyncio.sleep(0.1)
    assert room.texts() == []
    await until(lambda: room.texts() == ["It is so."])
    await showing
    assert room.turn().posting is None


# Whatever comes


OUTCOMES = ["fine", "refused", "lost before", "lost after", "killed before", "killed after"]
texts = st.lists(
    st.sampled_from(["It is", "It is so.", LONG, LONG[:100], "word " * 20, "x" * 200]),
    min_size=1,
    max_size=5,
)


def script(room: Room, call: str, outcomes: list[str]) -> None:
    """Let a call and its end meet what the outcomes say, in order."""
    before, after = {
        "post": ("post", "posted"),
        "edit": ("edit", "edited"),
        "delete": ("delete", "deleted"),
        "intend": ("intend", "intended"),
        "add": ("add", "added"),
        "spare": ("spare", "spared"),
        "drop": ("drop", "dropped"),
        "find": ("find", ""),
    }[call]
    for outcome in outcomes:
        at_store = call in {"intend", "add", "spare", "drop"}
        if at_store and not outcome.startswith("killed"):
            outcome = "fine"  # who keeps the book is patient with the store by itself
        first: dict[str, Fault] = {
            "refused": later(0.0),
            "lost before": lost(),
            "killed before": kill,
        }
        second: dict[str, Fault] = {"lost after": lost(), "killed after": kill}
        room.meets(before, first.get(outcome, nothing))
        if after and outcome not in first:
            room.meets(after, second.get(outcome, nothing))


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    shown_texts=texts,
    outcomes=st.fixed_dictionaries(
        {
            call: st.lists(st.sampled_from(OUTCOMES), max_size=12)
            for call in ("post", "edit", "delete", "intend", "add", "spare", "drop", "find")
        }
    ),
    tells_parts=st.booleans(),
)
async def test_whatever_fails_the_whole_text_stands_there_once_and_in_the_book(
    shown_texts: list[str], outcomes: dict[str, list[str]], *, tells_parts: bool
) -> None:
    """A room refuses to be posted the same part twice. Each process shows all texts again."""
    room = Room(tells_parts=tells_parts)
    for call, each in outcomes.items():
        script(room, call, each)
    reply, resumed, number = reply_in(room), False, 0
    while number < len(shown_texts):
        try:
            await reply.show(shown_texts[number], final=number == len(shown_texts) - 1)
        except PlatformUnavailable:
            continue
        except Killed:
            await reply.close()
            reply, resumed, number = reply_in(room, resumed=True), True, 0
            continue
        number += 1
    assert room.texts() == parts_of(shown_texts[-1], room.dialect)
    assert room.booked() == list(room.messages)
    assert room.turn().posting is None
    assert resumed or "killed before" not in outcomes["post"][:1]
