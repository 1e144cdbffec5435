"""From tokens to deltas: what is held back, and what ends an answer."""

from collections.abc import Sequence
from typing import Any

import pytest

from bot.engine.request import Delta, Request, Row, Score
from bot.engine.sampler import Draw
from bot.engine.text import Text
from tests.bot.engine.support import greedy

EOS = 0


def decode(ids: Sequence[int]) -> str:
    return "".join(chr(token) for token in ids)


def text_of(max_tokens: int = 9, **changes: Any) -> Text:
    row = Row(Request("r", (1, 2, 3), greedy(max_tokens, **changes)), num_cached=2)
    return Text(row, decode=decode, eos_ids=frozenset({EOS}))


def drawn(sign: str) -> Draw:
    return Draw(ord(sign), Score(ord(sign), -1.0, 1))


def test_each_token_s_text_comes_with_its_score_and_the_counts() -> None:
    text = text_of()
    assert text.draw(drawn("a")) is None
    score = Score(ord("a"), -1.0, 1)
    assert text.grown() == Delta("a", 3, 1, num_cached=2, scores=(score,))
    assert text.grown() is None
    assert text.last("cancelled") == Delta("", 3, 1, "cancelled", num_cached=2)


def test_what_may_begin_a_stop_string_waits_with_its_scores() -> None:
    text = text_of(stop=("bcd",))
    grown = []
    for sign in "abce":
        assert text.draw(drawn(sign)) is None
        grown.append(text.grown())
    assert [delta and (delta.text, len(delta.scores)) for delta in grown] == [
        ("a", 1),
        None,
        None,
        ("bce", 3),
    ]


def test_a_stop_string_ends_the_answer_before_it() -> None:
    text = text_of(stop=("cd",))
    assert [text.draw(drawn(sign)) for sign in "abcd"] == [None, None, None, "stop"]
    last = text.last("stop")
    assert (last.text, last.finish, last.num_output, len(last.scores)) == ("ab", "stop", 4, 4)


@pytest.mark.parametrize("reason", ["length", "deadline", "cancelled", "error", "shutdown"])
def test_what_was_held_back_comes_with_any_other_end(reason: Any) -> None:
    text = text_of(stop=("cd",))
    for sign in "abc":
        text.draw(drawn(sign))
    assert text.last(reason, "why") == Delta(
        "abc", 3, 3, reason, "why", num_cached=2,
        scores=tuple(Score(ord(sign), -1.0, 1) for sign in "abc"),
    )  # fmt: skip


def test_the_model_s_own_end_shows_nothing_and_may_be_ignored() -> None:
    text = text_of()
    text.draw(drawn("a"))
    assert text.draw(Draw(EOS, Score(EOS, -1.0, 1))) == "stop"
    last = text.last("stop")
    assert (last.text, last.num_output, len(last.scores)) == ("a", 2, 1)
    assert text_of(ignore_eos=True).draw(Draw(EOS, None)) is None


def test_no_stop_string_counts_before_the_least_tokens() -> None:
    text = text_of(stop=("b",), min_tokens=3)
    assert [text.draw(drawn(sign)) for sign in "abcab"] == [None, None, None, None, "stop"]
    assert text.last("stop").text == "abca"


def test_the_most_tokens_end_an_answer() -> None:
    text = text_of(max_tokens=2)
    assert [text.draw(drawn(sign)) for sign in "ab"] == [None, "length"]
    assert text.last("length").text == "ab"
