"""Markdown as messages: every part fits and stands by itself, nothing is lost, and what stands
there stays while the text grows."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.markdown import Dialect, Measure, closed, render, utf8_size, utf16_size
from tests.adapters.markdown_texts import (
    anything,
    documents,
    is_balanced,
    marks,
    parts_of,
    read,
    sentences,
    tight,
)

MEASURES: list[Measure] = [len, utf8_size, utf16_size]

texts = st.one_of(documents, documents, tight, anything, marks)
limits = st.one_of(st.integers(64, 140), st.integers(64, 2000))
dialects = st.builds(
    lambda limit, measure, shows: Dialect(limit, measure, shows_tables=shows),
    limits,
    st.sampled_from(MEASURES),
    st.booleans(),
)
structured = st.one_of(documents, tight)


def unmarked(part: str) -> str:
    return part.translate(dict.fromkeys(map(ord, "*_~`")))


# What holds for every text


@given(text=texts, dialect=dialects)
@settings(max_examples=200, deadline=None)
def test_no_part_is_over_the_limit_or_blank(text: str, dialect: Dialect) -> None:
    for part in parts_of(text, dialect):
        assert dialect.measure(part) <= dialect.limit
        assert part.strip()


@given(text=texts, dialect=dialects)
@settings(max_examples=200, deadline=None)
def test_no_part_ends_inside_of_code(text: str, dialect: Dialect) -> None:
    for part in parts_of(text, dialect):
        assert is_balanced(part), part


@given(text=texts, dialect=dialects)
@settings(max_examples=200, deadline=None)
def test_no_letter_is_lost_and_none_is_added(text: str, dialect: Dialect) -> None:
    assert read("".join(parts_of(text, dialect))) == read(text)


@given(text=texts, dialect=dialects, stops=st.lists(st.integers(0, 4000), max_size=6))
@settings(max_examples=200, deadline=None)
def test_while_a_text_grows_every_property_holds(
    text: str, dialect: Dialect, stops: list[int]
) -> None:
    for stop in stops:
        early = text[: stop % (len(text) + 1)]
        for part in parts_of(early, dialect):
            assert dialect.measure(part) <= dialect.limit
            assert is_balanced(part), part
        assert read("".join(parts_of(early, dialect))) == read(early)


@given(words=st.lists(sentences, max_size=12).map("\n\n".join), dialect=dialects)
@settings(max_examples=60, deadline=None)
def test_the_parts_of_a_growing_text_but_the_last_stay_what_they_are(
    words: str, dialect: Dialect
) -> None:
    """But for the marks of emphasis and code that are longer than a part."""
    whole = parts_of(words, dialect)
    for stop in range(0, len(words), 7):
        early = parts_of(words[:stop], dialect)
        shown = [unmarked(part) for part in early[:-1]]
        assert shown == [unmarked(part) for part in whole[: len(shown)]]


@given(text=texts, dialect=dialects, stops=st.lists(st.integers(0, 4000), min_size=6, max_size=12))
@settings(max_examples=150, deadline=None)
def test_whatever_grows_the_parts_but_the_last_stay_what_they_are(
    text: str, dialect: Dialect, stops: list[int]
) -> None:
    whole = parts_of(text, dialect)
    for stop in stops:
        early = parts_of(text[: stop % (len(text) + 1)], dialect)
        shown = [unmarked(part) for part in early[:-1]]
        assert shown == [unmarked(part) for part in whole[: len(shown)]]
        assert len(early) <= len(whole)


# Lengths around each limit

SIGNS = ["x", "日", "🦊", "e\u0301", "👩\u200d👩\u200d👧"]
PLATFORMS = [Dialect(2000, utf16_size, shows_tables=False), Dialect(8000, utf8_size)]


@pytest.mark.parametrize("dialect", PLATFORMS, ids=["discord", "slack"])
@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("form", ["{}", "```py\n{}\n```", "> {}", "- {}", "| a |\n|---|\n| {} |"])
def test_every_length_around_the_limits_is_whole(form: str, sign: str, dialect: Dialect) -> None:
    least = dialect.limit // dialect.measure(sign)
    frame = dialect.measure(form.format(""))
    for times in (1, 2):
        for near in range(least * times - frame - 3, least * times + 4):
            text = form.format(sign * near)
            parts = parts_of(text, dialect)
            assert read("".join(parts)).count(sign) == read(text).count(sign)
            assert all(dialect.measure(part) <= dialect.limit for part in parts)
            assert all(is_balanced(part) for part in parts)


# What is opened again


def test_a_fence_is_closed_and_opened_again_with_its_language() -> None:
    code = "\n".join(f"print({number})" for number in range(40))
    parts = parts_of(f"Look:\n\n```python\n{code}\n```\n\nDone.", Dialect(128))
    assert len(parts) > 3
    for part in parts[1:-1]:
        assert part.startswith("```python\n")
        assert part.endswith("\n```")
    assert parts[-1].endswith("Done.")
    lines = [line for part in parts for line in part.split("\n") if line.startswith("print")]
    assert "\n".join(lines) == code


def test_a_list_goes_on_with_its_numbers() -> None:
    items = [f"{number}. item {'x' * 20}" for number in range(5, 15)]
    parts = parts_of("\n".join(items), Dialect(100))
    assert len(parts) > 2
    assert "\n".join(parts) == "\n".join(items)


def test_the_rest_of_a_long_item_is_indented_and_the_next_item_has_its_number() -> None:
    words = " ".join(f"word{number}" for number in range(30))
    first, *rest = parts_of(f"7. {words}\n8. next", Dialect(100))
    assert first.startswith("7. word0")
    assert all(part.startswith("  word") for part in rest)
    assert rest[-1].split("\n")[-1] == "8. next"


def test_a_quote_is_opened_again() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    parts = parts_of(f"> {words}", Dialect(100))
    assert len(parts) > 3
    assert all(part.startswith("> word") for part in parts)


def test_a_fence_inside_of_a_quote_and_a_list_is_opened_again_inside_of_them() -> None:
    body = "\n".join(f">   line{number}" for number in range(30))
    parts = parts_of(f"> - ```py\n{body}\n>   ```", Dialect(100))
    assert len(parts) > 2
    for part in parts:
        lines = part.split("\n")
        assert all(line.startswith(">") for line in lines)
        assert lines[-1].strip("> ") == "```"
    assert all("```py" in part.split("\n")[0] for part in parts)


def test_a_table_has_its_head_in_every_part_where_tables_are_shown() -> None:
    rows = [f"| row{number} | {number} |" for number in range(30)]
    text = "\n".join(["| Name | N |", "|---|--:|", *rows])
    parts = parts_of(text, Dialect(160))
    assert len(parts) > 2
    for part in parts:
        assert part.split("\n")[:2] == ["| Name | N |", "|---|--:|"]
    shown = [line for part in parts for line in part.split("\n")[2:]]
    assert shown == rows


def test_a_table_is_aligned_code_where_none_are_shown() -> None:
    text = "| Fruit | Price |\n|:--|--:|\n| apple | 3 |\n| 日本 | 12 |"
    [part] = parts_of(text, Dialect(2000, utf16_size, shows_tables=False))
    assert part.split("\n") == [
        "```",
        "Fruit | Price",
        "------+------",
        "apple |     3",
        "日本  |    12",
        "```",
    ]


def test_a_table_of_code_has_its_head_in_every_part() -> None:
    rows = [f"| row{number} | {number} |" for number in range(60)]
    text = "\n".join(["| Name | N |", "|---|--:|", *rows])
    parts = parts_of(text, Dialect(300, shows_tables=False))
    assert len(parts) > 2
    for part in parts:
        lines = part.split("\n")
        assert (lines[0], lines[-1]) == ("```", "```")
        assert lines[1].startswith("Name")


def test_what_looks_like_the_beginning_of_a_table_is_text_until_it_is_one() -> None:
    dialect = Dialect(2000, shows_tables=False)
    assert parts_of("a | b\n--", dialect) == ["a | b\n--"]


def test_emphasis_longer_than_a_part_is_closed_and_opened_again() -> None:
    words = " ".join(f"word{number}" for number in range(60))
    parts = parts_of(f"**{words}**", Dialect(100))
    assert len(parts) > 3
    assert all(part.startswith("**") and part.endswith("**") for part in parts)


def test_a_span_that_fits_in_a_part_is_not_broken() -> None:
    lead = "a " * 38
    first, second = parts_of(f"{lead}[a link to it](http://example.org/a_b) and on", Dialect(100))
    assert first == lead.strip()
    assert second.startswith("[a link to it](http://example.org/a_b)")


def test_a_heading_stays_with_what_follows() -> None:
    first, second = parts_of("x " * 40 + "\n\n# Head\n\nText under it.", Dialect(100))
    assert first == ("x " * 40).strip()
    assert second == "# Head\n\nText under it."


def test_cuts_fall_between_paragraphs_before_sentences_before_words() -> None:
    first, _ = parts_of("One. Two three.\n\n" + "word " * 20, Dialect(80))
    assert first == "One. Two three." or len(first) > 40
    first, _ = parts_of("A sentence that goes on for a while. " * 3, Dialect(100))
    assert first.endswith(".")


# Code as files


def test_code_longer_than_a_part_is_a_file_too_named_by_its_language() -> None:
    code = "\n".join(f"line {number}" for number in range(100))
    text = f"```python\n{code}\n```\n\n```rust\nshort\n```\n\n~~~nonsense\n{code}\n~~~"
    files = render(text, Dialect(500)).files
    assert [one.name for one in files] == ["code-1.py", "code-2.txt"]
    assert files[0].text == code + "\n"


def test_code_that_fits_is_no_file() -> None:
    assert render("```python\nprint()\n```", Dialect(500)).files == ()


# The end of a text that is cut short


def test_a_note_stands_outside_of_code_that_is_not_closed() -> None:
    dialect = Dialect(500)
    assert closed("```py\nprint()", dialect) == "```py\nprint()\n```"
    assert closed("> ```py\n> print()", dialect) == "> ```py\n> print()\n> ```"
    assert closed("```py\nprint()\n```", dialect) == "```py\nprint()\n```"
    assert closed("plain", dialect) == "plain"


@given(text=texts, dialect=dialects)
@settings(deadline=None)
def test_a_note_below_a_closed_text_is_outside_of_its_code(text: str, dialect: Dialect) -> None:
    *_, last = parts_of(f"{closed(text, dialect)}\n\n_a note_", dialect)
    assert last.endswith("_a note_")
    assert is_balanced(last)
    if "\n" in last:
        assert is_balanced(last.removesuffix("_a note_")), last


# Borders


@pytest.mark.parametrize("limit", [0, 63])
def test_a_limit_without_room_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="no room"):
        Dialect(limit)


@pytest.mark.parametrize("text", ["", " \n\n\t "])
def test_a_blank_text_has_no_part(text: str) -> None:
    assert parts_of(text, Dialect(64)) == []


@pytest.mark.parametrize("sign", ["👩\u200d👩\u200d👧", "🇫🇷", "e\u0301", "👍🏽"])
def test_no_sign_is_broken(sign: str) -> None:
    for lead in range(8):
        parts = parts_of("x" * lead + sign * 60, Dialect(64))
        assert all(len(part.removeprefix("x" * lead)) % len(sign) == 0 for part in parts)


@example(text="x" * 100_000)
@example(text="`" * 20_000)
@example(text="**a " * 5_000)
@example(text="> " * 3_000 + "a")
@example(text="- " * 3_000 + "a")
@example(text="[" * 5_000)
@example(text="| a " * 3_000 + "|\n" + "|---" * 3_000 + "|\n")
@given(text=st.just(""))
@settings(max_examples=1, deadline=None)
def test_hostile_texts_take_no_long_time(text: str) -> None:
    for dialect in PLATFORMS:
        began = time.perf_counter()
        parts_of(text, dialect)
        assert time.perf_counter() - began < 5


def test_an_item_whose_number_gets_longer_keeps_its_lines() -> None:
    """All items written as 1, the tenth of them with code, in a part of its own."""
    items = ["1. " + "x" * 40] * 9 + ["1. ```\n   code\n   ```"]
    last = parts_of("\n".join(items), Dialect(64))[-1]
    assert last.endswith("10. ```\n    code\n    ```")


def test_a_table_in_the_item_after_a_broken_one_is_code_in_its_own_item() -> None:
    """Only a list that begins with 1 may follow a paragraph, so the item stands apart."""
    text = "1. " + "y" * 300 + "\n2. | a | b |\n   |:--|--:|\n\nend"
    *_, last = parts_of(text, Dialect(200, shows_tables=False))
    assert "\n\n2. ```\n" in last
    assert is_balanced(last)


def test_a_span_of_an_earlier_line_moves_whole() -> None:
    text = "x" * 61 + "`\nw`"
    assert parts_of(text, Dialect(64)) == ["x" * 61, "`\nw`"]


def test_the_first_line_of_a_fence_is_not_broken() -> None:
    text = "words words words words words words\n\n# Title\n\n```typescript\nx\n```"
    *_, last = parts_of(text, Dialect(64))
    assert last.endswith("```typescript\nx\n```")
