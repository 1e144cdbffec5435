"""Plain words that are wishes, and those that are questions."""

import pytest

from bot.words import Word, word_of


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("stop", "stop"),
        ("STOP", "stop"),
        (" Stop. \n", "stop"),
        ("stop!!", "stop"),
        ("Stop, please", "stop"),
        ("halt", "stop"),
        ("cancel", "stop"),
        ("**stop**", "stop"),
        ("try again", "again"),
        ("Try  again.", "again"),
        ("again", "again"),
        ("retry", "again"),
        ("continue", "continue"),
        ("Go on…", "continue"),
    ],
)
def test_a_wish_is_the_whole_message(text: str, word: Word) -> None:
    assert word_of(text) == word


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "stop?",
        "again?",
        "don't stop",
        "stop the music",
        "how do I stop a process",
        "try again with fewer words",
        "go on and tell me more",
        "stops",
        "con tinue",
        "stop" * 20,
    ],
)
def test_anything_else_is_a_question(text: str) -> None:
    assert word_of(text) is None
