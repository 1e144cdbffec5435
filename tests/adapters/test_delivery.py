"""A growing answer gets into the channel, and ends whole or with an honest line."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters import wording
from adapters.delivery import FINAL_TRIES, deliver
from adapters.pacing import Pace, Pacing
from adapters.rates import Rate
from adapters.reply import Reply
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.events import Anew, Ended, Problem, Text, Waiting
from tests.adapters.markdown_texts import parts_of
from tests.adapters.paces import quick
from tests.adapters.room import Answer, Fault, Room, Step, for_ever, later, lost, nothing

WAITING = wording.waiting("model")


@pytest.fixture(autouse=True)
async def _no_task_left() -> AsyncIterator[None]:
    """Every task that a delivery starts ends with it."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


def pacing() -> Pacing:
    return quick()


async def _deliver(
    room: Room, answer: Answer, *, resumed: bool = False, hurried: bool = False
) -> Ended | None:
    reply = Reply(room.turn(), room, room, resumed=resumed)
    return await deliver(answer.events(), reply, room, pacing(), lambda: hurried)


async def delivered(room: Room, *script: Step, resumed: bool = False) -> Ended | None:
    """Deliver an answer to the end."""
    answer = Answer(script)
    ended = await asyncio.wait_for(_deliver(room, answer, resumed=resumed), 10)
    assert answer.over
    assert room.busy_now == 0
    return ended


def running(
    room: Room, *script: Step, resumed: bool = False, hurried: bool = False
) -> tuple["asyncio.Task[Ended | None]", Answer]:
    """Deliver an answer in a task."""
    answer = Answer(script)
    return asyncio.create_task(_deliver(room, answer, resumed=resumed, hurried=hurried)), answer


async def cancelled(task: "asyncio.Task[Ended | None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


# The answer


async def test_an_answer_is_posted_as_the_turn_s_part() -> None:
    room = Room()
    assert await delivered(room, Text("It is so."), Ended("stop")) == Ended("stop")
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


async def test_a_turn_without_events_is_left_alone() -> None:
    room = Room()
    assert await delivered(room) is None
    assert room.log == []


async def test_an_answer_grows_by_edits_of_its_message() -> None:
    room = Room()
    await delivered(
        room,
        Text("It "),
        lambda: room.shows("It"),
        Text("is "),
        lambda: room.shows("It is"),
        Text("so."),
        Ended("stop"),
    )
    assert room.texts() == ["It is so."]
    assert room.done() == ["intend", "post", "add", "edit", "edit"]


async def test_nothing_is_posted_before_the_first_word() -> None:
    room, go_on = Room(), asyncio.Event()
    task, _ = running(room, go_on.wait, Text("\n"), Text("Yes."), Ended("stop"))
    await asyncio.sleep(0.02)
    assert room.log == []
    assert room.busy_now == 1, "but it is shown that an answer is coming"
    go_on.set()
    await task
    assert room.texts() == ["Yes."]
    assert room.busy_now == 0


async def test_a_fast_answer_is_shown_in_few_steps() -> None:
    """The budget is one edit an interval, whatever the model's pace."""
    room = Room(limit=10_000)
    answer = Answer((*(Text(f"{n} ") for n in range(500)), Ended("stop")))
    reply = Reply(room.turn(), room, room, resumed=False)
    await deliver(answer.events(), reply, room, Pacing({"edit": Pace(Rate(2, 0.5), 0.5)}))
    assert room.texts() == [" ".join(map(str, range(500)))]
    assert len([what for what in room.done() if what in {"post", "edit"}]) <= 2


@pytest.mark.parametrize("length", [1, 63, 64, 65, 128, 129, 1000, 20_000])
async def test_an_answer_of_any_length_is_complete_at_the_end(length: int) -> None:
    room = Room()
    words = ("word " * length)[:length]
    await delivered(room, Text(words), Ended("stop"))
    assert room.texts() == parts_of(words.strip(), room.dialect)
    assert room.booked() == list(room.messages)


async def test_a_long_answer_grows_part_by_part_and_a_full_part_is_not_touched_again() -> None:
    room = Room()
    script: list[Step] = []
    for number in range(40):
        script += [Text(f"word{number} "), room.showing(f"word{number}")]
    await delivered(room, *script, Ended("stop"))
    text = " ".join(f"word{number}" for number in range(40))
    assert room.texts() == parts_of(text, room.dialect)
    touched = [about for what, about in room.log if what == "edit"]
    assert touched == sorted(touched, key=lambda name: int(name[1:]))


async def test_a_code_block_over_several_messages_is_one_in_each() -> None:
    room = Room()
    code = "\n".join(f"line {number}" for number in range(20))
    await delivered(room, Text(f"```python\n{code}\n```"), Ended("stop"))
    assert len(room.texts()) > 2
    for text in room.texts():
        assert text.startswith("```python\n")
        assert text.endswith("\n```")


@settings(max_examples=40, deadline=None)
@given(
    pieces=st.lists(
        st.sampled_from(["word ", "\n", "```", "\n```\n", "x" * 30, " ", "```python\n", "``"]),
        max_size=30,
    ),
    pauses=st.sets(st.integers(0, 29)),
)
async def test_however_an_answer_grows_the_messages_are_those_of_the_whole_text(
    pieces: list[str], pauses: set[int]
) -> None:
    """No message of an earlier state is left behind."""
    room = Room()
    script: list[Step] = []
    for number, piece in enumerate(pieces):
        script.append(Text(piece))
        if number in pauses:
            script.append(lambda: asyncio.sleep(0.003))
    await delivered(room, *script, Ended("stop"))
    whole = "".join(pieces).strip()
    assert room.texts() == (parts_of(whole, room.dialect) if whole else [wording.EMPTY_ANSWER])
    assert room.booked() == list(room.messages)


async def test_an_answer_that_begins_anew_replaces_what_stood_there() -> None:
    room = Room()
    await delivered(
        room,
        Text("word " * 40),
        lambda: room.shows("word"),
        Anew(),
        Text("It is so."),
        Ended("stop"),
    )
    assert room.texts() == ["It is so."]
    assert room.booked() == list(room.messages)


# Taken up


async def test_half_an_answer_is_gone_on_with_in_place() -> None:
    room = Room(limit=200)
    task, _ = running(room, Text("It is"), for_ever, hurried=True)
    await room.shows("It is")
    await cancelled(task)
    assert room.texts() == ["It is"]
    await delivered(room, Text("It is"), Text(" so."), Ended("stop"), resumed=True)
    assert room.texts() == ["It is so."]
    assert room.posted == 1


async def test_the_pause_note_is_gone_once_the_answer_goes_on() -> None:
    room = Room(limit=200)
    task, _ = running(room, Text("It is"), for_ever)
    await room.shows("It is")
    await cancelled(task)
    assert room.texts() == [f"It is\n\n{wording.PAUSED}"]
    await delivered(room, Text("It is"), Text(" so."), Ended("stop"), resumed=True)
    assert room.texts() == ["It is so."]


async def test_too_old_an_answer_is_marked_in_place() -> None:
    room = Room(limit=400)
    await delivered(room, Text("It is"), Ended("cancelled"))
    await delivered(room, Text("It is"), Ended("error", "interrupted"), resumed=True)
    assert room.texts() == [f"It is\n\n{wording.problem('interrupted')}"]
    assert room.posted == 1


async def test_reactions_on_what_stands_there_are_seen_to_first() -> None:
    room = Room()
    await delivered(room, Text("It is"), Ended("stop"))
    assert room.settled == []
    await delivered(room, Text("It is"), Ended("stop"), resumed=True)
    assert [ref.message for ref in room.settled] == ["p1"]


# Lines of our own


async def test_a_waiting_line_is_replaced_by_the_answer() -> None:
    room = Room(limit=200)
    await delivered(
        room,
        Waiting("model"),
        lambda: room.shows(WAITING),
        Text("Here I am."),
        Ended("stop"),
    )
    assert room.texts() == ["Here I am."]
    assert room.booked() == ["p1"]


async def test_a_note_is_posted_while_the_store_is_away() -> None:
    room = Room(limit=200)
    room.faults["intend"].append(StoreUnavailable("away"))
    note = wording.waiting("store")
    await delivered(
        room, Waiting("store"), lambda: room.shows(note), Text("Here I am."), Ended("stop")
    )
    assert room.texts() == ["Here I am."]
    assert room.booked() == ["p1"]


async def test_a_waiting_line_is_replaced_by_the_problem() -> None:
    room = Room(limit=200)
    await delivered(
        room,
        Waiting("model"),
        lambda: room.shows(WAITING),
        Ended("error", "model_unavailable"),
    )
    assert room.texts() == [wording.problem("model_unavailable")]


@pytest.mark.parametrize(
    "problem", ["busy", "too_long", "model_unavailable", "model_refuses", "interrupted", "error"]
)
async def test_a_problem_is_told_under_what_there_is(problem: Problem) -> None:
    room = Room(limit=400)
    await delivered(room, Text("It is"), Ended("error", problem))
    assert room.texts() == [f"It is\n\n{wording.problem(problem)}"]


async def test_an_answer_without_a_word_says_so() -> None:
    room = Room(limit=200)
    await delivered(room, Text(" \n"), Ended("stop"))
    assert room.texts() == [wording.EMPTY_ANSWER]
    assert room.booked() == ["p1"]


async def test_a_line_of_our_own_stands_outside_of_an_open_code_block() -> None:
    room = Room(limit=200)
    await delivered(room, Text("```python\nprint("), Ended("length"))
    assert room.texts() == [f"```python\nprint(\n```\n\n{wording.CUT_BY_LENGTH}"]


async def test_nothing_is_said_to_a_deleted_question_that_has_no_answer_yet() -> None:
    room = Room(limit=200)
    withdrawn = Ended("cancelled", "withdrawn")
    assert await delivered(room, withdrawn) == withdrawn
    assert room.texts() == []


async def test_half_an_answer_to_a_deleted_question_is_marked_as_stopped() -> None:
    room = Room(limit=200)
    await delivered(
        room, Text("It is"), lambda: room.shows("It is"), Ended("cancelled", "withdrawn")
    )
    assert room.texts() == [f"It is\n\n{wording.problem('withdrawn')}"]


async def test_a_note_under_a_deleted_question_is_replaced() -> None:
    room = Room(limit=200)
    await delivered(
        room, Waiting("model"), lambda: room.shows(WAITING), Ended("cancelled", "withdrawn")
    )
    assert room.texts() == [wording.problem("withdrawn")]


# The platform in trouble


async def test_an_interim_edit_that_fails_is_made_up_for_later() -> None:
    room = Room()
    room.faults["edit"].append(later())
    await delivered(
        room,
        Text("It "),
        lambda: room.shows("It"),
        Text("is "),
        lambda: room.shows("It is"),
        Text("so."),
        Ended("stop"),
    )
    assert room.texts() == ["It is so."]


async def test_a_first_post_that_fails_is_repeated_without_a_new_word() -> None:
    room = Room()
    room.faults["post"] += [later(), later()]
    await delivered(room, Text("It is"), lambda: room.shows("It is"), Ended("stop"))
    assert room.texts() == ["It is"]


async def test_a_platform_that_asks_to_wait_is_not_called_before() -> None:
    room = Room()
    called: list[float] = []

    async def note() -> None:
        called.append(asyncio.get_running_loop().time())

    async def refuse() -> None:
        await note()
        raise later(0.1)

    room.faults["post"] += [refuse, note]
    await delivered(room, Text("It is"), lambda: room.shows("It is"), Ended("stop"))
    assert called[1] - called[0] >= 0.099


async def test_a_platform_that_asks_to_wait_is_not_called_before_even_at_the_end() -> None:
    room, refused = Room(), asyncio.Event()
    called: list[float] = []

    async def refuse() -> None:
        called.append(asyncio.get_running_loop().time())
        refused.set()
        raise later(0.1)

    async def note() -> None:
        called.append(asyncio.get_running_loop().time())

    room.faults["post"] += [refuse, note]
    await delivered(room, Text("It is "), refused.wait, Text("so."), Ended("stop"))
    assert room.texts() == ["It is so."]
    assert called[1] - called[0] >= 0.099


async def test_while_the_platform_is_away_the_answer_goes_on_and_is_shown_at_the_end() -> None:
    room, refused = Room(), asyncio.Event()

    async def refuse() -> None:
        refused.set()
        raise lost()

    room.faults["post"].append(refuse)
    began = asyncio.get_running_loop().time()
    await delivered(room, Text("It is "), refused.wait, Text("so."), Ended("stop"))
    assert room.texts() == ["It is so."]
    assert asyncio.get_running_loop().time() - began < 0.9, "the end waits for no interim pause"


async def test_an_interim_post_whose_reply_was_lost_is_found() -> None:
    room = Room()
    room.faults["posted"].append(lost())
    await delivered(room, Text("It is "), lambda: room.shows("It is"), Text("so."), Ended("stop"))
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]
    assert room.posted == 1


async def test_the_final_text_is_insisted_on() -> None:
    room = Room()
    room.faults["post"] += [later() for _ in range(FINAL_TRIES - 1)]
    await delivered(room, Text("It is so."), Ended("stop"))
    assert room.texts() == ["It is so."]


async def test_a_platform_that_never_takes_the_answer_is_told_to_the_caller() -> None:
    room = Room()
    room.faults["post"] += [later() for _ in range(50)]
    with pytest.raises(PlatformUnavailable):
        await delivered(room, Text("It is so."), Ended("stop"))
    assert room.texts() == []
    assert room.busy_now == 0


async def test_a_long_answer_on_a_platform_that_asks_to_wait_often_is_complete() -> None:
    """As long as it goes on, there is no reason to give up."""
    room = Room()
    words = "word " * 400
    for _ in range(60):
        room.faults["post"] += [later(0.001), nothing]
    await delivered(room, Text(words), Ended("stop"))
    assert room.texts() == parts_of(words.strip(), room.dialect)


async def test_after_a_failure_in_the_middle_nothing_is_posted_twice() -> None:
    room = Room()
    room.faults["post"] += [nothing, nothing, later(), nothing, later()]
    words = "word " * 100
    await delivered(room, Text(words), Ended("stop"))
    assert room.texts() == parts_of(words.strip(), room.dialect)
    assert room.booked() == list(room.messages)


async def test_a_place_that_is_gone_stops_the_answer() -> None:
    room, met = Room(), asyncio.Event()

    async def gone() -> None:
        met.set()
        raise MessageGone("channel deleted")

    room.faults["post"].append(gone)
    words: list[Step] = [Text("is "), lambda: asyncio.sleep(0)] * 1000
    task, answer = running(room, Text("It "), met.wait, *words, for_ever)
    with pytest.raises(MessageGone):
        await asyncio.wait_for(task, 5)
    assert answer.over
    assert answer.given < 1000


async def test_a_deleted_message_is_not_posted_again() -> None:
    """Who deletes an answer does not want to see it."""
    room = Room()
    await delivered(
        room,
        Text("It "),
        lambda: room.shows("It"),
        _deleting(room, "p1"),
        Text("is so."),
        Ended("stop"),
    )
    assert room.texts() == []


async def test_a_deleted_part_of_several_leaves_the_others_complete() -> None:
    room = Room()
    words = [f"word{number}" for number in range(30)]
    script: list[Step] = [Text(" ".join(words[:15]))]
    script += [lambda: room.shows("word14"), _deleting(room, "p1")]
    await delivered(room, *script, Text(" " + " ".join(words[15:])), Ended("stop"))
    assert room.texts() == parts_of(" ".join(words), room.dialect)[1:]


def _deleting(room: Room, name: str) -> Step:
    async def delete() -> None:
        del room.messages[name]

    return delete


async def test_what_nobody_foresaw_comes_out_and_ends_the_answer() -> None:
    room = Room()
    room.faults["post"].append(KeyError("a bug"))
    with pytest.raises(KeyError):
        await delivered(room, Text("It is so."), Ended("stop"))
    with pytest.raises(ZeroDivisionError):
        await delivered(Room(), Text("It"), ZeroDivisionError())


# Stopping


async def test_a_cancelled_answer_leaves_an_honest_line() -> None:
    room = Room(limit=200)
    task, answer = running(room, Text("It is"), lambda: room.shows("It is"), for_ever)
    await room.shows("It is")
    await cancelled(task)
    assert room.texts() == [f"It is\n\n{wording.PAUSED}"]
    assert answer.over
    assert room.busy_now == 0


async def test_who_is_hurried_says_nothing_more() -> None:
    room = Room(limit=200)
    task, answer = running(room, Text("It is"), for_ever, hurried=True)
    await room.shows("It is")
    await cancelled(task)
    assert room.texts() == ["It is"]
    assert answer.over


async def test_an_answer_cancelled_before_its_first_word_leaves_nothing() -> None:
    room, waiting = Room(limit=200), asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await for_ever()

    task, answer = running(room, wait)
    await waiting.wait()
    await cancelled(task)
    assert room.log == []
    assert answer.over


async def test_an_answer_cancelled_in_its_waiting_line_says_that_it_goes_on() -> None:
    room = Room(limit=200)
    task, _ = running(room, Waiting("model"), for_ever)
    await room.shows(WAITING)
    await cancelled(task)
    assert room.texts() == [wording.PAUSED]


async def test_an_answer_cancelled_in_its_last_post_is_found_by_the_next_process() -> None:
    room, posting = Room(), asyncio.Event()

    async def hang() -> None:
        posting.set()
        await for_ever()

    room.faults["posted"].append(hang)
    task, _ = running(room, Text("It is so."), Ended("stop"))
    await posting.wait()
    await cancelled(task)
    assert room.booked() == []
    await delivered(room, Text("It is so."), Ended("stop"), resumed=True)
    assert room.texts() == ["It is so."]
    assert room.booked() == ["p1"]


async def test_an_answer_cancelled_in_its_last_edit_says_nothing_of_a_pause() -> None:
    room, editing = Room(limit=200), asyncio.Event()

    async def hang() -> None:
        editing.set()
        await for_ever()

    room.faults["edit"].append(hang)
    task, _ = running(room, Text("It is"), lambda: room.shows("It is"), Text(" so"), Ended("stop"))
    await editing.wait()
    await cancelled(task)
    assert room.texts() == ["It is"]


async def test_a_cancelled_answer_ends_even_if_the_platform_takes_nothing() -> None:
    for trouble in (later(), lost(), MessageGone("deleted")):
        room = Room(limit=200)
        task, _ = running(room, Text("It is"), for_ever)
        await room.shows("It is")
        room.faults["edit"].append(trouble)
        await cancelled(task)
        assert room.texts() == ["It is"]


async def test_a_cancelled_answer_waits_for_no_platform_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.delivery.PAUSE_S", 0.05)
    room = Room(limit=200)
    task, answer = running(room, Text("It is"), for_ever)
    await room.shows("It is")
    room.faults["edit"].append(for_ever)
    await asyncio.wait_for(cancelled(task), 2)
    assert answer.over


async def test_an_answer_cancelled_while_a_part_is_on_the_way_is_posted_once() -> None:
    """The platform has taken it, and is about to say so."""
    room, taken, told = Room(limit=64), asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        taken.set()
        await told.wait()

    room.faults["posted"] += [nothing, hang]
    words = " ".join(f"word{number}" for number in range(12))
    task, _ = running(room, Text(words), for_ever)
    await taken.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.02, told.set)
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert room.booked() == list(room.messages)
    assert room.texts()[-1].endswith(wording.PAUSED[-10:])
    await delivered(room, Text(words), Ended("stop"), resumed=True)
    assert room.texts() == parts_of(words, room.dialect)
    assert room.booked() == list(room.messages)


# Whatever comes


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    pieces=st.lists(st.sampled_from(["word ", "\n", "x" * 30, "```\n"]), min_size=1, max_size=12),
    faults=st.fixed_dictionaries(
        {
            call: st.lists(st.sampled_from(["fine", "refused", "lost", "hangs"]), max_size=6)
            for call in ("post", "posted", "edit", "edited", "find", "delete", "deleted")
        }
    ),
    stops=st.lists(st.integers(1, 40), max_size=4),
    tells_parts=st.booleans(),
)
async def test_whatever_fails_and_whoever_stops_it_the_answer_stands_there_once_and_whole(
    monkeypatch: pytest.MonkeyPatch,
    pieces: list[str],
    faults: dict[str, list[str]],
    stops: list[int],
    *,
    tells_parts: bool,
) -> None:
    """A room refuses to be posted the same part twice. After so many steps each process is stopped,
    in order or at once, and the next one takes the answer up; the last one is left to its end."""
    monkeypatch.setattr("adapters.delivery.BACKOFF_S", 0.0005)
    monkeypatch.setattr("adapters.delivery.PAUSE_S", 0.005)
    room = Room(tells_parts=tells_parts)

    async def hang() -> None:
        await asyncio.sleep(0.01)

    for call, each in faults.items():
        told: dict[str, Fault] = {"refused": later(0.0), "fine": nothing, "hangs": hang}
        if call in {"posted", "edited", "deleted"}:
            told["refused"] = lost()  # a refusal comes before, not after
        room.meets(call, *(told.get(fault, lost()) for fault in each))
    script: list[Step] = []
    for piece in pieces:
        script += [Text(piece), lambda: asyncio.sleep(0.001)]
    whole = "".join(pieces).strip()
    resumed = False
    for number, steps in enumerate(stops):
        task, _ = running(room, *script, Ended("stop"), resumed=resumed, hurried=number % 2 == 0)
        await asyncio.sleep(steps * 0.0005)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        resumed = True
    while True:
        try:
            await delivered(room, *script, Ended("stop"), resumed=resumed)
            break
        except PlatformUnavailable:
            resumed = True
    assert room.texts() == (parts_of(whole, room.dialect) if whole else [wording.EMPTY_ANSWER])
    assert room.booked() == list(room.messages)
