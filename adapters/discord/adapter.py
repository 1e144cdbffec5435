"""The Discord adapter: handlers that translate and hand over, on the client of the moment.

Discord acknowledges nothing and delivers an event once: what a handler could not make durable is
caught up on from the channel's history.
"""

import asyncio
import time
from collections.abc import Mapping

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.discord.connection import Connection
from adapters.discord.gateway import GatewayClient, Terms
from adapters.discord.history import DiscordHistory
from adapters.discord.surface import DiscordSurface
from adapters.discord.translate import incoming, reaction, workspace
from adapters.pacing import Pace, Way
from adapters.rates import Window
from bot.domain import Conversation, Incoming, MessageRef, Turn
from bot.settings import DiscordSettings
from bot.store.places import Places

WINDOW = Window(5, 5.2)
"""Posts, and edits, of a channel; 5 in 5 s are let through (not documented). A little more time,
since the way there takes one call longer than another."""
PACES: Mapping[Way, Pace] = {
    "post": Pace(WINDOW),
    "edit": Pace(WINDOW, 1.25, worth=30, kept_share=0.6),
}
"""How often answers are shown; up to five that end together wait for one window at most."""


class DiscordAdapter:
    """Candor on Discord."""

    def __init__(
        self, settings: DiscordSettings, border: Border, catch_up: CatchUp, places: Places
    ) -> None:
        if settings.token is None:
            raise ValueError("a Discord adapter needs discord.token")
        self._border = border
        self._catch_up = catch_up
        self._connected = asyncio.Event()
        self._connection = Connection(
            settings.token.get_secret_value(),
            lambda terms: _Client(terms, self),
            content=settings.message_content,
            on_fresh=self._on_fresh,
            on_lost=catch_up.disconnected,
            on_resumed=self._on_resumed,
        )
        self.history = DiscordHistory(self._connection.calls, places)
        self.is_refusing = False
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here
        # discord.py has its addresses as class attributes: one process, one Discord.
        Route.BASE = settings.api_url
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._connected.wait()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError when Discord refuses us."""
        await self._connection.run()

    def refuse(self) -> None:
        """Take no more events: the next start catches up."""
        self.is_refusing = True
        self._catch_up.disconnected()

    async def answer(self, turn: Turn, resumed: bool) -> None:
        """Answer a turn of the inbox to its end."""
        surface = self._surface(turn.question, turn.conversation)
        await self._border.answer(turn, surface, self.history, resumed=resumed)

    async def take(self, question: Incoming) -> None:
        """Take in a message. Raises StoreUnavailable when too many wait for the store."""
        place = Conversation("discord", "", question.ref.channel, question.place)
        await self._border.take(question, self._surface(question.ref, place))

    async def taken(self, question: Incoming) -> None:
        """Take in a message as it comes."""
        if not await self._border.guarded(self.take(question), message=question.ref.key):
            self._catch_up.missed()  # its history is read again

    async def voted(self, payload: discord.RawReactionActionEvent, client: "_Client") -> None:
        """Take a reaction, or its removal, as it comes."""
        if client.user is None or payload.user_id == client.user.id:
            return
        person = payload.member or client.get_user(payload.user_id)
        if person is not None and person.bot:
            return
        name = person.display_name if person else ""
        found = reaction(payload, me=client.user.id, name=name, at=time.time())
        if not await self._border.guarded(self._border.vote(found), message=found.ref.key):
            self._border.rereads.doubt(found.ref)

    async def changed(self, ref: MessageRef, text: str | None) -> None:
        """A message was edited, or deleted (None)."""
        change = self._border.deleted(ref) if text is None else self._border.edited(ref, text)
        await self._border.guarded(change, message=ref.key)

    def cleared(self, ref: MessageRef) -> None:
        """Reactions were cleared, which does not tell whose."""
        self._border.rereads.doubt(ref)

    def _surface(self, question: MessageRef, place: Conversation) -> DiscordSurface:
        guild = int(question.workspace) if question.workspace != workspace(None) else None
        return DiscordSurface(
            self._connection.calls,
            int(question.channel),
            guild,
            int(question.message),
            place.place == "channel",
        )

    def _on_fresh(self) -> None:
        self._connected.set()
        if not self.is_refusing:
            self._catch_up.connected()

    def _on_resumed(self) -> None:
        if not self.is_refusing:
            self._catch_up.resumed()


class _Client(GatewayClient):
    """discord.py's client with our handlers, which it runs as tasks."""

    def __init__(self, terms: Terms, adapter: DiscordAdapter) -> None:
        super().__init__(terms)
        self._adapter = adapter

    async def on_message(self, message: discord.Message) -> None:
        if self.user is None or self._adapter.is_refusing:
            return
        question = incoming(message, self.user)
        if question is not None:
            await self._adapter.taken(question)

    async def on_raw_message_edit(self, payload: discord.RawMessageUpdateEvent) -> None:
        message = payload.message
        # Without a time of its own it is no edit: a link was unfolded.
        if self.user is None or message.edited_at is None or message.author.bot:
            return
        question = incoming(message, self.user)
        if question is not None:
            await self._adapter.changed(question.ref, question.text)

    async def on_raw_message_delete(self, payload: discord.RawMessageDeleteEvent) -> None:
        await self._adapter.changed(_ref(payload, payload.message_id), None)

    async def on_raw_bulk_message_delete(self, payload: discord.RawBulkMessageDeleteEvent) -> None:
        for message_id in payload.message_ids:
            await self._adapter.changed(_ref(payload, message_id), None)

    async def on_raw_reaction_add(self, payload: discord.RawReactionActionEvent) -> None:
        await self._adapter.voted(payload, self)

    async def on_raw_reaction_remove(self, payload: discord.RawReactionActionEvent) -> None:
        await self._adapter.voted(payload, self)

    async def on_raw_reaction_clear(self, payload: discord.RawReactionClearEvent) -> None:
        self._adapter.cleared(_ref(payload, payload.message_id))

    async def on_raw_reaction_clear_emoji(
        self, payload: discord.RawReactionClearEmojiEvent
    ) -> None:
        self._adapter.cleared(_ref(payload, payload.message_id))


def _ref(
    payload: discord.RawMessageDeleteEvent
    | discord.RawBulkMessageDeleteEvent
    | discord.RawReactionClearEvent
    | discord.RawReactionClearEmojiEvent,
    message_id: int,
) -> MessageRef:
    return MessageRef(
        "discord", workspace(payload.guild_id), str(payload.channel_id), str(message_id)
    )
