"""Parts are a text when they are all of it and nothing else, however a platform's limit cut it."""

import pytest

from adapters.markdown import Dialect, utf8_size, utf16_size
from bot.soak.answers import answer_to, ending, pieces
from bot.soak.texts import holds_in_order, is_whole, without_note
from tests.adapters.markdown_texts import parts_of

TEXTS = [answer_to(f"Question {number} of carol: why?") for number in range(120)]


def cut(text: str) -> list[list[str]]:
    """The text as both platforms cut it, and smaller; what they store is without white space."""
    cuts = (
        parts_of(text, Dialect(2000, utf16_size)),
        parts_of(text, Dialect(8000, utf8_size)),
        parts_of(text, Dialect(300)),
    )
    return [[part.strip() for part in parts] for parts in cuts]


@pytest.mark.parametrize("text", TEXTS)
def test_the_parts_of_a_text_are_whole_and_no_other_parts_are(text: str) -> None:
    for parts in cut(text):
        assert is_whole(text, parts)
        assert not is_whole(text, [])
        assert not is_whole(text, [*parts, parts[-1]])
        assert not is_whole(text, [*parts[:-1], parts[-1][:-1]])
        assert not is_whole(text, [*parts[:-1], parts[-1] + "."])
        if len(parts) > 1:
            assert not is_whole(text, parts[1:])
            assert not is_whole(text, parts[:-1])
            assert not is_whole(text, [parts[1], parts[0], *parts[2:]])
            assert holds_in_order(text, parts[1:])
            assert holds_in_order(text, [parts[0], *parts[2:]])
            assert not holds_in_order(text, [*parts, parts[0]])


def test_the_texts_are_short_and_long_and_hold_what_is_hard_to_cut() -> None:
    assert {len(parts_of(text, Dialect(2000))) for text in TEXTS} >= {1, 2, 3, 6}
    assert {len(parts_of(text, Dialect(8000, utf8_size))) for text in TEXTS} == {1, 2}
    together = "".join(TEXTS)
    assert all(mark in together for mark in ("```python\n", "\n- ", "東京", "🚲"))


def test_an_answer_is_a_function_of_its_question_and_ends_as_no_other_does() -> None:
    assert answer_to(" Why  so? \n") == answer_to("Why so?")
    assert answer_to("Why so?") != answer_to("Why not?")
    assert all(
        text.endswith(ending(f"Question {n} of carol: why?")) for n, text in enumerate(TEXTS)
    )
    assert len({text[-40:] for text in TEXTS}) == len(TEXTS)


def test_pieces_are_the_text() -> None:
    assert list(pieces("abcde", 2)) == ["ab", "cd", "e"]


def test_a_note_is_told_from_the_text_above_it() -> None:
    assert without_note("One.\n\n_(stopped)_") == ("One.", "_(stopped)_")
    assert without_note("_Too many questions._") == ("", "_Too many questions._")
    assert without_note("One _word_") == ("One _word_", "")
    assert all(without_note(text) == (text, "") for text in TEXTS)
