"""A question by a command as we post it, and read back from what stands there."""

from types import SimpleNamespace
from typing import Any, cast

import discord
import pytest

from adapters.discord.echo import LIMIT, QUESTION_CHARS, asked, echo
from adapters.markdown import utf16_size
from bot.domain import Person, Quote

ME = cast("discord.abc.User", SimpleNamespace(id=7))


def posted(content: str, **metadata: Any) -> discord.Message:
    """A message of ours that answers an interaction of somebody called Bob."""
    source = {
        "type": discord.InteractionType.application_command,
        "original_response_message_id": None,
        "user": SimpleNamespace(id=9, display_name="Bob"),
        **metadata,
    }
    message = SimpleNamespace(
        id=1,
        author=SimpleNamespace(id=metadata.pop("author", 7)),
        content=content.strip(),
        guild=None,
        channel=SimpleNamespace(id=2),
        created_at=discord.utils.utcnow(),
        interaction_metadata=SimpleNamespace(**source),
    )
    return cast("discord.Message", message)


@pytest.mark.parametrize(
    "question",
    [
        "Why?",
        "two\nlines",
        "**x** asks: who?",
        "> a quote\nand more",
        "@everyone `code`",
        "x" * 1500,
    ],
)
@pytest.mark.parametrize("name", ["Bob", "B*b **asks", "a_b\nc", "名前"])
@pytest.mark.parametrize(
    "about",
    [
        None,
        Quote("Carol", "The sky is green."),
        Quote("**C** asks: ", "one\n\n> two\n**D** asks: three"),
        Quote("Dave", "🌧️ long\n" * 900),
        Quote("Eve", ""),
    ],
)
def test_what_is_posted_is_read_back_as_what_was_asked(
    question: str, name: str, about: Quote | None
) -> None:
    text = echo(name, question, about)
    assert utf16_size(text) <= LIMIT
    found = asked(posted(text), ME)
    assert found is not None
    assert found.text == question.strip()
    assert found.author == Person("discord", "9", "Bob")
    assert found.mentions_bot
    if about is None:
        assert found.quotes == ()
        return
    [quote] = found.quotes
    assert quote.author == about.author.strip()
    shown = quote.text.removesuffix("…").removesuffix("\n")
    assert about.text.strip().startswith(shown.strip())


def test_the_longest_question_with_the_longest_name_fits() -> None:
    text = echo("*" * 32, "🌧" * (QUESTION_CHARS // 2), Quote("_" * 32, "x" * 4000))
    assert utf16_size(text) <= LIMIT


@pytest.mark.parametrize(
    "message",
    [
        posted("It is so."),
        posted(echo("Bob", "Why?"), author=8),
        posted(echo("Bob", "Why?"), type=discord.InteractionType.component),
        posted(echo("Bob", "Why?"), original_response_message_id=5),
    ],
)
def test_nothing_else_is_read_as_a_question(message: discord.Message) -> None:
    assert asked(message, ME) is None
