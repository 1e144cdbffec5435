"""A question that was asked by a command: what we post in its place, and reading that back.

The post is the question: all see it, the answer refers to it, and after a crash it is read as what
its person asked. Who that is, Discord says; what they asked stands after the first line's words.
"""

import re
from typing import Final

import discord

from adapters.discord.translate import place_of, workspace
from adapters.markdown import utf16_size
from bot.domain import Incoming, MessageRef, Person, Quote

LIMIT: Final = 2000
QUESTION_CHARS: Final = 1500
"""The most that a question by a command may have, so that it stands in one message with a quote."""

_ASKS: Final = "** asks: "
_ECHO: Final = re.compile(
    r"(?:> \*\*(?P<author>[^\n]*?)\*\*\n(?P<quote>(?:> [^\n]*\n)*))?"
    r"\*\*(?P<name>[^\n]*?)\*\* asks: (?P<text>.*)",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(r"\\(.)")
_OURS: Final = frozenset(
    {
        discord.InteractionType.application_command,
        discord.InteractionType.modal_submit,
    }
)


def echo(name: str, question: str, about: Quote | None = None) -> str:
    """What is posted for a question; of the message that it is about, as much as fits."""
    asked = f"**{_plain(name)}{_ASKS}{question.strip()}"
    if about is None:
        return asked
    head = f"> **{_plain(about.author)}**\n"
    room = LIMIT - utf16_size(head) - utf16_size(asked)
    lines: list[str] = []
    for line in about.text.strip().splitlines() or ["…"]:
        shown = f"> {line}\n"
        room -= utf16_size(shown)
        if room < len("> …\n"):
            lines.append("> …\n")
            break
        lines.append(shown)
    return f"{head}{''.join(lines)}{asked}"


def asked(message: discord.Message, me: discord.abc.User) -> Incoming | None:
    """One of our own posts as the question of the person who asked it; None for any other."""
    source = message.interaction_metadata
    if message.author.id != me.id or source is None or source.type not in _OURS:
        return None
    if source.original_response_message_id is not None:  # a follow-up is an answer
        return None
    found = _ECHO.fullmatch(message.content)
    if found is None:
        return None
    place = place_of(message)
    quotes: tuple[Quote, ...] = ()
    if found["author"] is not None:
        lines = (line.removeprefix("> ") for line in found["quote"].splitlines())
        quotes = (Quote(_ESCAPED.sub(r"\1", found["author"]), "\n".join(lines)),)
    guild = message.guild
    return Incoming(
        ref=MessageRef(
            "discord",
            workspace(guild.id if guild else None),
            str(message.channel.id),
            str(message.id),
        ),
        author=Person("discord", str(source.user.id), source.user.display_name),
        text=found["text"].replace(f"<@{me.id}>", "").strip(),
        place=place,
        sent_at=message.created_at.timestamp(),
        thread=str(message.channel.id) if place == "thread" else None,
        mentions_bot=True,
        quotes=quotes,
    )


def _plain(name: str) -> str:
    """A name as it may stand between marks of ours: one line, and no marks of its own."""
    return discord.utils.escape_markdown(" ".join(name.split()))
