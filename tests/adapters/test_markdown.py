"""Markdown cut into messages: every part fits, stands by itself, and nothing is lost."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from adapters.markdown import Measure, split, utf8_size, utf16_size

MEASURES: list[Measure] = [len, utf8_size, utf16_size]

OUTSIDE = "outside-of-all-code"

words = st.sampled_from(
    [
        *("a", "word", "x" * 30, "y" * 150, "  spaced  ", "**bold**", "\t", "\u00a0", "\u2028"),
        *("naïve", "e\u0301\u0301", "日本語の文章", "👩\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "🇫🇷"),
        *("`code`", "``", "``` inline"),
    ]
)
fences = st.builds(
    lambda indent, mark, number, info: " " * indent + mark * number + info,
    st.integers(0, 3),
    st.sampled_from("`~"),
    st.integers(3, 6),
    st.sampled_from(["", "python", " js", "c++ title=x", "x" * 40, " "]),
)
lines = st.one_of(
    st.just(""), st.lists(words, max_size=12).map(" ".join), fences, fences.map(str.rstrip)
)
documents = st.lists(lines, max_size=30).map("\n".join)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
backticks = st.text("`~ \na", max_size=300)
texts = st.one_of(documents, documents, anything, backticks)
limits = st.one_of(st.integers(64, 120), st.integers(64, 2000))
measures = st.sampled_from(MEASURES)


def is_balanced(part: str) -> bool:
    """Whether what comes after a part is outside of all its code, by a parser that is not ours."""
    tokens = MarkdownIt("commonmark").parse(f"{part}\n\n{OUTSIDE}\n")
    return any(token.type == "inline" and OUTSIDE in token.content for token in tokens)


def is_fence(line: str) -> bool:
    return line.startswith(("```", "~~~"))


def is_closing(line: str) -> bool:
    return len(line) >= 3 and set(line) in ({"`"}, {"~"})


def is_rejoined_from(parts: list[str], text: str) -> bool:
    """Whether the parts are the text but for newlines, and for the fences that were put in.

    A part may end in a fence that the text does not have, and the next one then begins with one;
    or it ends in one in place of the text's. All readings of the parts are followed, as (how far
    in the text, whether the next part begins with a fence that the text does not have).
    """
    left = text.replace("\n", "")
    readings = {(0, False)}
    for part in parts:
        found = set()
        for at, reopened in readings:
            lines = part.split("\n")
            if reopened and not is_fence(lines[0]):
                continue
            body = lines[1:] if reopened else lines
            whole = "".join(body)
            if left.startswith(whole, at):
                found.add((at + len(whole), False))
            if body and is_closing(body[-1]) and left.startswith("".join(body[:-1]), at):
                end = at + len("".join(body[:-1]))
                run = len(left[end:]) - len(left[end:].lstrip("`~ \t"))
                found |= {(end, True), *((end + length, False) for length in range(run + 1))}
        readings = found
    return any(not left[at:].strip() for at, _ in readings or {(0, False)})


# What every cut promises, for any text, limit and measure


@settings(deadline=None, max_examples=400)
@given(text=texts, limit=limits, measure=measures)
@example(text="`" * 50 + "\ncode\n" * 20, limit=64, measure=len)
@example(text="```" + "x" * 500 + "\ncode\n```", limit=64, measure=len)
@example(text="~" * 500, limit=64, measure=len)
@example(text="```\n" * 500, limit=64, measure=len)
@example(text="👩‍👩‍👧" * 100, limit=64, measure=utf8_size)
@example(text="```\n" + "日本語" * 100, limit=64, measure=utf8_size)
@example(text="```" + "日本語" * 8 + "\n" + "code\n" * 50, limit=64, measure=utf8_size)
def test_every_part_is_within_the_limit(text: str, limit: int, measure: Measure) -> None:
    for part in split(text, limit, measure):
        assert measure(part) <= limit


@settings(deadline=None, max_examples=400)
@given(text=texts, limit=limits, measure=measures)
@example(text=" " * 200 + "word", limit=64, measure=len)
@example(text="word" + "\n \n" * 200 + "word", limit=64, measure=len)
def test_no_part_is_blank(text: str, limit: int, measure: Measure) -> None:
    """Discord refuses a message without a visible sign (error 50006)."""
    for part in split(text, limit, measure):
        assert part.strip()


@settings(deadline=None, max_examples=200)
@given(text=texts, limit=limits, measure=measures)
@example(text="```python\n" + "code\n\n" * 100 + "```\nafter", limit=64, measure=len)
@example(text=("word " * 30 + "\n```\ncode\n```\n") * 5, limit=64, measure=len)
def test_nothing_is_lost_but_newlines_at_cuts_and_blanks_at_the_end(
    text: str, limit: int, measure: Measure
) -> None:
    assert is_rejoined_from(split(text, limit, measure), text)


@settings(deadline=None, max_examples=400)
@given(text=documents, limit=limits, measure=measures)
@example(text="```python\n" + "code\n" * 100 + "```\nafter", limit=64, measure=len)
@example(text="~~~~\n```\n" + "code\n" * 50 + "~~~~", limit=64, measure=len)
@example(text="   ```\n" + "code\n" * 50, limit=64, measure=len)
def test_every_code_block_is_closed_in_its_part(text: str, limit: int, measure: Measure) -> None:
    for part in split(text, limit, measure):
        assert is_balanced(part), part


@settings(deadline=None, max_examples=400)
@given(text=texts, limit=st.integers(64, 120), measure=measures, stops=st.lists(st.integers(0)))
@example(text="```\n" + "x" * 56 + "\n```", limit=64, measure=len, stops=[61, 62, 63])
@example(text="```js\n" + "x" * 54 + "\n  ```", limit=64, measure=len, stops=[62, 63, 64, 65])
@example(text="x" * 61 + "```a`", limit=66, measure=len, stops=[64, 65])
@example(text="x" * 58 + "\n```a`", limit=64, measure=len, stops=[62, 63])
def test_a_part_that_another_one_follows_stays_what_it_is_while_the_text_grows(
    text: str, limit: int, measure: Measure, stops: list[int]
) -> None:
    """It is posted already: another cut would show a piece twice, or leave one behind."""
    whole = split(text, limit, measure)
    for stop in stops:
        early = split(text[: stop % (len(text) + 1)], limit, measure)
        assert early[:-1] == whole[: max(len(early) - 1, 0)]
        assert len(early) <= len(whole)


# Where it cuts


def test_an_empty_text_has_no_part() -> None:
    assert split("", 64) == []
    assert split(" \n\n ", 64) == []


def test_a_text_that_fits_is_one_part() -> None:
    assert split("a\n\nb", 64) == ["a\n\nb"]
    assert split("x" * 64, 64) == ["x" * 64]


def test_a_cut_falls_between_paragraphs_where_it_can() -> None:
    first, second = "word " * 9 + "word", "line\nof it " * 3
    assert split(f"{first}\n\n{second}", 64) == [first, second]


def test_a_cut_falls_between_lines_where_there_is_no_paragraph() -> None:
    first, second = "word " * 9 + "word", "another " * 5
    assert split(f"{first}\n{second}", 64) == [first, second]


def test_a_cut_falls_between_words_where_there_is_no_line() -> None:
    parts = split("word " * 20, 64)
    assert all(part.split() == ["word"] * len(part.split()) for part in parts)


def test_a_cut_leaves_no_part_needlessly_short() -> None:
    """A paragraph that ends in the first half of a part is no place to cut."""
    parts = split("short\n\n" + "word " * 30, 64)
    assert len(parts[0]) > 32


def test_a_text_without_any_place_to_cut_is_cut_between_characters() -> None:
    assert split("x" * 130, 64) == ["x" * 64, "x" * 64, "x" * 2]


@pytest.mark.parametrize(
    "sign",
    [
        "👩‍👩‍👧",
        "👍🏽",
        "❤\ufe0f",
        "e\u0301",
        "a\u0323\u0302",
        "🏳\ufe0f‍🌈",
        "🇫🇷",
        "1\ufe0f\u20e3",
        "कि",
    ],
)
@pytest.mark.parametrize("before", range(12))
def test_a_cut_never_falls_inside_of_a_sign(sign: str, before: int) -> None:
    for part in split("x" * before + sign * 60, 64):
        assert part.removeprefix("x" * before).replace(sign, "") == ""


def test_a_long_chain_that_is_one_sign_is_cut_in_the_end() -> None:
    assert "".join(split("a" + "\u0301" * 500, 64)) == "a" + "\u0301" * 500


def test_bytes_are_counted_where_the_platform_counts_bytes() -> None:
    assert split("日" * 40, 64) == ["日" * 40]
    assert split("日" * 40, 64, utf8_size) == ["日" * 21, "日" * 19]
    assert split("🦊" * 40, 64, utf16_size) == ["🦊" * 32, "🦊" * 8]


@pytest.mark.parametrize(
    ("text", "bytes_", "units"), [("a", 1, 1), ("é", 2, 1), ("日", 3, 1), ("🦊", 4, 2), ("", 0, 0)]
)
def test_a_text_has_its_size(text: str, bytes_: int, units: int) -> None:
    assert (utf8_size(text), utf16_size(text)) == (bytes_, units)


@pytest.mark.parametrize("limit", [-1, 0, 1, 63])
def test_a_limit_without_room_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="no room"):
        split("text", limit)


# Code


def test_a_code_block_that_is_cut_is_closed_and_opened_again_in_its_language() -> None:
    code = "\n".join(f"line_{number} = {number}" for number in range(10))
    first, *rest = split(f"```python\n{code}\n```", 64)
    assert first.startswith("```python\nline_0")
    assert first.endswith("\n```")
    for part in rest:
        assert part.startswith("```python\n")
        assert part.endswith("\n```")
    held = [line for part in [first, *rest] for line in part.split("\n") if line[:3] != "```"]
    assert "\n".join(held) == code


def test_code_that_ends_at_a_cut_leaves_no_empty_block_behind() -> None:
    code = "```\n" + "x" * 56
    for after in ("", "\nafter"):
        for end in range(1, 4):
            parts = split(f"{code}\n{'`' * end}{after if end == 3 else ''}", 64)
            assert parts[0] == f"{code}\n```"
            assert parts[1:] in ([], ["after"])


def test_after_a_code_block_text_is_text_again() -> None:
    parts = split("```\n" + "code\n" * 20 + "```\n" + "word " * 20, 64)
    assert "```" not in parts[-1]


def test_a_code_block_that_is_not_closed_yet_is_closed_in_the_message() -> None:
    """So what is shown while an answer grows is what it will be."""
    assert split("```python\ncode", 64) == ["```python\ncode\n```"]


def test_a_fence_inside_of_a_longer_one_is_code() -> None:
    *code, last = split("````\n```\n" + "code\n" * 20 + "```\n````\nafter", 64)
    assert last == "after"
    assert len(code) > 1
    for part in code:
        assert part.startswith("````\n")
        assert part.endswith("\n````")


def test_tildes_are_closed_by_tildes() -> None:
    for part in split("~~~\n```\n" + "code\n" * 30 + "~~~", 64):
        assert part.endswith("~~~")


def test_blank_lines_and_indents_in_code_are_kept_at_a_cut() -> None:
    code = "def one():\n    return 1\n\n\ndef two():\n    return 2\n\n\ndef three():\n    return 3"
    parts = split(f"```\n{code}\n```", 64)
    held = [part.removeprefix("```\n").removesuffix("\n```") for part in parts]
    assert len(parts) > 1
    for at, piece in enumerate(held[1:], 1):
        assert piece.strip() in code
        assert not piece.startswith(" "), (at, held)


def test_inline_code_opens_no_block() -> None:
    for part in split("```not a block``` " * 20, 64):
        assert not part.endswith("\n```")


# Time


@pytest.mark.parametrize(
    "text",
    [
        "\n" * 100_000,
        " " * 100_000 + "x",
        "```\n" * 20_000,
        "`" * 100_000,
        "```" + "x" * 100_000,
        "x" * 100_000,
        "x\n" * 50_000,
        "a" + "\u0301" * 50_000,
        "👩‍" * 30_000,
        "```\n" + "x\n" * 50_000,
    ],
    ids=lambda text: repr(text[:6]),
)
@pytest.mark.parametrize(("limit", "measure"), [(2000, utf16_size), (9000, utf8_size)])
def test_even_a_strange_text_is_cut_in_short_time(text: str, limit: int, measure: Measure) -> None:
    """It runs on the event loop, each time that a growing answer is shown."""
    began = time.perf_counter()
    split(text, limit, measure)
    assert time.perf_counter() - began < 1.0
