"""A place on Discord where we are not: an answer goes by the token of an interaction.

There nobody but the token lets us write, for a quarter of an hour and in a few messages; when it
ends before the answer does, the answer says so. A press of one of the answer's buttons brings a new
token. A post has no nonce here: one whose reply was lost may stand there twice.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Final, Literal, TypeVar

import discord
import structlog

from adapters import wording
from adapters.discord.calls import Calls
from adapters.discord.controls import buttons
from adapters.discord.dialect import DISCORD, LIMIT
from adapters.discord.translate import AWAY
from adapters.discord.uploads import FILES, put
from adapters.markdown import CodeFile, utf16_size
from adapters.surface import Content, Known
from bot.domain import MessageRef, Person
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.store.tickets import Ticket, Tickets

log = structlog.get_logger()

TOKEN_S: Final = 900.0
"""How long a token works (docs.discord.com, Receiving and Responding to Interactions)."""
LAST_S: Final = 20.0
"""Before its end the last word is said: calls may have to wait, and clocks may differ."""
SPENT: Final = 40094
"""Where only the person installed the application, an interaction has five follow-ups."""

T = TypeVar("T")


def webhook(client: discord.Client, ticket: Ticket) -> discord.Webhook:
    """The way to write by a token."""
    return discord.Webhook.from_state(
        {"id": ticket.application, "type": 3, "token": ticket.token}, client._connection
    )


class FollowUpSurface:
    """The channel of a question that came by an interaction, by the latest ticket for it."""

    dialect = DISCORD

    def __init__(
        self,
        calls: Calls,
        tickets: Tickets,
        question: MessageRef,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._calls = calls
        self._tickets = tickets
        self._question = question
        self._clock = clock
        self._last: tuple[MessageRef, Content, str] | None = None
        self._is_over = False

    @property
    def scope(self) -> str:
        """Discord counts by token; a question has one."""
        return self._question.key

    @property
    def growth(self) -> Literal["edit"]:
        """By edits."""
        return "edit"

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        """Post a part. Raises PlatformUnavailable, and MessageGone once no more may be said."""
        if self._is_over:
            raise MessageGone("the interaction's token has ended")
        is_spent = False

        async def send(hook: discord.Webhook) -> discord.WebhookMessage | None:
            nonlocal is_spent
            try:
                return await hook.send(
                    content.text,
                    view=buttons(content.controls, turn) or discord.utils.MISSING,
                    allowed_mentions=discord.AllowedMentions.none(),
                    suppress_embeds=True,
                    wait=True,
                )
            except discord.HTTPException as error:
                if error.code != SPENT:
                    raise
                is_spent = True
                return None

        message = await self._by_token(send)
        if message is None:
            await self._end(wording.ACCESS_SPENT)
            raise MessageGone("the interaction has no follow-ups left")
        ref = MessageRef("discord", AWAY, self._question.channel, str(message.id))
        self._last = ref, content, turn
        return ref

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        """Replace what a part shows. Raises PlatformUnavailable, MessageGone."""
        if self._is_over:
            raise MessageGone("the interaction's token has ended")
        await self._edit(ref, content, turn)
        if self._last is None or int(ref.message) >= int(self._last[0].message):
            self._last = ref, content, turn

    async def delete(self, ref: MessageRef) -> None:
        """Delete a part, if it is there. Raises PlatformUnavailable, MessageGone."""

        async def delete(hook: discord.Webhook) -> None:
            with suppress(discord.NotFound):
                await hook.delete_message(int(ref.message))

        await self._by_token(delete)

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        """None: Discord lists nobody the messages of a place where they are not."""
        return None

    async def conclude(self) -> None:
        """Nothing: a message needs no end here."""

    async def attach(
        self,
        files: Sequence[CodeFile],
        *,
        last: MessageRef,
        begun: str,
        begin: Callable[[str], Awaitable[None]],
    ) -> None:
        """Put files under the last part; a repeat replaces them. Raises PlatformUnavailable,
        MessageGone, FilesRefused."""
        await begin(FILES)

        async def edit(hook: discord.Webhook) -> None:
            message = int(last.message)
            await put(lambda made: hook.edit_message(message, attachments=made), files)

        await self._by_token(edit)

    async def seed(self, ref: MessageRef) -> None:
        """Nothing: a token puts no reactions, and none are told of here; there are buttons."""

    @property
    def is_discreet(self) -> bool:
        """What is told goes to one person alone."""
        return True

    async def tell(self, person: Person, text: str) -> None:
        """Tell whoever asked something that nobody else sees.

        Raises PlatformUnavailable, MessageGone.
        """
        mentions = discord.AllowedMentions.none()
        await self._by_token(
            lambda hook: hook.send(text, ephemeral=True, allowed_mentions=mentions, wait=True)
        )

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Nothing is shown, for nobody sees us type here; but the token's end is watched."""
        return self._busy()

    @asynccontextmanager
    async def _busy(self) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _watch(self) -> None:
        """Say the last word before the token ends, unless a newer one has come."""
        try:
            left_s = await self._left_s()
            while left_s > 0:
                await asyncio.sleep(left_s)
                left_s = await self._left_s()
            await self._end(wording.ACCESS_ENDED)
        except (PlatformUnavailable, MessageGone, StoreUnavailable) as error:
            log.warning("last word not said", question=self._question.key, error=str(error))
        except discord.DiscordException:
            log.exception("last word not said", question=self._question.key)

    async def _left_s(self) -> float:
        return (await self._ticket()).ends_at - LAST_S - self._clock()

    async def _end(self, note: str) -> None:
        """Put a note under what stands there, and write no more."""
        self._is_over = True
        if self._last is None:
            await self._by_token(lambda hook: hook.send(note, wait=True))
            return
        ref, content, turn = self._last
        room = LIMIT - utf16_size(note) - 2
        text = content.text
        while utf16_size(text) > room:
            text = text[: len(text) - max(1, (utf16_size(text) - room) // 2)]
        await self._edit(ref, Content(f"{text}\n\n{note}", content.controls), turn)

    async def _edit(self, ref: MessageRef, content: Content, turn: str) -> None:
        async def edit(hook: discord.Webhook) -> None:
            await hook.edit_message(
                int(ref.message),
                content=content.text,
                view=buttons(content.controls, turn),
                allowed_mentions=discord.AllowedMentions.none(),
            )

        await self._by_token(edit)

    async def _by_token(self, call: Callable[[discord.Webhook], Awaitable[T]]) -> T:
        ticket = await self._ticket()
        return await self._calls.do(
            int(self._question.channel), lambda client: call(webhook(client, ticket))
        )

    async def _ticket(self) -> Ticket:
        """The ticket of the moment. Raises MessageGone when it has ended."""
        try:
            ticket = await self._tickets.of(self._question)
        except StoreUnavailable as error:
            raise PlatformUnavailable("the token cannot be read now") from error
        if ticket is None:
            raise MessageGone("the interaction's token has ended")
        return ticket
