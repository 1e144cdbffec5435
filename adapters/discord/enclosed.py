"""What a Discord message holds besides its text: files, and forwarded messages."""

import discord

from bot.domain import Attachment, Quote


def files(message: discord.Message) -> tuple[Attachment, ...]:
    """The files of a message, and of the messages forwarded in it."""
    forwarded = (file for one in message.message_snapshots for file in one.attachments)
    return tuple(_file(file) for file in (*message.attachments, *forwarded))


def quotes(message: discord.Message) -> tuple[Quote, ...]:
    """The messages forwarded in a message; Discord does not tell whose they were."""
    return tuple(
        Quote("", one.content.strip()) for one in message.message_snapshots if one.content.strip()
    )


def _file(file: discord.Attachment) -> Attachment:
    return Attachment(
        id=str(file.id),
        name=file.filename,
        kind=file.content_type or "",
        size=file.size,
        url=file.url,
    )
