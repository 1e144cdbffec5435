"""A loopback Discord: one guild, its people, one bot that connects with discord.py unchanged.

Owns the state, mounts REST, gateway and files under `/discord/`, and does for people what their
client would do. Everything happens in one event loop; each change is dispatched to the bot's
sessions before the call that caused it returns, unless a fault holds it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Literal

from aiohttp import web

from adapters.sandbox.discord import messages, reactions
from adapters.sandbox.discord.account import Account
from adapters.sandbox.discord.cdn import DEFAULT_LIFE_S, Cdn
from adapters.sandbox.discord.changes import Change, TypingStarted
from adapters.sandbox.discord.dispatch import PUBLISHED, dispatch_of
from adapters.sandbox.discord.faults import KINDS, Acts
from adapters.sandbox.discord.flags import ALL_PERMISSIONS, Intents, Permission
from adapters.sandbox.discord.gateway import Gateway, GatewaySettings
from adapters.sandbox.discord.ids import BOT_USER_ID
from adapters.sandbox.discord.limits import Buckets, Limits
from adapters.sandbox.discord.messages import Draft, Edit
from adapters.sandbox.discord.model import SPOKEN, Channel, Message, Reaction, TextChannel
from adapters.sandbox.discord.outbox import Outbox
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.person import (
    audited,
    channel_name,
    guild_channel_id,
    message_id,
    person_id,
    storable,
    telling,
    thread_name,
    to_wire,
    view,
)
from adapters.sandbox.discord.rest import PREFIX, unknown_route
from adapters.sandbox.discord.rest_routes import rest_application
from adapters.sandbox.discord.sessions import Sessions
from adapters.sandbox.discord.state import TYPING_S, State
from adapters.sandbox.discord.thread_start import start_thread
from adapters.sandbox.faults import Faults
from adapters.sandbox.people import handles
from adapters.sandbox.platform import AuditView, ControlError, MessageView

DEFAULT_LIMITS: Final = Limits()
DEFAULT_GATEWAY: Final = GatewaySettings()
DIRECT: Final = "dm"


class DiscordWorld:
    """The platform. `gateway` can be cut, invalidated and asked to reconnect by tests.

    `privileged_intents` are those switched on for the application; `permissions` what the bot's
    role may do. `limits` are the rate limits in force, by default none that bind. `clock` gives
    seconds of Unix time; `resume_s`, `nonce_window_s` and `file_life_s` are how long a session may
    be away, a nonce is remembered, and the address of a file lives, in seconds. `people` are some
    of `handles`.
    """

    name: Literal["discord", "slack"] = "discord"

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
    ) -> None:
        self.people = people
        self._base_url: Callable[[], str] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self._limits = limits
        self._buckets = Buckets(clock)
        self._state = State(
            emit=self._happened,
            clock=clock,
            permissions=permissions,
            nonce_window_s=nonce_window_s,
            people=people,
        )
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
                gateway_url=self.gateway.url,
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
        # Wrapped, so that subscribing one function twice gives two subscriptions.
        listener = lambda: on_change()  # noqa: E731
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

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
        place: Channel = self._place(channel, author)
        answered = None if reply_to is None else message_id(reply_to)
        draft = Draft(content=storable(to_wire(self._state, text)), reply_to=answered)
        with telling():
            if thread is not None:
                place = self._thread_under(place, message_id(thread), author)
            return str(messages.create(self._state, place, author, draft).id)

    async def edit(self, *, channel: str, message: str, user: str, text: str) -> None:
        """Edit a person's own message."""
        author = person_id(self._state, user)
        found = self._find(channel, message, author)
        with telling():
            messages.edit(
                self._state, found, author, Edit(content=storable(to_wire(self._state, text)))
            )

    async def delete(self, *, channel: str, message: str, user: str) -> None:
        """Delete a person's own message."""
        author = person_id(self._state, user)
        found = self._find(channel, message, author)
        with telling():
            messages.delete(self._state, found, author)

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
        found = self._find(channel, message, giver)
        with telling():
            reaction = Reaction(reactions.emoji_of(emoji), giver, burst)
            act = reactions.add if present else reactions.remove
            act(self._state, found, reaction)

    def messages(self, *, channel: str, user: str) -> Sequence[MessageView]:
        """All messages of a channel and its threads, oldest first, without the platform's notes."""
        places = self._places(channel, person_id(self._state, user))
        found = [one for place in places for one in self._state.history(place.id)]
        found.sort(key=lambda one: one.id)
        return [view(self._state, one) for one in found if one.type in SPOKEN]

    def audit(self) -> Sequence[AuditView]:
        """Every message that exists, oldest first in each channel and thread."""
        places = self._state.channels.values()
        found = [one for place in places for one in self._state.history(place.id)]
        return [audited(self._state, one) for one in found if one.type in SPOKEN]

    def pinged(self, *, channel: str, message: str, user: str) -> frozenset[int]:
        """The ids of those whom the message notified when it was sent."""
        return self._find(channel, message, person_id(self._state, user)).pinged

    def activity(self, *, channel: str, user: str) -> str | None:
        """`typing` while the bot is shown as typing in the channel or one of its threads."""
        places = self._places(channel, person_id(self._state, user))
        typing = any(self._state.is_typing(place.id, BOT_USER_ID) for place in places)
        return "typing" if typing else None

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
        self._outbox.publish(dispatch_of(change, self._payloads))
        if isinstance(change, TypingStarted):
            self._tell_after(TYPING_S)
        self._tell()

    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    def _tell_after(self, seconds: float) -> None:
        """A typing notice that runs out is a change that nobody causes."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            self._timers.discard(timer)
            self._tell()

        timer = loop.call_later(seconds, tell)
        self._timers.add(timer)

    def _place(self, channel: str, person: int) -> Channel:
        """The channel where a person is about to speak; a direct one is opened."""
        if channel == DIRECT:
            return self._state.open_direct_channel(person)
        return self._state.channel(guild_channel_id(channel))

    def _places(self, channel: str, person: int) -> list[Channel]:
        """The channel and its threads; nothing for a direct channel that was never opened."""
        if channel == DIRECT:
            direct = self._state.direct_channel(person)
            return [] if direct is None else [direct]
        parent = self._state.channel(guild_channel_id(channel))
        return [parent, *self._state.threads_of(parent.id)]

    def _find(self, channel: str, message: str, person: int) -> Message:
        wanted = message_id(message)
        for place in self._places(channel, person):
            found = self._state.find_message(place.id, wanted)
            if found is not None:
                return found
        raise ControlError(f"no such message: {message!r}")

    def _thread_under(self, place: Channel, source_id: int, person: int) -> Channel:
        thread = self._state.thread(source_id)
        if thread is not None and thread.parent_id == place.id:
            return thread
        if not isinstance(place, TextChannel):
            raise ControlError("a direct message has no threads")
        source = self._state.message(place.id, source_id)
        return start_thread(self._state, place, person, name=thread_name(source), source=source)
