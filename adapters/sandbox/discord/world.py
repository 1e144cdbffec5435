"""A loopback Discord: one guild, its people, one bot that connects with discord.py unchanged.

Owns the state, mounts REST, gateway and files under `/discord/`, and does for people what their
client would do. Everything happens in one event loop; each change is dispatched to the bot's
sessions before the call that caused it returns, unless a fault holds it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Literal

from aiohttp import web

from adapters.sandbox.discord import messages, reactions, sharing
from adapters.sandbox.discord.account import Account
from adapters.sandbox.discord.by_hand import ByHand
from adapters.sandbox.discord.cdn import DEFAULT_LIFE_S, Cdn
from adapters.sandbox.discord.changes import (
    Change,
    MessageChanged,
    MessageCreated,
    TypingStarted,
)
from adapters.sandbox.discord.commands import Commands
from adapters.sandbox.discord.dispatch import PUBLISHED, dispatch_of, place_of
from adapters.sandbox.discord.drafts import Draft, Edit
from adapters.sandbox.discord.faults import KINDS, Acts
from adapters.sandbox.discord.flags import ALL_PERMISSIONS, Intents, Permission
from adapters.sandbox.discord.gateway import Gateway, GatewaySettings
from adapters.sandbox.discord.hands import Hands
from adapters.sandbox.discord.ids import BOT_USER_ID
from adapters.sandbox.discord.interactions import Interactions
from adapters.sandbox.discord.limits import OBSERVED, Buckets, Limits
from adapters.sandbox.discord.model import AwayChannel, Reaction
from adapters.sandbox.discord.outbox import Outbox
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.person import (
    audited,
    channel_name,
    message_id,
    person_id,
    storable,
    telling,
    to_wire,
    view,
)
from adapters.sandbox.discord.places import Places
from adapters.sandbox.discord.responses import Responses
from adapters.sandbox.discord.rest import PREFIX, unknown_route
from adapters.sandbox.discord.rest_routes import rest_application
from adapters.sandbox.discord.sessions import Sessions
from adapters.sandbox.discord.state import TYPING_S, State
from adapters.sandbox.discord.whispers import Whispers
from adapters.sandbox.faults import Faults
from adapters.sandbox.interactive import AWAY
from adapters.sandbox.journal import Journal
from adapters.sandbox.listeners import Listeners
from adapters.sandbox.people import handles
from adapters.sandbox.platform import DM, AuditView, ControlError, MessageView, Upload

DEFAULT_LIMITS: Final = Limits()
DEFAULT_GATEWAY: Final = GatewaySettings()


class DiscordWorld(ByHand):
    """The platform. `gateway` can be cut, invalidated and asked to reconnect by tests.

    `privileged_intents` are those switched on for the application; `permissions` what the bot's
    role may do. `limits` are the rate limits in force, by default none that bind. `clock` gives
    seconds of Unix time; `resume_s`, `nonce_window_s` and `file_life_s` are how long a session may
    be away, a nonce is remembered, and the address of a file lives, in seconds; `answer_s` is how
    long the bot has for its first answer to an interaction, `token_life_s` for all others. `people`
    are some of `handles`.
    """

    name: Literal["discord", "slack"] = "discord"
    away: tuple[str, ...] = AWAY
    limits: tuple[str, ...] = ("none", "observed")

    def __init__(
        self,
        *,
        token: str,
        people: tuple[str, ...] = handles(),
        privileged_intents: Intents = Intents.MESSAGE_CONTENT,
        permissions: Permission = ALL_PERMISSIONS,
        limits: Limits = DEFAULT_LIMITS,
        gateway: GatewaySettings = DEFAULT_GATEWAY,
        clock: Callable[[], float] = time.time,
        resume_s: float = 120.0,
        nonce_window_s: float = 300.0,
        file_life_s: float = DEFAULT_LIFE_S,
        answer_s: float = 3.0,
        token_life_s: float = 900.0,
    ) -> None:
        self.people = people
        self._base_url: Callable[[], str] | None = None
        self._listeners = Listeners()
        self._timers: set[asyncio.TimerHandle] = set()
        self._routes = dict(limits.routes)
        limits = self._limits = replace(limits, routes=self._routes)
        self.journal = Journal(clock)
        self._buckets = Buckets(clock)
        self._state = State(
            emit=self._happened,
            clock=clock,
            permissions=permissions,
            nonce_window_s=nonce_window_s,
            people=people,
        )
        self._places = Places(self._state)
        self._cdn = Cdn(state=self._state, clock=clock, life_s=file_life_s, base_url=self._url)
        self._payloads = Payloads(self._state, self._cdn.url_of)
        self._account = Account(token=token, privileged=privileged_intents, state=self._state)
        self.faults = Faults(
            KINDS,
            events=PUBLISHED,
            perform=lambda fault, channel: self._acts.perform(fault, channel),
            clock=clock,
            changed=self._tell,
        )
        self.gateway: Final = Gateway(
            account=self._account,
            sessions=Sessions(clock=clock, resume_s=resume_s),
            payloads=self._payloads,
            buckets=self._buckets,
            limits=limits,
            settings=gateway,
            faults=self.faults,
            base_url=self._url,
            on_presence=self._tell,
        )
        self._acts = Acts(self._state, self.gateway)
        self._outbox = Outbox(self.gateway, self.faults, partial(channel_name, self._state))
        self._commands = Commands(
            self._state.snowflakes,
            lambda: self._buckets.take("command creates", limits.command_creates).allowed,
        )
        self._interactions = Interactions(
            snowflakes=self._state.snowflakes, clock=clock, answer_s=answer_s, life_s=token_life_s
        )
        whispers = Whispers()
        self._responses = Responses(self._state, whispers, self._tell)
        self._hands = Hands(
            state=self._state,
            places=self._places,
            payloads=self._payloads,
            commands=self._commands,
            interactions=self._interactions,
            responses=self._responses,
            whispers=whispers,
            send=self._outbox.publish,
            tell=self._tell,
        )

    def attach(self, app: web.Application, base_url: Callable[[], str]) -> None:
        """Add the routes under `/discord/`, and close connections when the application stops."""
        if self._base_url is not None:
            raise RuntimeError("this world is attached already")
        self._base_url = base_url
        app.add_subapp(
            PREFIX,
            rest_application(
                state=self._state,
                payloads=self._payloads,
                account=self._account,
                buckets=self._buckets,
                limits=self._limits,
                faults=self.faults,
                journal=self.journal,
                gateway_url=self.gateway.url,
                commands=self._commands,
                interactions=self._interactions,
                responses=self._responses,
                gateway=self.gateway.settings,
            ),
        )
        app.router.add_get("/discord/gateway", self.gateway.handle)
        app.router.add_get(
            "/discord/cdn/attachments/{channel}/{attachment}/{filename}", self._cdn.serve
        )
        app.router.add_route("*", "/discord/{rest:.*}", unknown_route)
        app.on_shutdown.append(self._on_shutdown)

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call `on_change` after each visible change; returns what ends the subscription."""
        return self._listeners.subscribe(on_change)

    async def post(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        thread: str | None = None,
        reply_to: str | None = None,
    ) -> str:
        """Post as a person and return the message's id; a reply pings, as the client's default.

        Raises ControlError for what does not exist and for what Discord would refuse.
        """
        author = person_id(self._state, user)
        answered = None if reply_to is None else message_id(reply_to)
        draft = Draft(content=storable(to_wire(self._state, text)), reply_to=answered)
        with telling():
            place = self._places.to_speak(channel, author, thread=thread)
            return str(messages.create(self._state, place, author, draft).id)

    async def upload(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        files: Sequence[Upload],
        thread: str | None = None,
    ) -> str:
        """Post files as a person."""
        author = person_id(self._state, user)
        draft = Draft(
            content=storable(to_wire(self._state, text)),
            attachments=sharing.attached(self._state, files),
        )
        with telling():
            place = self._places.to_speak(channel, author, thread=thread)
            return str(messages.create(self._state, place, author, draft).id)

    async def forward(self, *, channel: str, message: str, user: str, to: str) -> str:
        """Forward a message as a person; the new message has no text of its own."""
        author = person_id(self._state, user)
        draft = sharing.forwarding(self._places.find(channel, message, author))
        with telling():
            place = self._places.to_speak(to, author, thread=None)
            return str(messages.create(self._state, place, author, draft).id)

    async def edit(self, *, channel: str, message: str, user: str, text: str) -> None:
        """Edit a person's own message."""
        author = person_id(self._state, user)
        found = self._places.find(channel, message, author)
        with telling():
            messages.edit(
                self._state, found, author, Edit(content=storable(to_wire(self._state, text)))
            )

    async def delete(self, *, channel: str, message: str, user: str) -> None:
        """Delete a person's own message, or as a moderator the bot's, of which a DM has none."""
        author = person_id(self._state, user)
        found = self._places.find(channel, message, author)
        moderated = found.author_id == BOT_USER_ID and self._payloads.in_guild(found.channel_id)
        with telling():
            messages.delete(self._state, found, BOT_USER_ID if moderated else author)

    async def react(
        self,
        *,
        channel: str,
        message: str,
        user: str,
        emoji: str,
        present: bool,
        burst: bool = False,
    ) -> None:
        """Add or remove a person's reaction; `burst` makes it a super reaction."""
        giver = person_id(self._state, user)
        found = self._places.find(channel, message, giver)
        with telling():
            reaction = Reaction(reactions.emoji_of(emoji), giver, burst)
            act = reactions.add if present else reactions.remove
            act(self._state, found, reaction)

    async def clear_reactions(self, *, channel: str, message: str, emoji: str | None) -> None:
        """Take all reactions away, or all of one emoji; in a direct message nobody may."""
        if channel == DM:
            raise ControlError("a direct message has no moderator")
        found = self._places.find(channel, message, BOT_USER_ID)
        with telling():
            wanted = None if emoji is None else reactions.emoji_of(emoji)
            reactions.clear(self._state, found, wanted)

    def messages(
        self, *, channel: str, user: str, newest: int | None = None
    ) -> Sequence[MessageView]:
        """All messages of a channel and its threads that the person sees, oldest first.

        The platform's own notes are left out.
        """
        person = person_id(self._state, user)
        found = [*self._places.messages(channel, person), *self._hands.whispers(channel, person)]
        found.sort(key=lambda one: one.id)
        return [view(self._state, one) for one in found[-(newest or 0) :]]

    def audit(self) -> Sequence[AuditView]:
        """Every message that exists, oldest first in each channel and thread."""
        return [audited(self._state, one) for one in self._places.everywhere()]

    def pinged(self, *, channel: str, message: str, user: str) -> frozenset[int]:
        """The ids of those whom the message notified when it was sent."""
        return self._places.find(channel, message, person_id(self._state, user)).pinged

    def activity(self, *, channel: str, user: str) -> str | None:
        """`typing` while the bot is shown as typing in the channel or one of its threads."""
        person = person_id(self._state, user)
        return "typing" if self._places.is_typing(BOT_USER_ID, channel, person) else None

    def limit(self, name: str) -> None:
        """No limits of routes, or those that bots are seen to run into."""
        if name not in self.limits:
            raise ControlError(f"limits: {name!r} is unknown; allowed: {', '.join(self.limits)}")
        self._routes.clear()
        self._routes.update(OBSERVED if name == "observed" else {})

    def connected(self) -> bool:
        """Whether a bot is connected and would receive a message posted now."""
        return self.gateway.connected()

    async def close(self) -> None:
        """Close every connection and end every timer."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._outbox.close()
        await self.gateway.close()

    async def _on_shutdown(self, _: web.Application) -> None:
        await self.close()

    def _url(self) -> str:
        if self._base_url is None:
            raise RuntimeError("this world is not attached to a server")
        return self._base_url()

    def _happened(self, change: Change) -> None:
        if not isinstance(self._state.channel(place_of(change)), AwayChannel):
            self._outbox.publish(dispatch_of(change, self._payloads))
        if (
            isinstance(change, MessageCreated | MessageChanged)
            and change.message.author_id == BOT_USER_ID
        ):
            self.journal.shown(str(change.message.id), change.message.content)
        if isinstance(change, TypingStarted):
            self._tell_after(TYPING_S)
        self._tell()

    def _tell(self) -> None:
        self._listeners.tell()

    def _tell_after(self, seconds: float) -> None:
        """A typing notice that runs out is a change that nobody causes."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            self._timers.discard(timer)
            self._tell()

        timer = loop.call_later(seconds, tell)
        self._timers.add(timer)
