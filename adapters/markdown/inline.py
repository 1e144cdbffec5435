"""Where in a paragraph the spans are that a cut should not break: emphasis, code, links.

markdown-it's inline rules do the reading; wrappers write down where in the text each one was.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline, autolink, backtick, image, link
from markdown_it.rules_inline.emphasis import tokenize as emphasis
from markdown_it.rules_inline.strikethrough import tokenize as strikethrough

LONGEST: Final = 20_000
MOST: Final = 300
"""Characters of a paragraph that are read, and spans in it: one with more is cut as if it had
none."""

_URL: Final = re.compile(r"https?://\S+")
_OPEN_LINK: Final = re.compile(r"!?\[[^\[\]]*(?:\](?:\([^()\s]*)?)?\Z|<https?:[^\s<>]*\Z")

_Rule = Callable[[StateInline, bool], bool]


@dataclass(frozen=True, slots=True)
class Span:
    """From `begin` up to `end`; `marks` open and close it, "" where it can't be opened again.

    One that the text does not close, and a longer text might, ends behind it.
    """

    begin: int
    end: int
    marks: str = ""

    def holds(self, at: int) -> bool:
        """Whether a cut at this place would break it."""
        return self.begin < at < self.end


@lru_cache(maxsize=256)
def spans(text: str) -> tuple[Span, ...]:
    """The spans of a paragraph's beginning, outer ones first; those that it leaves open, too."""
    if len(text) > LONGEST or text.count("[") > MOST:
        return ()
    env: dict[str, Any] = {"found": [], "open": [], "at": {}}
    _MARKDOWN.inline.parse(text, _MARKDOWN, env, [])
    beyond = len(text) + 1
    found = [*env["found"], *(Span(at, beyond) for at in env["open"])]
    found.extend(
        Span(match.start(), match.end() if match.end() < len(text) else beyond)
        for match in _URL.finditer(text)
    )
    if open_link := _OPEN_LINK.search(text, max(0, len(text) - LONGEST // 4)):
        found.append(Span(open_link.start(), beyond))
    if len(found) > MOST:
        return ()
    return tuple(sorted(found, key=lambda span: (span.begin, -span.end)))


@lru_cache(maxsize=1024)
def plain(text: str) -> str:
    """What a person reads of a line of Markdown; a link is followed by its address."""
    [token] = _PLAIN.parseInline(text)
    words: list[str] = []
    links: list[tuple[str, int]] = []
    for child in token.children or ():
        if child.type == "link_open":
            links.append((_PLAIN.normalizeLinkText(str(child.attrGet("href") or "")), len(words)))
        elif child.type == "link_close":
            href, begin = links.pop()
            if "".join(words[begin:]) != href:
                words.append(f" ({href})")
        elif child.type == "image":
            source = _PLAIN.normalizeLinkText(str(child.attrGet("src") or ""))
            words.append(f"{child.content} ({source})")
        else:
            words.append(" " if child.type.endswith("break") else child.content)
    return "".join(words)


def _reads(rule: _Rule, *, marks: bool = False) -> _Rule:
    """The rule, which also writes down what it read."""

    def reading(state: StateInline, silent: bool) -> bool:
        begin, number = state.pos, len(state.tokens) + bool(state.pending)
        if not rule(state, silent):
            return False
        if not silent and len(state.tokens) > number:
            token = state.tokens[number]
            mark = token.markup if marks else ""
            state.env["found"].append(Span(begin, state.pos, mark))
        elif not silent and marks:
            state.env["open"].append(begin)  # backticks that nothing closes
        return True

    return reading


def _reads_apart(rule: _Rule) -> _Rule:
    """The rule, which writes down itself but nothing of its own text, read by a state apart."""

    def reading(state: StateInline, silent: bool) -> bool:
        begin = state.pos
        kept = {name: type(held)(held) for name, held in state.env.items()}
        taken = rule(state, silent)
        state.env.update(kept)
        if taken and not silent:
            state.env["found"].append(Span(begin, state.pos))
        return taken

    return reading


def _notes(rule: _Rule) -> _Rule:
    """The rule, which also writes down where each of its delimiters stands."""

    def noting(state: StateInline, silent: bool) -> bool:
        at, number = state.pos, len(state.tokens) + bool(state.pending)
        taken = rule(state, silent)
        if taken and not silent:
            for index in range(number, len(state.tokens)):
                state.env["at"][index] = (at, state.tokens[index].content)
                at += len(state.tokens[index].content)
        return taken

    return noting


def _pairs(state: StateInline) -> None:
    """Make spans of the delimiters, now that they are paired."""
    for delimiters in _delimiters(state):
        for delimiter in delimiters:
            begin, marks = state.env["at"].get(delimiter.token, (0, ""))
            if delimiter.end >= 0:
                at, closing = state.env["at"].get(delimiters[delimiter.end].token, (0, ""))
                state.env["found"].append(Span(begin, at + len(closing), marks))
            elif delimiter.open:
                state.env["open"].append(begin)


def _delimiters(state: StateInline) -> Iterator[list[Any]]:
    yield state.delimiters
    for meta in state.tokens_meta:
        if meta and "delimiters" in meta:
            yield meta["delimiters"]


def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
    ruler = markdown.inline.ruler
    ruler.at("backticks", _reads(backtick, marks=True))
    ruler.at("link", _reads(link))
    ruler.at("autolink", _reads(autolink))
    ruler.at("image", _reads_apart(image))
    ruler.at("emphasis", _notes(emphasis))
    ruler.at("strikethrough", _notes(strikethrough))
    markdown.inline.ruler2.after("balance_pairs", "pairs", _pairs)
    return markdown


_MARKDOWN: Final = _markdown()
_PLAIN: Final = MarkdownIt("commonmark", {"html": False}).enable("strikethrough")
