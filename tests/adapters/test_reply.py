"""A growing answer becomes messages, and ends whole or with an honest line."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import wording
from adapters.markdown import split
from adapters.pacing import Pacing
from adapters.reply import FINAL_TRIES, deliver
from bot.core import Accepted, Ended, Problem, Text, Waiting
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from tests.adapters.room import Answer, Room, Step, later


@pytest.fixture(autouse=True)
async def _no_task_left() -> AsyncIterator[None]:
    """Every task that a delivery starts ends with it."""
    before = asyncio.all_tasks()
    yield
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


def pacing() -> Pacing:
    return Pacing(0.001)


async def delivered(room: Room, *script: object) -> Answer:
    """Deliver an answer to the end."""
    answer = Answer(script)  # type: ignore[arg-type]
    await asyncio.wait_for(deliver(answer.events(), room, pacing(), room.add_part), 10)
    assert answer.over
    assert room.busy_now == 0
    return answer


def running(room: Room, *script: object) -> tuple["asyncio.Task[None]", Answer]:
    """Deliver an answer in a task."""
    answer = Answer(script)  # type: ignore[arg-type]
    task = asyncio.create_task(deliver(answer.events(), room, pacing(), room.add_part))
    return task, answer


async def cancelled(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()


async def for_ever() -> None:
    await asyncio.Event().wait()


# The answer


async def test_an_answer_is_posted_as_the_turn_s_part() -> None:
    room = Room()
    await delivered(room, Accepted("t1"), Text("It is so."), Ended("stop"))
    assert room.texts() == ["It is so."]
    assert [(turn, ref.message) for turn, ref in room.parts] == [("t1", "m1")]


async def test_a_message_that_is_not_for_us_gets_no_answer() -> None:
    room = Room()
    await delivered(room)
    assert room.log == []


async def test_an_answer_grows_by_edits_of_its_message() -> None:
    room = Room()
    task, _ = running(
        room,
        Accepted("t1"),
        Text("It "),
        lambda: room.shows("It"),
        Text("is "),
        lambda: room.shows("It is"),
        Text("so."),
        Ended("stop"),
    )
    await task
    assert room.texts() == ["It is so."]
    assert [what for what, _ in room.log] == ["post", "part", "edit", "edit"]


async def test_nothing_is_posted_before_the_first_word() -> None:
    room, go_on = Room(), asyncio.Event()
    task, _ = running(room, Accepted("t1"), go_on.wait, Text("\n"), Text("Yes."), Ended("stop"))
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
    answer = Answer((Accepted("t1"), *(Text(f"{n} ") for n in range(500)), Ended("stop")))
    await deliver(answer.events(), room, Pacing(0.5), room.add_part)
    assert room.texts() == [" ".join(map(str, range(500)))]
    assert len([what for what, _ in room.log if what in {"post", "edit"}]) <= 2


@pytest.mark.parametrize("length", [1, 63, 64, 65, 128, 129, 1000, 20_000])
async def test_an_answer_of_any_length_is_complete_at_the_end(length: int) -> None:
    room = Room()
    words = ("word " * length)[:length]
    await delivered(room, Accepted("t1"), Text(words), Ended("stop"))
    assert room.texts() == split(words.strip(), room.limit)
    assert [ref.message for _, ref in room.parts] == list(room.messages)


async def test_a_long_answer_grows_part_by_part_and_a_full_part_is_not_touched_again() -> None:
    room = Room()
    script: list[object] = [Accepted("t1")]
    for number in range(40):
        script += [Text(f"word{number} "), lambda n=number: room.shows(f"word{n}")]
    await delivered(room, *script, Ended("stop"))
    text = " ".join(f"word{number}" for number in range(40))
    assert room.texts() == split(text, room.limit)
    touched = [about for what, about in room.log if what == "edit"]
    assert touched == sorted(touched, key=lambda name: int(name[1:]))


async def test_a_part_is_recorded_before_anything_else_happens_to_it() -> None:
    """A reaction may come as soon as a message is there."""
    room = Room()
    await delivered(room, Accepted("t1"), Text("word " * 60), Ended("stop"))
    for (what, about), (next_what, next_about) in zip(room.log[::2], room.log[1::2], strict=True):
        assert (what, next_what) == ("post", "part")
        assert about.startswith("t1/")
        assert next_about in room.messages


async def test_a_code_block_over_several_messages_is_one_in_each() -> None:
    room = Room()
    code = "\n".join(f"line {number}" for number in range(20))
    await delivered(room, Accepted("t1"), Text(f"```python\n{code}\n```"), Ended("stop"))
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
    script: list[object] = [Accepted("t1")]
    for number, piece in enumerate(pieces):
        script.append(Text(piece))
        if number in pauses:
            script.append(lambda: asyncio.sleep(0.003))
    await delivered(room, *script, Ended("stop"))
    whole = "".join(pieces).strip()
    assert room.texts() == (split(whole, room.limit) if whole else [wording.EMPTY_ANSWER])


# Lines of our own


async def test_a_waiting_line_is_replaced_by_the_answer() -> None:
    room = Room(limit=200)
    await delivered(
        room,
        Accepted("t1"),
        Waiting("model"),
        lambda: room.shows(wording.WAITING_FOR_MODEL),
        Text("Here I am."),
        Ended("stop"),
    )
    assert room.texts() == ["Here I am."]
    assert len(room.parts) == 1


async def test_a_waiting_line_is_replaced_by_the_problem() -> None:
    room = Room(limit=200)
    await delivered(
        room,
        Accepted("t1"),
        Waiting("model"),
        lambda: room.shows(wording.WAITING_FOR_MODEL),
        Ended("error", "model_unavailable"),
    )
    assert room.texts() == [wording.problem("model_unavailable")]


@pytest.mark.parametrize(
    "problem", ["busy", "too_long", "model_unavailable", "model_refuses", "store", "error"]
)
async def test_a_problem_is_told_under_what_there_is(problem: Problem) -> None:
    room = Room(limit=400)
    await delivered(room, Accepted("t1"), Text("It is"), Ended("error", problem))
    assert room.texts() == [f"It is\n\n{wording.problem(problem)}"]


async def test_an_answer_without_a_word_says_so() -> None:
    room = Room(limit=200)
    await delivered(room, Accepted("t1"), Text(" \n"), Ended("stop"))
    assert room.texts() == [wording.EMPTY_ANSWER]
    assert len(room.parts) == 1


async def test_an_answer_cut_by_its_length_says_so() -> None:
    room = Room(limit=200)
    await delivered(room, Accepted("t1"), Text("It is"), Ended("length"))
    assert room.texts() == [f"It is\n\n{wording.CUT_BY_LENGTH}"]


async def test_a_line_of_our_own_stands_outside_of_an_open_code_block() -> None:
    room = Room(limit=200)
    await delivered(room, Accepted("t1"), Text("```python\nprint("), Ended("length"))
    assert room.texts() == [f"```python\nprint(\n```\n\n{wording.CUT_BY_LENGTH}"]


async def test_a_refused_question_is_told_and_is_no_part_of_a_turn() -> None:
    room = Room(limit=200)
    await delivered(room, Ended("error", "busy"))
    assert room.texts() == [wording.problem("busy")]
    assert room.parts == []


# The platform in trouble


async def test_an_interim_edit_that_fails_is_made_up_for_later() -> None:
    room = Room()
    room.faults["edit"].append(later())
    await delivered(
        room,
        Accepted("t1"),
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
    await delivered(room, Accepted("t1"), Text("It is"), lambda: room.shows("It is"), Ended("stop"))
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
    await delivered(room, Accepted("t1"), Text("It is"), lambda: room.shows("It is"), Ended("stop"))
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
    await delivered(room, Accepted("t1"), Text("It is "), refused.wait, Text("so."), Ended("stop"))
    assert room.texts() == ["It is so."]
    assert called[1] - called[0] >= 0.099


async def test_while_the_platform_is_away_the_answer_goes_on_and_is_shown_at_the_end() -> None:
    room, refused = Room(), asyncio.Event()

    async def refuse() -> None:
        refused.set()
        raise later(None)

    room.faults["post"].append(refuse)
    began = asyncio.get_running_loop().time()
    await delivered(room, Accepted("t1"), Text("It is "), refused.wait, Text("so."), Ended("stop"))
    assert room.texts() == ["It is so."]
    assert asyncio.get_running_loop().time() - began < 0.9, "the end waits for no interim pause"


async def test_the_final_text_is_insisted_on() -> None:
    room = Room()
    room.faults["post"] += [later() for _ in range(FINAL_TRIES - 1)]
    await delivered(room, Accepted("t1"), Text("It is so."), Ended("stop"))
    assert room.texts() == ["It is so."]


async def test_a_platform_that_never_takes_the_answer_is_told_to_the_caller() -> None:
    room = Room()
    room.faults["post"] += [later() for _ in range(50)]
    with pytest.raises(PlatformUnavailable):
        await delivered(room, Accepted("t1"), Text("It is so."), Ended("stop"))
    assert room.texts() == []
    assert room.busy_now == 0


async def test_a_long_answer_on_a_platform_that_asks_to_wait_often_is_complete() -> None:
    """As long as it goes on, there is no reason to give up."""
    room = Room()
    words = "word " * 400

    def refusing() -> Exception:
        return later(0.001)

    async def accepting() -> None:
        return

    for _ in range(60):
        room.faults["post"] += [refusing(), accepting]
    await delivered(room, Accepted("t1"), Text(words), Ended("stop"))
    assert room.texts() == split(words.strip(), room.limit)


async def test_after_a_failure_in_the_middle_nothing_is_posted_twice() -> None:
    room = Room()

    async def accepting() -> None:
        return

    room.faults["post"] += [accepting, accepting, later(), accepting, later()]
    words = "word " * 100
    await delivered(room, Accepted("t1"), Text(words), Ended("stop"))
    assert room.texts() == split(words.strip(), room.limit)
    assert [ref.message for _, ref in room.parts] == list(room.messages)


async def test_a_place_that_is_gone_stops_the_answer() -> None:
    room, met = Room(), asyncio.Event()

    async def gone() -> None:
        met.set()
        raise MessageGone("channel deleted")

    room.faults["post"].append(gone)
    words: list[Step] = [Text("is "), lambda: asyncio.sleep(0)] * 1000
    answer = Answer((Accepted("t1"), Text("It "), met.wait, *words, for_ever))
    with pytest.raises(MessageGone):
        await asyncio.wait_for(deliver(answer.events(), room, pacing(), room.add_part), 5)
    assert answer.over
    assert answer.given < 1000


async def test_a_deleted_message_is_not_posted_again() -> None:
    """Who deletes an answer does not want to see it."""
    room = Room()
    await delivered(
        room,
        Accepted("t1"),
        Text("It "),
        lambda: room.shows("It"),
        _deleting(room, "m1"),
        Text("is so."),
        Ended("stop"),
    )
    assert room.texts() == []


async def test_a_deleted_part_of_several_leaves_the_others_complete() -> None:
    room = Room()
    words = [f"word{number}" for number in range(30)]
    script: list[object] = [Accepted("t1"), Text(" ".join(words[:15]))]
    script += [lambda: room.shows("word14"), _deleting(room, "m1")]
    await delivered(room, *script, Text(" " + " ".join(words[15:])), Ended("stop"))
    assert room.texts() == split(" ".join(words), room.limit)[1:]


def _deleting(room: Room, name: str) -> object:
    async def delete() -> None:
        del room.messages[name]

    return delete


async def test_a_part_that_could_not_be_recorded_is_shown_all_the_same() -> None:
    room = Room()
    room.faults["add_part"].append(StoreUnavailable("no Redis"))
    await delivered(room, Accepted("t1"), Text("It is so."), Ended("stop"))
    assert room.texts() == ["It is so."]
    assert room.parts == []


async def test_what_nobody_foresaw_comes_out_and_ends_the_answer() -> None:
    room = Room()
    room.faults["post"].append(KeyError("a bug"))
    with pytest.raises(KeyError):
        await delivered(room, Accepted("t1"), Text("It is so."), Ended("stop"))
    with pytest.raises(ZeroDivisionError):
        await delivered(Room(), Accepted("t1"), Text("It"), ZeroDivisionError())


# Stopping


async def test_a_cancelled_answer_leaves_an_honest_line() -> None:
    room = Room(limit=200)
    task, answer = running(
        room, Accepted("t1"), Text("It is"), lambda: room.shows("It is"), for_ever
    )
    await room.shows("It is")
    await cancelled(task)
    assert room.texts() == [f"It is\n\n{wording.STOPPED}"]
    assert answer.over
    assert room.busy_now == 0


async def test_an_answer_cancelled_before_its_first_word_leaves_an_honest_line() -> None:
    room, waiting = Room(limit=200), asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await for_ever()

    task, _ = running(room, Accepted("t1"), wait)
    await waiting.wait()
    await cancelled(task)
    assert room.texts() == [wording.STOPPED]
    assert len(room.parts) == 1


async def test_an_answer_cancelled_in_its_waiting_line_says_that_it_was_stopped() -> None:
    room = Room(limit=200)
    task, _ = running(room, Accepted("t1"), Waiting("model"), for_ever)
    await room.shows(wording.WAITING_FOR_MODEL)
    await cancelled(task)
    assert room.texts() == [wording.STOPPED]


async def test_a_message_not_yet_known_to_be_for_us_is_cancelled_in_silence() -> None:
    room, waiting = Room(), asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await for_ever()

    task, answer = running(room, wait)
    await waiting.wait()
    await cancelled(task)
    assert room.texts() == []
    assert answer.over


async def test_an_answer_cancelled_in_its_last_post_is_shown_whole() -> None:
    room, posting, answered = Room(), asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        posting.set()
        await answered.wait()

    room.faults["post"].append(hang)
    task, _ = running(room, Accepted("t1"), Text("It is so."), Ended("stop"))
    await posting.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.02, answered.set)
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert room.texts() == ["It is so."]


async def test_a_cancelled_answer_ends_even_if_the_platform_takes_nothing() -> None:
    for trouble in (later(), MessageGone("deleted")):
        room = Room(limit=200)
        task, _ = running(room, Accepted("t1"), Text("It is"), for_ever)
        await room.shows("It is")
        room.faults["edit"].append(trouble)
        await cancelled(task)
        assert room.texts() == ["It is"]


async def test_an_answer_cancelled_while_its_first_message_is_on_the_way_is_posted_once() -> None:
    """The platform has taken it, and is about to say so."""
    room, taken, told = Room(limit=200), asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        taken.set()
        await told.wait()

    room.faults["posted"].append(hang)
    task, _ = running(room, Accepted("t1"), Text("It is"), for_ever)
    await taken.wait()
    task.cancel()
    asyncio.get_running_loop().call_later(0.02, told.set)
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    assert room.texts() == [f"It is\n\n{wording.STOPPED}"]
    assert [ref.message for _, ref in room.parts] == ["m1"]


async def test_a_cancelled_answer_waits_for_no_platform_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("adapters.reply.INTERRUPT_S", 0.05)
    room, taken = Room(limit=200), asyncio.Event()

    async def hang() -> None:
        taken.set()
        await for_ever()

    room.faults["posted"].append(hang)
    task, answer = running(room, Accepted("t1"), Text("It is"), for_ever)
    await taken.wait()
    await asyncio.wait_for(cancelled(task), 2)
    assert answer.over
