"""What was said on Discord before the bot was asked: in its thread, or in a chain of replies."""

from functools import partial
from typing import Any, Final

import discord
import structlog

from adapters.discord import enclosed
from adapters.discord.calls import Calls
from adapters.discord.translate import QUESTIONS, text_of
from bot.context.material import Line, Talk
from bot.domain import Turn
from bot.errors import MessageGone

log = structlog.get_logger()

PAGE: Final = 100
CHAIN: Final = 10
"""Messages that a chain of replies is followed up."""


async def talk_before(calls: Calls, first: Turn, most: int) -> Talk:
    """The messages before a question, the last `most` of them.

    Raises PlatformUnavailable, and MessageGone where Discord does not show them.
    """
    channel = int(first.question.channel)
    if first.conversation.place == "thread":
        return await _thread(calls, channel, int(first.question.message), most)
    if first.reply_to is None:
        return Talk()
    return await calls.do(
        channel,
        partial(_chain, channel_id=channel, last=int(first.reply_to), most=min(most, CHAIN)),
    )


async def _thread(calls: Calls, channel_id: int, before: int, most: int) -> Talk:
    lines: list[Line] = []  # newest first
    hidden = shown = 0
    while True:
        page = await calls.do(channel_id, partial(_page, channel_id=channel_id, before=before))
        for line in page.lines:
            if line is None:
                hidden += 1
            else:
                shown += not line.is_ours
                lines.append(line)
        if page.last is None or len(lines) > most:
            kept = tuple(reversed(lines[:most]))
            return Talk(kept, is_cut=len(lines) > most, is_hidden=hidden > 0 and shown == 0)
        before = page.last


class _Page:
    """A page of messages, newest first, None for those whose text is not shown to us; the id of
    the oldest one, None on the last page."""

    def __init__(self, lines: list[Line | None], last: int | None) -> None:
        self.lines = lines
        self.last = last


async def _page(client: discord.Client, *, channel_id: int, before: int) -> _Page:
    """Not discord.py's own `history`, in which a message that it cannot parse hides the rest."""
    found = await client.http.logs_from(channel_id, PAGE, before=before)
    found = sorted(found, key=lambda each: int(each["id"]), reverse=True)
    lines: list[Line | None] = []
    for each in found:
        try:
            message = _message(client, channel_id, each)
            if message is not None and _is_said(message, client):
                lines.append(_line(message, client))
        except Exception:
            log.exception("Discord message skipped", channel=channel_id, message=each["id"])
    return _Page(lines, int(found[-1]["id"]) if len(found) == PAGE else None)


def _message(client: discord.Client, channel_id: int, data: Any) -> discord.Message | None:
    """A message of the thread; for the note that it begins with, the message it hangs under."""
    if data.get("type") == discord.MessageType.thread_starter_message.value:
        data = data.get("referenced_message")
        if data is None:
            return None
    known = client.get_channel(channel_id)
    is_place = isinstance(known, discord.abc.Messageable)
    channel = known if is_place else client.get_partial_messageable(channel_id)
    return client._connection.create_message(channel=channel, data=data)  # type: ignore[arg-type]


async def _chain(client: discord.Client, *, channel_id: int, last: int, most: int) -> Talk:
    """A message and those that it answers, up and up."""
    channel = client.get_partial_messageable(channel_id)
    lines: list[Line] = []
    hidden = 0
    upwards: int | None = last
    while upwards is not None and len(lines) + hidden < most:
        try:
            message = await channel.fetch_message(upwards)
        except discord.NotFound:
            break
        upwards = None
        for each in (message, message.reference.resolved if message.reference else None):
            if not isinstance(each, discord.Message):
                break
            answered = each.reference
            is_reply = answered is not None and answered.type is _REPLY
            upwards = answered.message_id if answered is not None and is_reply else None
            if not _is_said(each, client):
                continue
            line = _line(each, client)
            if line is None:
                hidden += 1
            else:
                lines.append(line)
    if hidden and not any(not line.is_ours for line in lines):
        raise MessageGone("Discord does not show the text of these messages")
    kept = tuple(reversed(lines[:most]))
    return Talk(kept, is_cut=upwards is not None)


_REPLY: Final = discord.MessageReferenceType.reply


def _is_said(message: discord.Message, client: discord.Client) -> bool:
    """Whether a person said it, or we."""
    if message.type not in QUESTIONS or client.user is None:
        return False
    is_bot = message.author.bot or message.webhook_id is not None
    return message.author.id == client.user.id or not is_bot


def _line(message: discord.Message, client: discord.Client) -> Line | None:
    """A message as a line; None when it has nothing in it that we are shown."""
    if client.user is None:
        return None
    ours = message.author.id == client.user.id
    files = enclosed.files(message)
    texts = (
        text_of(message, client.user),
        *(f"(forwarded) {quote.text}" for quote in enclosed.quotes(message)),
        *(f"(file: {file.name})" for file in files),
    )
    text = "\n".join(each for each in texts if each)
    if not text:
        return None
    return Line("" if ours else message.author.display_name, text, ours, () if ours else files)
