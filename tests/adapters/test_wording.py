"""What Candor says of itself."""

from typing import get_args

import pytest

from adapters import wording
from adapters.markdown import utf8_size
from bot.events import Problem

LINES = [
    wording.waiting("model"),
    wording.waiting("store"),
    wording.EMPTY_ANSWER,
    wording.CUT_BY_LENGTH,
    wording.CUT_BY_TIME,
    wording.PAUSED,
    wording.STOPPED,
    *(wording.problem(kind) for kind in get_args(Problem)),
]


def test_each_line_is_another() -> None:
    assert len(set(LINES)) == len(LINES)


@pytest.mark.parametrize("line", LINES)
def test_a_line_is_one_short_line_that_is_told_from_an_answer(line: str) -> None:
    assert line.startswith("_")
    assert line.endswith("_")
    assert "\n" not in line
    assert utf8_size(line) < 200


def test_who_was_interrupted_is_told_how_to_ask_again() -> None:
    assert "write the question once more" in wording.problem("interrupted")


@pytest.mark.parametrize("words", [*wording.FORMS.values(), wording.ASK_FORM])
def test_the_words_of_a_form_fit_both_platforms(words: wording.FormWords) -> None:
    assert 0 < len(words.title) <= 24
    assert 0 < len(words.label) <= 45
    assert 0 < len(words.placeholder) <= 100
    assert 0 < len(words.submit) <= 24
