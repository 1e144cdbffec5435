"""A place on Discord where an answer grows."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import discord
import structlog

from adapters.discord.errors import converted
from adapters.discord.translate import workspace
from adapters.markdown import utf16_size
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

LIMIT = 2000
"""Characters of a message that a bot may send (docs.discord.com, Create Message)."""


class DiscordSurface:
    """The channel of a question; the first part is a reply to it where others talk, too."""

    limit = LIMIT

    def __init__(self, question: discord.Message) -> None:
        if isinstance(question.channel, discord.GroupChannel):
            raise TypeError("no bot can be in a group channel")
        self._question = question
        self._channel = question.channel

    @property
    def scope(self) -> str:
        """Discord counts edits by channel."""
        return str(self._channel.id)

    def measure(self, text: str) -> int:
        """UTF-16 units: never fewer than what Discord counts."""
        return utf16_size(text)

    async def post(self, text: str, *, turn: str, part: int) -> MessageRef:
        """Post a part; a repeat within minutes gives the same message, by its nonce."""
        # Discord takes 25 characters; a refused question has no turn.
        nonce = f"{(turn or str(self._question.id))[:20]}-{part}"
        in_channel = isinstance(self._channel, discord.abc.GuildChannel)
        async with converted():
            if part == 0 and in_channel:
                message = await self._channel.send(
                    text,
                    nonce=nonce,
                    suppress_embeds=True,
                    reference=self._question.to_reference(fail_if_not_exists=False),
                    mention_author=False,
                )
            else:
                message = await self._channel.send(text, nonce=nonce, suppress_embeds=True)
        guild = self._question.guild
        return MessageRef(
            "discord",
            workspace(guild.id if guild else None),
            str(self._channel.id),
            str(message.id),
        )

    async def edit(self, ref: MessageRef, text: str) -> None:
        """Replace a part's text."""
        async with converted():
            await self._channel.get_partial_message(int(ref.message)).edit(content=text)

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Show "is typing"."""
        return self._typing()

    @asynccontextmanager
    async def _typing(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            try:
                async with converted():
                    await stack.enter_async_context(self._channel.typing())
            except (PlatformUnavailable, MessageGone) as error:
                log.debug("typing not shown", error=str(error))
            yield
