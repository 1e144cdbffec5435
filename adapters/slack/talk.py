"""What was said in a Slack thread before the bot was asked there."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack import enclosed
from adapters.slack.calls import Calls
from adapters.slack.errors import code
from adapters.slack.translate import SPOKEN, plain
from bot.context.material import Line, Talk
from bot.domain import Turn
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

PAGE: Final = 200
PAGES: Final = 5
LATE_S: Final = 86_400.0
"""Of a thread with more than `PAGES` pages, what is read again from its end: Slack gives a thread
from its beginning only."""
NAMES: Final = 20
"""People whose names are looked up; each costs a call."""
WAIT_S: Final = 10.0
"""Seconds after which no further attempt at a call is made: somebody waits for the answer."""

Message = Mapping[str, Any]


async def talk_before(calls: Calls, first: Turn, most: int, *, me: str) -> Talk:
    """The messages of a thread before a question, the last `most` of them.

    Raises PlatformUnavailable, and MessageGone where Slack does not show the thread.
    """
    try:
        found, is_more = await _last(calls, first, most)
    except SlackApiError as error:
        raise MessageGone(f"Slack does not show the thread: {code(error)}") from error
    people = list(dict.fromkeys(str(each["user"]) for each in found if each["user"] != me))
    names = await _names(calls, people[-NAMES:])
    lines = tuple(line for each in found if (line := _line(each, names, me)) is not None)
    return Talk(lines, is_cut=is_more)


async def _last(calls: Calls, first: Turn, most: int) -> tuple[list[Message], bool]:
    """The last messages of people and of ours, oldest first, and whether there are older ones."""
    found, is_over = await _read(calls, first, most, oldest="")
    if not is_over:
        late = f"{float(first.question.message) - LATE_S:.6f}"
        found, is_over = await _read(calls, first, most, oldest=late)
        if not is_over:
            log.warning("the thread is too long to see its end", turn=first.id, pages=PAGES)
        return list(found), True
    return list(found)[-most:], len(found) > most


async def _read(
    calls: Calls, first: Turn, most: int, *, oldest: str
) -> tuple[deque[Message], bool]:
    """The last `most` + 1 messages that a few pages hold, and whether these were all pages."""
    me_and_people: deque[Message] = deque(maxlen=most + 1)
    cursor = ""
    for _ in range(PAGES):
        answer = await calls.do(
            "conversations.replies",
            wait_s=WAIT_S,
            channel=first.question.channel,
            ts=first.conversation.root,
            latest=first.question.message,
            oldest=oldest or None,
            limit=PAGE,
            cursor=cursor or None,
        )
        for each in answer.get("messages") or ():
            if isinstance(each, Mapping) and _is_said(each, first.question.message):
                me_and_people.append(each)
        cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
        if not cursor:
            return me_and_people, True
    return me_and_people, False


def _is_said(message: Message, before: str) -> bool:
    """Whether somebody said it before a time; a bot's is told apart once it is known whose."""
    try:
        is_before = float(message.get("ts") or 0) < float(before)
    except (TypeError, ValueError):
        return False
    spoken = message.get("subtype") in SPOKEN and bool(message.get("user"))
    return spoken and is_before and not message.get("hidden")


def _line(message: Message, names: Mapping[str, str], me: str) -> Line | None:
    """A message as a line; None for another bot's, and for one without anything in it."""
    user = str(message["user"])
    if user != me and message.get("bot_id"):
        return None

    def readable(text: str) -> str:
        text = plain(text, "")
        for person, name in names.items():
            text = text.replace(f"@{person}", f"@{name}")
        return text.replace(f"@{me}", "@you")

    quoted = (
        f"(forwarded from {quote.author or 'somebody'}) {quote.text}"
        for quote in enclosed.quotes(message, readable)
    )
    files = enclosed.files(message)
    named = (f"(file: {file.name})" for file in files)
    texts = (readable(str(message.get("text") or "")), *quoted, *named)
    text = "\n".join(each for each in texts if each)
    if not text:
        return None
    line = Line(names.get(user, user), text, is_ours=user == me, files=files)
    return replace(line, author="", files=()) if line.is_ours else line


async def _names(calls: Calls, people: list[str]) -> dict[str, str]:
    """What people are called, as far as Slack tells."""

    async def name(person: str) -> str:
        try:
            answer = await calls.do("users.info", wait_s=WAIT_S, user=person)
        except (SlackApiError, PlatformUnavailable, MessageGone) as error:
            log.debug("name not known", user=person, error=str(error))
            return ""
        profile = answer.get("user")
        found = profile if isinstance(profile, Mapping) else {}
        return str(found.get("real_name") or found.get("name") or "")

    found = await asyncio.gather(*(name(person) for person in people))
    return {person: each for person, each in zip(people, found, strict=True) if each}
