"""What should stand in the channel, as a function of the events so far."""

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import wording
from adapters.draft import Draft
from adapters.markdown import Dialect
from bot.events import Anew, Ended, Event, Note, Problem, Text, Waiting

DIALECT = Dialect(2000)


def shown(*events: Event) -> str:
    draft = Draft(DIALECT)
    for event in events:
        draft.add(event)
    return draft.shown()


def test_at_first_there_is_nothing_to_show() -> None:
    draft = Draft(DIALECT)
    assert draft.shown() == ""
    assert draft.is_bare
    assert not draft.changed.is_set()
    assert not draft.over.is_set()


def test_the_text_so_far_is_shown() -> None:
    assert shown(Text("It "), Text("is")) == "It is"
    assert shown(Text("\n It is \n")) == "It is"


def test_blank_text_is_nothing_yet() -> None:
    draft = Draft(DIALECT)
    draft.add(Text(" \n"))
    assert draft.shown() == ""
    assert draft.is_bare


@pytest.mark.parametrize("reason", ["model", "store"])
def test_a_note_of_waiting_stands_until_the_next_event(reason: str) -> None:
    waiting = Waiting(reason)  # type: ignore[arg-type]
    note = wording.waiting(waiting.reason)
    assert shown(waiting) == note
    assert shown(Text("It"), waiting) == f"It\n\n{note}"
    assert shown(Text("It"), waiting, Text(" is")) == "It is"
    assert shown(waiting, Ended("stop")) == wording.EMPTY_ANSWER


def test_a_note_alone_is_nothing_of_the_answer() -> None:
    draft = Draft(DIALECT)
    draft.add(Waiting("model"))
    assert draft.is_bare
    draft.add(Text("It"))
    assert not draft.is_bare


def test_what_is_begun_anew_replaces_what_was_said() -> None:
    assert shown(Text("Half"), Anew()) == ""
    assert shown(Text("Half"), Anew(), Text("It is so."), Ended("stop")) == "It is so."


def test_a_paused_answer_says_so_until_it_has_ended() -> None:
    draft = Draft(DIALECT)
    draft.add(Text("It is"))
    draft.pause()
    assert draft.shown() == f"It is\n\n{wording.PAUSED}"
    draft.add(Ended("stop"))
    assert draft.shown() == "It is"


def test_an_ended_answer_stands_alone() -> None:
    assert shown(Text("It is so."), Ended("stop")) == "It is so."


@pytest.mark.parametrize(
    ("ended", "note"),
    [
        (Ended("length"), wording.CUT_BY_LENGTH),
        (Ended("deadline"), wording.CUT_BY_TIME),
        (Ended("cancelled"), wording.STOPPED),
        *((Ended("error", kind), wording.problem(kind)) for kind in get_args(Problem)),
        (Ended("cancelled", "withdrawn"), wording.problem("withdrawn")),
    ],
)
def test_an_end_that_is_not_whole_is_told_under_what_there_is(ended: Ended, note: str) -> None:
    assert shown(Text("It is"), ended) == f"It is\n\n{note}"


@pytest.mark.parametrize("ended", [Ended("stop"), Ended("length"), Ended("deadline")])
def test_an_answer_without_a_word_says_so(ended: Ended) -> None:
    assert shown(Text(" \n"), ended) == wording.EMPTY_ANSWER


@pytest.mark.parametrize("kind", get_args(Problem))
def test_a_problem_is_told_where_there_is_no_word(kind: Problem) -> None:
    assert shown(Ended("error", kind)) == wording.problem(kind)


def test_a_note_stands_outside_of_an_open_code_block() -> None:
    assert (
        shown(Text("```python\nprint("), Ended("length"))
        == f"```python\nprint(\n```\n\n{wording.CUT_BY_LENGTH}"
    )


WITHDRAWN = Ended("cancelled", "withdrawn")


@pytest.mark.parametrize(
    ("events", "controls"),
    [
        ((), ("stop",)),
        ((Waiting("model"),), ("stop",)),
        ((Text("It"),), ("stop",)),
        ((Text("It"), Ended("stop")), ("up", "down", "again")),
        ((Ended("stop"),), ("again",)),
        ((Text("It"), Ended("length")), ("up", "down", "continue", "again")),
        ((Text("It"), Ended("deadline")), ("up", "down", "continue", "again")),
        ((Text("It"), Ended("cancelled")), ("up", "down", "continue", "again")),
        ((Ended("cancelled"),), ("again",)),
        ((Text("It"), Ended("error", "interrupted")), ("up", "down", "continue", "again")),
        ((Text("It"), Ended("error", "model_unavailable")), ("up", "down", "continue", "again")),
        ((Text("It"), Ended("error", "full")), ("up", "down", "again")),
        ((Ended("error", "too_long"),), ("again",)),
        ((Text("It"), WITHDRAWN), ()),
        ((WITHDRAWN,), ()),
    ],
)
def test_the_buttons_are_what_can_be_done_now(
    events: tuple[Event, ...], controls: tuple[str, ...]
) -> None:
    draft, without = Draft(DIALECT), Draft(DIALECT, votes=False)
    for event in events:
        draft.add(event)
        without.add(event)
    assert draft.controls() == controls
    assert without.controls() == tuple(each for each in controls if each not in {"up", "down"})


@given(texts=st.lists(st.text(max_size=9)), cut=st.integers(0, 9), waits=st.sets(st.integers(0, 9)))
def test_only_the_texts_since_the_last_beginning_count_at_the_end(
    texts: list[str], cut: int, waits: set[int]
) -> None:
    events: list[Event] = []
    for number, text in enumerate(texts):
        if number in waits:
            events.append(Waiting("model"))
        if number == cut:
            events.append(Anew())
        events.append(Text(text))
    whole = "".join(texts[cut:] if cut < len(texts) else texts).strip()
    assert shown(*events, Ended("stop")) == (whole or wording.EMPTY_ANSWER)


def test_notes_stand_once_under_an_answer_that_has_ended_and_not_before() -> None:
    events = (Text("It is"), Note("I can't read a.zip"), Note("I can't read a.zip"))
    assert shown(*events) == "It is"
    assert shown(*events, Ended("stop")) == "It is\n\n_(I can't read a.zip)_"
    whole = shown(*events, Note("older messages left out"), Ended("length"))
    assert whole == (
        f"It is\n\n{wording.CUT_BY_LENGTH}\n_(I can't read a.zip)_\n_(older messages left out)_"
    )


def test_notes_outlive_an_answer_that_begins_again_and_explain_one_that_is_empty() -> None:
    assert shown(Note("left out"), Text("a"), Anew(), Text("b"), Ended("stop")) == (
        "b\n\n_(left out)_"
    )
    assert shown(Note("left out"), Ended("stop")) == f"{wording.EMPTY_ANSWER}\n_(left out)_"
    assert "left out" not in shown(Note("left out"), Ended("cancelled", "withdrawn"))
