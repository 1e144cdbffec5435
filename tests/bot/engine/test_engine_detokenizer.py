"""Text as it grows: whole code points, and nothing of a stop string."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from bot.engine.detokenizer import Detokenizer, StopMatcher

TEXTS = [
    "Plain words, and more.",
    "Zürich, naïve, 東京 and Ελλάδα",
    "👩‍👩‍👧 a family 🇫🇷, a flag; e\u0301 combined",
    "an honest \ufffd replacement character, even last \ufffd",
    "  spaces   at  both ends  ",
]


@pytest.fixture(scope="module")
def tokenizer(tiny: Path) -> Tokenizer:
    return Tokenizer.from_file(str(tiny / "tokenizer.json"))


def grown(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    detokenizer = Detokenizer(lambda some: tokenizer.decode(list(some)))
    return [*(detokenizer.push(token) for token in ids), detokenizer.flush()]


@pytest.mark.parametrize("text", TEXTS)
def test_the_deltas_are_whole_code_points_and_join_to_the_text(
    tokenizer: Tokenizer, text: str
) -> None:
    deltas = grown(tokenizer, tokenizer.encode(text).ids)
    assert "".join(deltas) == text
    if "\ufffd" not in text:
        assert not any("\ufffd" in delta for delta in deltas)


def test_text_comes_as_soon_as_it_is_certain(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("xé!").ids  # é is two bytes, and this tokenizer has no token for both
    assert grown(tokenizer, ids) == ["x", "", "é", "!", ""]


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_ids_join_to_what_decoding_them_at_once_gives(
    tokenizer: Tokenizer, data: st.DataObject
) -> None:
    size = tokenizer.get_vocab_size()
    ids = data.draw(st.lists(st.integers(0, size - 1), max_size=120))
    assert "".join(grown(tokenizer, ids)) == tokenizer.decode(ids)


def test_a_long_run_of_broken_bytes_does_not_wait_for_its_end(tokenizer: Tokenizer) -> None:
    half = tokenizer.encode("é").ids[:1]
    deltas = grown(tokenizer, half * 500)
    assert "".join(deltas) == tokenizer.decode(half * 500)
    assert max(map(len, deltas)) <= 32


def matched(stops: list[str], deltas: list[str]) -> tuple[list[str], bool]:
    matcher = StopMatcher(stops)
    out = []
    for delta in deltas:
        text, is_stopped = matcher.push(delta)
        out.append(text)
        if is_stopped:
            return out, True
    return [*out, matcher.flush()], False


def test_a_stop_string_over_the_borders_of_deltas_is_left_out() -> None:
    assert matched(["END"], ["one E", "N", "D two"]) == (["one ", "", ""], True)


def test_what_only_looked_like_a_stop_string_comes_out() -> None:
    assert matched(["END"], ["one E", "N", "d two"]) == (["one ", "", "ENd two", ""], False)
    assert matched(["END"], ["one EN"]) == (["one ", "EN"], False)


def test_the_first_of_several_stop_strings_counts() -> None:
    assert matched(["yy", "x"], ["a x yy"]) == (["a "], True)
    assert matched(["abc", "b"], ["zab"]) == (["za"], True)


def test_a_stop_string_that_overlaps_itself_is_found() -> None:
    assert matched(["aab"], ["a", "a", "a", "b", "!"]) == (["", "", "a", ""], True)


@settings(max_examples=300)
@given(
    text=st.text("abc", max_size=40),
    stops=st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=3),
    cuts=st.lists(st.integers(0, 40), max_size=10),
)
def test_however_the_text_is_cut_nothing_of_a_stop_string_leaks(
    text: str, stops: list[str], cuts: list[int]
) -> None:
    borders = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    deltas = [text[a:b] for a, b in pairwise(borders)]
    out, is_stopped = matched(stops, deltas)
    given_out = "".join(out)
    assert not any(stop in given_out for stop in stops)
    assert is_stopped == any(stop in text for stop in stops)
    assert text.startswith(given_out)
    if not is_stopped:
        assert given_out == text
