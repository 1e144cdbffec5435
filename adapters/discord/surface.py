"""A place on Discord where an answer grows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Literal

import discord
import structlog

from adapters.discord.calls import TYPING_S, Calls
from adapters.discord.controls import buttons
from adapters.discord.dialect import DISCORD
from adapters.discord.translate import workspace
from adapters.discord.uploads import FILES, put
from adapters.markdown import CodeFile
from adapters.surface import Content, Known
from bot.domain import MessageRef, Person, Turn
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

NOBODY = discord.AllowedMentions.none()
"""Told with each call: one without it would ping everybody that a model writes of."""
THUMBS = ("👍", "👎")
MARGIN_S = 60.0
"""How much later than Discord's our clock may be."""
LOOK_BACK = 300
"""Messages after a question among which a lost part is looked for: three calls."""


def after_which(turn: Turn) -> int:
    """An id after which a lost part of a turn's answer must stand; 0 where none is known.

    It was posted after the parts that are known; and for another try at a question, which may be an
    old one, after that was asked for.
    """
    if turn.parts:
        return int(turn.parts[-1].message)
    if turn.retry_of is None:
        return 0
    at = datetime.fromtimestamp(turn.created_at - MARGIN_S, UTC)
    return discord.utils.time_snowflake(at)


class DiscordSurface:
    """The channel of a question, by what a store keeps of it.

    What may have been posted, though we never heard so, has a later id than `after`. With
    `is_reply` the first part is a reply to the question, as it should be where others talk, too.
    Calls go through the client of the moment, so an answer outlives the one it began with.
    """

    dialect = DISCORD

    def __init__(
        self,
        calls: Calls,
        channel_id: int,
        guild_id: int | None,
        question_id: int,
        is_reply: bool,
        after: int = 0,
    ) -> None:
        self._calls = calls
        self._channel_id = channel_id
        self._guild_id = guild_id
        self._question_id = question_id
        self._after = max(question_id, after)
        self._is_reply = is_reply
        self._shows = asyncio.Event()

    @property
    def scope(self) -> str:
        """Discord counts edits by channel."""
        return str(self._channel_id)

    @property
    def growth(self) -> Literal["edit", "append"]:
        """Messages only grow by edits here."""
        return "edit"

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        """Post a part; a repeat within minutes gives the same message, by its nonce.

        Raises PlatformUnavailable, MessageGone.
        """
        # Discord takes 25 characters; a refused question has no turn.
        nonce = f"{(turn or str(self._question_id))[:20]}-{part}"

        async def send(client: discord.Client) -> discord.Message:
            channel = self._channel(client)
            row = buttons(content.controls, turn) or discord.utils.MISSING
            if self._question_of(part) is None:
                return await channel.send(
                    content.text,
                    nonce=nonce,
                    suppress_embeds=True,
                    view=row,
                    allowed_mentions=NOBODY,
                )
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
                view=row,
                allowed_mentions=NOBODY,
                reference=reference,
            )

        ref = self._ref(await self._calls.do(self._channel_id, send))
        self._shows.set()
        return ref

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        """Replace what a part shows. Raises PlatformUnavailable, MessageGone."""

        async def edit(client: discord.Client) -> None:
            await self._message(client, ref).edit(
                content=content.text,
                view=buttons(content.controls, turn),
                allowed_mentions=NOBODY,
            )

        await self._calls.do(self._channel_id, edit)

    async def delete(self, ref: MessageRef) -> None:
        """Delete a part, if it is there. Raises PlatformUnavailable, MessageGone."""

        async def delete(client: discord.Client) -> None:
            with suppress(discord.NotFound):
                await self._message(client, ref).delete()

        await self._calls.do(self._channel_id, delete)

    async def attach(
        self,
        files: Sequence[CodeFile],
        *,
        last: MessageRef,
        begun: str,
        begin: Callable[[str], Awaitable[None]],
    ) -> None:
        """Put files under the last part; a repeat replaces them, so that they stand there once.

        Raises PlatformUnavailable, MessageGone, FilesRefused.
        """
        await begin(FILES)

        async def edit(client: discord.Client) -> None:
            await put(lambda made: self._message(client, last).edit(attachments=made), files)

        await self._calls.do(self._channel_id, edit)

    async def seed(self, ref: MessageRef) -> None:
        """Put both thumbs under a part, where we may. Raises PlatformUnavailable, MessageGone."""
        for thumb in THUMBS:

            async def add(client: discord.Client, thumb: str = thumb) -> None:
                await self._message(client, ref).add_reaction(thumb)

            await self._calls.do(self._channel_id, add)

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        """The message of a post whose answer was lost; None when there is none.

        It is the oldest of ours after the question that says just this, refers to the question
        where a post would have, and is not `known`: Discord keeps neither turn nor part with a
        message. Looks through `LOOK_BACK` messages. Raises PlatformUnavailable, MessageGone.
        """
        wanted = text.strip()  # as Discord keeps it
        question = self._question_of(part)

        async def alike(client: discord.Client) -> list[MessageRef]:
            after = discord.Object(self._after)
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

    @property
    def is_discreet(self) -> bool:
        """Only an interaction is answered privately; a direct message to somebody who asked in a
        channel would be a surprise."""
        return self._guild_id is None

    async def tell(self, person: Person, text: str) -> None:
        """Tell one person something, as a reply to what they wrote. Raises PlatformUnavailable,
        MessageGone."""
        await self.post(Content(text), turn="", part=0)

    async def conclude(self) -> None:
        """Nothing: a message needs no end here."""

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Show "is typing" until there is something to read."""
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
        while not self._shows.is_set():
            try:
                await self._calls.show_typing(self._channel_id)
            except (PlatformUnavailable, MessageGone, discord.DiscordException) as error:
                log.debug("typing not shown", error=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._shows.wait(), TYPING_S)

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
