"""A place on Discord where an answer grows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import discord
import structlog

from adapters.discord.calls import TYPING_S, Calls
from adapters.discord.translate import workspace
from adapters.markdown import utf16_size
from adapters.surface import Content, Known
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

LIMIT = 2000
"""Characters of a message that a bot may send (docs.discord.com, Create Message)."""
LOOK_BACK = 300
"""Messages after a question among which a lost part is looked for: three calls."""


class DiscordSurface:
    """The channel of a question, by what a store keeps of it.

    With `is_reply` the first part is a reply to the question, as it should be where others talk,
    too. Calls go through the client of the moment, so an answer outlives the one it began with.
    """

    limit = LIMIT

    def __init__(
        self,
        calls: Calls,
        channel_id: int,
        guild_id: int | None,
        question_id: int,
        is_reply: bool,
    ) -> None:
        self._calls = calls
        self._channel_id = channel_id
        self._guild_id = guild_id
        self._question_id = question_id
        self._is_reply = is_reply

    @property
    def scope(self) -> str:
        """Discord counts edits by channel."""
        return str(self._channel_id)

    def measure(self, text: str) -> int:
        """UTF-16 units: never fewer than what Discord counts."""
        return utf16_size(text)

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        """Post a part; a repeat within minutes gives the same message, by its nonce.

        Raises PlatformUnavailable, MessageGone.
        """
        # Discord takes 25 characters; a refused question has no turn.
        nonce = f"{(turn or str(self._question_id))[:20]}-{part}"

        async def send(client: discord.Client) -> discord.Message:
            channel = self._channel(client)
            if self._question_of(part) is None:
                return await channel.send(content.text, nonce=nonce, suppress_embeds=True)
            reference = discord.MessageReference(
                message_id=self._question_id,
                channel_id=self._channel_id,
                guild_id=self._guild_id,
                fail_if_not_exists=False,
            )
            return await channel.send(
                content.text,
                nonce=nonce,
                suppress_embeds=True,
                reference=reference,
                mention_author=False,
            )

        return self._ref(await self._calls.do(self._channel_id, send))

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        """Replace what a part shows. Raises PlatformUnavailable, MessageGone."""

        async def edit(client: discord.Client) -> None:
            await self._message(client, ref).edit(content=content.text)

        await self._calls.do(self._channel_id, edit)

    async def delete(self, ref: MessageRef) -> None:
        """Delete a part, if it is there. Raises PlatformUnavailable, MessageGone."""

        async def delete(client: discord.Client) -> None:
            with suppress(discord.NotFound):
                await self._message(client, ref).delete()

        await self._calls.do(self._channel_id, delete)

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        """The message of a post whose answer was lost; None when there is none.

        It is the oldest of ours after the question that says just this, refers to the question
        where a post would have, and is not `known`: Discord keeps neither turn nor part with a
        message. Looks through `LOOK_BACK` messages. Raises PlatformUnavailable, MessageGone.
        """
        wanted = text.strip()  # as Discord keeps it
        question = self._question_of(part)

        async def alike(client: discord.Client) -> list[MessageRef]:
            after = discord.Object(self._question_id)
            return [
                self._ref(one)
                async for one in self._channel(client).history(limit=LOOK_BACK, after=after)
                if client.user is not None
                and one.author.id == client.user.id
                and one.content == wanted
                and (one.reference.message_id if one.reference else None) == question
            ]

        for ref in await self._calls.do(self._channel_id, alike):
            if not await known(ref):
                return ref
        return None

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Show "is typing"."""
        return self._busy()

    @asynccontextmanager
    async def _busy(self) -> AsyncIterator[None]:
        typing = asyncio.create_task(self._type())
        try:
            yield
        finally:
            typing.cancel()
            await asyncio.gather(typing, return_exceptions=True)

    async def _type(self) -> None:
        while True:
            try:
                await self._calls.show_typing(self._channel_id)
            except (PlatformUnavailable, MessageGone, discord.DiscordException) as error:
                log.debug("typing not shown", error=str(error))
            await asyncio.sleep(TYPING_S)

    def _question_of(self, part: int) -> int | None:
        """The message that a part refers to."""
        return self._question_id if self._is_reply and part == 0 else None

    def _channel(self, client: discord.Client) -> discord.PartialMessageable:
        return client.get_partial_messageable(self._channel_id, guild_id=self._guild_id)

    def _message(self, client: discord.Client, ref: MessageRef) -> discord.PartialMessage:
        return self._channel(client).get_partial_message(int(ref.message))

    def _ref(self, message: discord.Message) -> MessageRef:
        return MessageRef(
            "discord", workspace(self._guild_id), str(self._channel_id), str(message.id)
        )
