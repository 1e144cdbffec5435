"""What is written to Slack pings nobody, looks as it was written, and fits."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.markdown import render, utf8_size
from adapters.slack.blocks import message_of
from adapters.slack.dialect import JOINER, LIMIT, SLACK, harmless
from adapters.surface import Content

MENTIONS = re.compile(
    r"<!(?:channel|here|everyone|subteam\^|date\^)|<@[UWB][A-Z0-9]|<#[CGD][A-Z0-9]"
)
pieces = st.sampled_from(
    [
        *("<!channel>", "<@U123>", "<#C1|x>", "<!subteam^S1>", "@here ", "@everyone", "<!-- x -->"),
        *("`", "``", "```\n", "\n```py\n", "\n\n", "word ", "<", "!", "@", "> ", "- ", "日本"),
    ]
)
written = st.lists(pieces, max_size=60).map("".join)


@pytest.mark.parametrize(
    "text", ["<!channel>", "<!here|x>", "<@U02AB>", "<#C02>", "@channel", "@here", "@everyone"]
)
def test_a_mention_in_text_is_none(text: str) -> None:
    assert harmless(text) == text[0] + JOINER + text[1:]


@pytest.mark.parametrize("text", ["<!channel>", "<@U02AB>", "<#C02|x>", "<!subteam^S1>"])
@pytest.mark.parametrize("frame", ["`{}`", "```\n{}\n```", "> ```\n> {}\n> ```", "```\n{}"])
def test_a_mention_to_the_letter_in_code_is_none_either(text: str, frame: str) -> None:
    assert MENTIONS.search(harmless(frame.format(text))) is None


@pytest.mark.parametrize(
    "code", ["<!DOCTYPE html>", "<!-- a comment -->", "#include <#x>", "@here = 1", "a <@ b"]
)
@pytest.mark.parametrize("frame", ["`{}`", "```html\n{}\n```", "- ~~~\n  {}\n  ~~~", "```\n{}"])
def test_other_code_is_left_as_it_is(code: str, frame: str) -> None:
    """It is there to be copied."""
    assert harmless(frame.format(code)) == frame.format(code)


@settings(deadline=None, max_examples=200)
@given(text=written)
def test_whatever_is_written_pings_nobody_and_only_what_is_unseen_is_added(text: str) -> None:
    made = harmless(text)
    assert MENTIONS.search(made) is None
    assert made.replace(JOINER, "") == text.replace(JOINER, "")
    assert harmless(made) == made
    assert utf8_size(made) <= SLACK.measure(text)


@settings(deadline=None, max_examples=20)
@given(text=st.lists(pieces, min_size=1, max_size=12).map(lambda some: "".join(some) * 250))
def test_a_message_is_within_nine_thousand_bytes(text: str) -> None:
    for part in render(text, SLACK).parts:
        made = message_of(Content(part), "t1")
        assert utf8_size(made["blocks"][0]["text"]) <= LIMIT
        assert utf8_size(made["blocks"][0]["text"] + made["text"]) <= 9_000


def test_the_line_for_notifications_is_plain() -> None:
    made = message_of(
        Content("# Title\n\nIt is **so**, see [here](http://e.org).\n\n```\nx\n```"), "t"
    )
    assert made["text"] == "Title\n\nIt is so, see here (http://e.org).\n\nx"
    assert (made["parse"], made["link_names"]) == ("none", False)
