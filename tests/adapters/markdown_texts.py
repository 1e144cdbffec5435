"""Texts that are hard to cut, for hypothesis; and what of them a person reads.

The words of a text are letters only. What a cut repeats, and what Markdown does with digits and
marks, is told from them: languages and heads of tables are written in their own words.
"""

import re
import unicodedata

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from adapters.markdown import Dialect, render

LANGUAGE = "QLANG"
HEAD = "QHEAD"
OUTSIDE = "outside-of-all-code"

_REPEATED = re.compile(rf"{LANGUAGE}|{HEAD}")

words = st.sampled_from(
    [
        *("a", "word", "sentence.", "x" * 30, "y" * 300, "**bold**", "*it*", "~~gone~~", "snake_w"),
        *(
            "naïve",
            "e\u0301\u0301",
            "日本語の文章。",
            "👩\u200d👩\u200d👧",
            "👍🏽",
            "❤\ufe0f",
            "🇫🇷",
        ),
        *("שלום", "مرحبا", "`code`", "`two words`", "`` a`b ``", "[a link](http://e.org/x_y)"),
        *("<http://e.org/long>", "http://e.org/" + "z" * 60, "**", "*", "_", "`", "[", "a|b"),
    ]
)
sentences = st.lists(words, min_size=1, max_size=25).map(" ".join)
long_bold = st.lists(words, min_size=1, max_size=60).map(lambda some: f"**{' '.join(some)}**")
paragraphs = st.one_of(
    sentences, sentences, long_bold, st.lists(sentences, max_size=4).map("\n".join)
)
code_lines = st.lists(
    st.sampled_from(["", "def f():", "    return x", "\tif y:", "z" * 90, "print('日本')", "``"]),
    max_size=30,
)


def _fence(marks: str, info: str, lines: list[str], *, closed: bool) -> str:
    return "\n".join([marks + info, *lines, *([marks] if closed else [])])


fences = st.builds(
    _fence,
    st.sampled_from(["```", "~~~", "````"]),
    st.sampled_from(["", LANGUAGE, f" {LANGUAGE}"]),
    code_lines,
    closed=st.booleans(),
)
cells = st.sampled_from(
    ["a", "日本", "👍🏽", "wide cell here", "`c`", "**b**", "", "w" * 50, "r\\|s"]
)
tables = st.lists(st.tuples(cells, cells), max_size=20).map(
    lambda rows: "\n".join(
        [f"| {HEAD} | {HEAD} |", "|:--|--:|", *(f"| {a} | {b} |" for a, b in rows)]
    )
)
headings = st.builds(lambda level, word: f"{'#' * level} {word}", st.integers(1, 4), words)


def _items(start: int | None, blocks: list[str], *, loose: bool) -> str:
    lines = []
    for number, block in enumerate(blocks):
        marker = "- " if start is None else f"{start + number}. "
        first, *rest = block.split("\n")
        lines.append(marker + first)
        lines += [" " * len(marker) + line if line else "" for line in rest]
        if loose:
            lines.append("")
    return "\n".join(lines)


def _nested(blocks: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quotes = blocks.map(lambda text: "\n".join(f"> {line}" for line in text.split("\n")))
    lists = st.builds(
        _items,
        st.sampled_from([None, 1, 7, 99]),
        st.lists(blocks, min_size=1, max_size=5),
        loose=st.booleans(),
    )
    return st.one_of(quotes, lists)


leaves = st.one_of(paragraphs, paragraphs, fences, tables, headings, st.just("---"))
blocks = st.recursive(leaves, _nested, max_leaves=8)
documents = st.lists(blocks, max_size=8).map("\n\n".join)
tight = st.lists(blocks, max_size=8).map("\n".join)
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=700)
marks = st.text("`~*_[]()|-+>#:.1 \na", max_size=600)


def read(text: str) -> str:
    """The letters of a text, without what a cut may repeat."""
    return "".join(
        sign
        for sign in _REPEATED.sub("", text)
        if (unicodedata.category(sign)[0] in "LMS" and not sign.isascii()) or sign.isalpha()
    )


def is_balanced(part: str) -> bool:
    """Whether what comes after a part is outside of all its code, by a parser that is not ours."""
    tokens = MarkdownIt("commonmark").parse(f"{part}\n\n{OUTSIDE}\n")
    return any(token.type == "inline" and OUTSIDE in token.content for token in tokens)


def parts_of(text: str, dialect: Dialect) -> list[str]:
    """The parts of a text."""
    return list(render(text, dialect).parts)
