"""The Discord adapter: handlers that translate and hand over, on the client of the moment.

Discord acknowledges nothing and delivers an event once: what a handler could not make durable is
caught up on from the channel's history.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import discord
import yarl
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters import wording
from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.discord.commands import register, tree_of
from adapters.discord.controls import listeners
from adapters.discord.counter import Counter
from adapters.discord.followup import FollowUpSurface
from adapters.discord.gateway import GatewayClient, Terms
from adapters.discord.history import DiscordHistory
from adapters.discord.questions import Questions
from adapters.discord.shards import Shards
from adapters.discord.surface import DiscordSurface, after_which
from adapters.discord.translate import AWAY, incoming, reaction, workspace
from adapters.interaction import Desk
from adapters.pacing import Pace, Way
from adapters.rates import Window
from adapters.surface import Surface
from bot.domain import Conversation, Incoming, MessageRef, Turn
from bot.platform_settings import DiscordSettings
from bot.store.places import Places
from bot.store.tickets import Tickets

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
        self,
        settings: DiscordSettings,
        border: Border,
        catch_up: CatchUp,
        places: Places,
        tickets: Tickets,
        desk: Desk | None = None,
    ) -> None:
        """Without a `desk` questions are all that there is: no buttons work, and few commands."""
        if settings.token is None:
            raise ValueError("a Discord adapter needs discord.token")
        self._border = border
        self._catch_up = catch_up
        self._tickets = tickets
        questions = Questions(tickets, self.taken, catch_up.missed)
        self.counter = Counter(desk, questions)
        self._is_registered = False
        self._connected = asyncio.Event()
        self._connection = Shards(
            settings.token.get_secret_value(),
            lambda terms: _Client(terms, self),
            content=settings.message_content,
            sharded=settings.sharded,
            on_fresh=self._on_fresh,
            on_lost=catch_up.disconnected,
            on_resumed=self._on_resumed,
        )
        self.history = DiscordHistory(self._connection.calls, places, bots=border.bots)
        self.is_refusing = False
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # no voice here
        # discord.py has its addresses as class attributes: one process, one Discord.
        Route.BASE = settings.api_url
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(settings.gateway_url)

    @property
    def bots(self) -> frozenset[str]:
        """The ids of bots whose messages may be questions."""
        return self._border.bots

    @property
    def lacks(self) -> tuple[str, ...]:
        """What we could do here and may not, in a line each."""
        return () if self._connection.reads_content else (wording.LACKS_CONTENT,)

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
        surface = self._surface(turn.question, turn.conversation, after_which(turn))
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

    async def register(
        self, client: discord.Client, tree: discord.app_commands.CommandTree[Any]
    ) -> None:
        """See to it that our commands are what Discord offers, once in this process."""
        if not self._is_registered:
            self._is_registered = await register(client, tree)

    def _surface(self, question: MessageRef, place: Conversation, after: int = 0) -> Surface:
        if question.workspace == AWAY:
            return FollowUpSurface(self._connection.calls, self._tickets, question)
        guild = int(question.workspace) if question.workspace != workspace(None) else None
        return DiscordSurface(
            self._connection.calls,
            int(question.channel),
            guild,
            int(question.message),
            place.place == "channel",
            after,
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
        self._tree = tree_of(self, adapter.counter)
        if adapter.counter.has_desk:
            self.add_dynamic_items(*listeners(adapter.counter.press, adapter.counter.open_form))

    async def on_ready(self) -> None:
        await super().on_ready()
        await self._adapter.register(self, self._tree)

    async def on_interaction(self, interaction: discord.Interaction[Any]) -> None:
        if interaction.type is discord.InteractionType.modal_submit:
            await self._adapter.counter.filled(interaction)

    async def on_message(self, message: discord.Message) -> None:
        if self.user is None or self._adapter.is_refusing:
            return
        question = incoming(message, self.user, bots=self._adapter.bots)
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
