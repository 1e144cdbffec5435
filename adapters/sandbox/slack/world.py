"""`SlackWorld`: the loopback Slack as one piece, and what a person can do in it.

Owns the parts and their lifetimes: the workspace, the Web API, Socket Mode or signed HTTP, the
files. The bot on the other side is an unmodified Slack app; it is given `{base_url}/slack/api/`.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

from aiohttp import web

from adapters.sandbox.faults import Faults
from adapters.sandbox.journal import Journal
from adapters.sandbox.listeners import Listeners
from adapters.sandbox.people import handles
from adapters.sandbox.platform import AuditView, ControlError, MessageView, Upload
from adapters.sandbox.removal_routes import How
from adapters.sandbox.slack import payload, sharing
from adapters.sandbox.slack.company import LAST_WORDS, Company
from adapters.sandbox.slack.delivery import Deliveries, LoggedDelivery, Transport, new_event_id
from adapters.sandbox.slack.directory import BOT_USER_ID, CHANNEL_IDS, TEAM_ID, USER_IDS
from adapters.sandbox.slack.emoji import name_of
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.faults import EVENTS, KINDS, Acts
from adapters.sandbox.slack.file_store import FileStore
from adapters.sandbox.slack.files import FileRoutes
from adapters.sandbox.slack.host import Host
from adapters.sandbox.slack.http_events import HttpEvents
from adapters.sandbox.slack.interactions import Asked, Interactions
from adapters.sandbox.slack.interactive_side import InteractiveSide
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.methods import METHODS
from adapters.sandbox.slack.modals import Modals
from adapters.sandbox.slack.oauth import App, OAuth, Office
from adapters.sandbox.slack.person import (
    audited,
    check_person,
    check_text,
    message_in,
    own_message,
    room_of,
    view,
)
from adapters.sandbox.slack.rates import DOCUMENTED_LIMITS, RateLimiter
from adapters.sandbox.slack.reactions import check_room_for
from adapters.sandbox.slack.renaming import Renaming
from adapters.sandbox.slack.response_urls import ResponseUrls
from adapters.sandbox.slack.settings import Knobs
from adapters.sandbox.slack.socket import DisconnectReason, SocketMode
from adapters.sandbox.slack.subscriptions import is_heard
from adapters.sandbox.slack.tokens import Tokens
from adapters.sandbox.slack.triggers import Triggers
from adapters.sandbox.slack.web_api import ApiCall, WebApi
from adapters.sandbox.slack.workspace import Workspace


class SlackWorld(InteractiveSide):
    """A loopback Slack with one team, implementing the sandbox's `Platform` and `Interactive`.

    With `events_url` events are signed and POSTed there (HTTP mode), without it they go over
    Socket Mode. `people` are some of `handles`. Raises ValueError for tokens of the wrong form, an
    empty signing secret or a URL that is not on loopback.
    """

    name: Literal["discord", "slack"] = "slack"
    limits: tuple[str, ...] = ("none", "window", "bucket")

    def __init__(
        self,
        *,
        bot_token: str | None,
        app_token: str,
        signing_secret: str,
        people: tuple[str, ...] = handles(),
        events_url: str | None = None,
        knobs: Knobs | None = None,
        app: App | None = None,
        renaming: Renaming | None = None,
        team_name: str = "Candor sandbox",
    ) -> None:
        """Without a `bot_token` the app is not installed until a person lets it in, which takes an
        `app`; `renaming` is how the workspace's ids are named at the wire."""
        if not signing_secret:
            raise ValueError("the signing secret must not be empty")
        self.people = people
        self.knobs = knobs or Knobs()
        self._listeners = Listeners()
        self._base_url: Callable[[], str] | None = None
        self._is_running = False
        self._expiry: asyncio.TimerHandle | None = None
        renaming = renaming or Renaming()
        tokens = Tokens(bot_token=bot_token, app_token=app_token, scopes=self.knobs.scopes)
        self.journal = Journal(self.knobs.clock)
        self.workspace = Workspace(
            people=people,
            clock=self.knobs.clock,
            emit=self.emit,
            changed=self._workspace_changed,
            shown=self._shown,
        )
        self._sockets = SocketMode(self.knobs, self._base, self._listeners.tell)
        self._acts = Acts(self.workspace, self._sockets)
        self.faults = Faults(
            KINDS,
            events=EVENTS,
            perform=self._acts.perform,
            clock=self.knobs.clock,
            changed=self._listeners.tell,
        )
        self.faults.know_calls(METHODS)
        self._http = HttpEvents(signing_secret, self.knobs, self._listeners.tell)
        self._deliveries = Deliveries(
            self._sockets,
            delays=self.knobs.scaled_redelivery_delays,
            ack_timeout=self.knobs.scaled_ack_timeout,
            limit=self.knobs.max_pending_events,
            faults=self.faults,
        )
        triggers = Triggers(self.knobs.trigger_lifetime, self.knobs.clock)
        modals = Modals(self.knobs.clock, self._listeners.tell)
        self.urls = ResponseUrls(self.workspace, self.knobs, self._base)
        self._interactions = Interactions(
            self.workspace,
            self.knobs,
            triggers,
            modals,
            self.urls,
            lambda: self._deliveries.transport,
        )
        super().__init__(self.workspace, self.knobs, modals, self._interactions)
        store = FileStore()
        self._host = host = Host(
            workspace=self.workspace,
            knobs=self.knobs,
            files=store,
            triggers=triggers,
            modals=modals,
            base_url=self._base,
            open_socket_url=self._sockets.open_url,
        )
        self.web_api = WebApi(host, tokens, self.faults, self.journal, renaming)
        self.office = Office(TEAM_ID, team_name, tokens, renaming)
        oauth = None if app is None else OAuth(app, people, self.knobs.clock)
        self.company = Company(self, oauth)
        self._files = FileRoutes(store, tokens)
        self.set_events_url(events_url)

    # Life

    def attach(self, app: web.Application, base_url: Callable[[], str]) -> None:
        """Add the routes under `/slack/`; the world lives and ends with the application."""
        self._base_url = base_url
        self.company.add_to(app, base_url)
        self.web_api.add_to(app)
        self._sockets.add_to(app)
        self._files.add_to(app)
        self.urls.add_to(app)
        app.on_startup.append(self._start)
        app.on_shutdown.append(self._shut_down)

    async def _start(self, app: web.Application) -> None:
        self._is_running = True
        self.company.start()
        self._http.start()

    async def _shut_down(self, app: web.Application) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection and end every task. Closing twice is fine."""
        await self.company.close()
        self._is_running = False
        if self._expiry is not None:
            self._expiry.cancel()
        await self._deliveries.close()
        await self._http.close()
        await self._sockets.close()

    def set_events_url(self, url: str | None) -> None:
        """Send events to `url` from now on, or over Socket Mode for None.

        Events that already wait for a socket stay with Socket Mode.
        """
        self._http.set_url(url)
        self._deliveries.transport = self._sockets if url is None else self._http
        if self._is_running:
            self._http.start()

    async def verify_events_url(self) -> bool:
        """Whether the events URL passes Slack's handshake now."""
        return await self._http.verify()

    async def disconnect(self, reason: DisconnectReason = "refresh_requested") -> None:
        """Ask every Socket Mode connection to reconnect, as Slack does now and then."""
        self._sockets.disconnect_all(reason)

    # What happened, for assertions

    @property
    def calls(self) -> deque[ApiCall]:
        """The Web API calls, oldest first, up to a bound."""
        return self.web_api.calls

    def calls_to(self, method: str) -> list[ApiCall]:
        """The recorded calls of one Web API method."""
        return [call for call in self.calls if call.method == method]

    @property
    def deliveries(self) -> deque[LoggedDelivery]:
        """The attempts to deliver events that came to an end, oldest first, up to a bound."""
        return self._deliveries.log

    @property
    def pending_events(self) -> int:
        """Events that are neither acknowledged nor given up."""
        return self._deliveries.pending

    @property
    def asked(self) -> deque[Asked]:
        """What people did that the app had to answer, oldest first, up to a bound."""
        return self._interactions.log

    # The person's side

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
        """Post as a person and return the ts.

        `thread` may be a message or a reply under it. Raises ControlError for what is unknown,
        for `reply_to` (Slack has threads instead) and for a text that Slack would not send.
        """
        room = room_of(self.workspace, channel, user)
        if reply_to is not None:
            raise ControlError("Slack has no replies to a message; answer in its thread instead")
        check_text(text)
        parent = None
        if thread is not None:
            message = message_in(room, thread)
            parent = message.thread_ts or message.ts
        posted = self.workspace.post_as_person(room.channel.id, USER_IDS[user], text, parent)
        return posted.ts

    async def upload(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        files: Sequence[Upload],
        thread: str | None = None,
    ) -> str:
        """Post files as a person. Raises ControlError as `post` does."""
        room = room_of(self.workspace, channel, user)
        if text:
            check_text(text)
        parent = None if thread is None else message_in(room, thread)
        posted = self.workspace.post_as_person(
            room.channel.id,
            USER_IDS[user],
            text,
            None if parent is None else parent.thread_ts or parent.ts,
            files=sharing.uploaded(self._host, files, USER_IDS[user]),
        )
        return posted.ts

    async def forward(self, *, channel: str, message: str, user: str, to: str) -> str:
        """Share a message in another channel, as a person. Raises ControlError."""
        room = room_of(self.workspace, channel, user)
        attachment = sharing.shared(self._host, room, message_in(room, message))
        target = room_of(self.workspace, to, user).channel.id
        return self.workspace.post_as_person(
            target, USER_IDS[user], "", None, attachments=(attachment,)
        ).ts

    async def edit(self, *, channel: str, message: str, user: str, text: str) -> None:
        """Edit a person's own message; the same text again is no edit. Raises ControlError."""
        found = own_message(room_of(self.workspace, channel, user), message, USER_IDS[user])
        check_text(text)
        self.workspace.edit_as_person(found, text)

    async def delete(self, *, channel: str, message: str, user: str) -> None:
        """Delete a person's own message, or as an admin the bot's. Raises ControlError."""
        room = room_of(self.workspace, channel, user)
        self.workspace.delete(own_message(room, message, USER_IDS[user], BOT_USER_ID))

    async def clear_reactions(self, *, channel: str, message: str, emoji: str | None) -> None:
        """Raises ControlError: on Slack everybody takes back their own reactions only."""
        raise ControlError("Slack has no way to clear other people's reactions")

    async def react(
        self, *, channel: str, message: str, user: str, emoji: str, present: bool
    ) -> None:
        """Add or remove a person's reaction; a repeat is no event. Raises ControlError."""
        found = message_in(room_of(self.workspace, channel, user), message)
        name = name_of(emoji)
        if name is None:
            raise ControlError(f"{emoji!r} is neither a known emoji nor a valid name of one")
        if present and not found.has_reaction(name, USER_IDS[user]):
            try:
                check_room_for(found, name, USER_IDS[user])
            except SlackError as error:
                raise ControlError(f"Slack refuses the reaction: {error.code}") from error
        self.workspace.react(found, name=name, user=USER_IDS[user], present=present)

    def messages(
        self, *, channel: str, user: str, newest: int | None = None
    ) -> Sequence[MessageView]:
        """All messages that a person sees in a channel, oldest first, replies included."""
        room = room_of(self.workspace, channel, user)
        seen = list(self.workspace.visible(room.channel.id, USER_IDS[user]))
        return [view(one) for one in seen[-(newest or 0) :]]

    def audit(self) -> Sequence[AuditView]:
        """Every message that exists but ephemeral ones, oldest first in each channel."""
        now = self.knobs.clock()
        return [
            audited(room, one, now)
            for room in self.workspace.rooms
            for one in room.messages.values()
        ]

    def activity(self, *, channel: str, user: str) -> str | None:
        """The status that the bot shows in a channel, in any thread of it."""
        return self.workspace.status(room_of(self.workspace, channel, user).channel.id)

    def connected(self) -> bool:
        """Whether a socket is open, or in HTTP mode whether the events URL last answered."""
        if self._http.url is not None:
            return self._http.is_answering
        return self._sockets.num_connections > 0

    def limit(self, name: str) -> None:
        """No limits, or Slack's documented ones: by strict windows, or by refilling buckets."""
        match name:
            case "none":
                self.web_api.limiter = RateLimiter({})
            case "window" | "bucket":
                self.web_api.limiter = RateLimiter(DOCUMENTED_LIMITS, name)
            case _:
                raise ControlError(
                    f"limits: {name!r} is unknown; allowed: {', '.join(self.limits)}"
                )

    def open_home(self, *, user: str, tab: Literal["home", "messages"]) -> None:
        """A person opens the app's home or its messages tab. Raises ControlError."""
        check_person(self.workspace, user)
        self.workspace.open_home(user, USER_IDS[user], tab)

    def set_membership(self, *, channel: str, member: bool) -> None:
        """Put the bot into a public channel or take it out. Raises ControlError."""
        if channel not in CHANNEL_IDS:
            raise ControlError(f"there is no public channel {channel!r}")
        self.workspace.set_membership(CHANNEL_IDS[channel], member=member)

    def remove(self, how: How, *, team: str | None = None) -> None:
        """Take the app out of a workspace as an admin does, or just its tokens back."""
        self.company.remove(how, team or self.office.id)

    # Between the parts

    def _shown(self, message: Message) -> None:
        if self.journal.is_open and message.by_bot:
            self.journal.shown(message.ts, view(message).text)

    def _base(self) -> str:
        if self._base_url is None:
            raise RuntimeError("the world is not attached to an application")
        return self._base_url()

    def live(self, base_url: Callable[[], str] | None, *, is_running: bool) -> None:
        """Learn the address of a server that others attached to, and whether it runs."""
        self._base_url = base_url or self._base_url
        self._is_running = is_running

    @property
    def transport(self) -> Transport:
        """How events go out at the moment."""
        return self._deliveries.transport

    def emit(self, event: Json, subscription: str) -> None:
        """Tell the app of an event, if it hears of those."""
        if not self.office.tokens.is_installed or not is_heard(subscription, self.knobs):
            return
        event_id = new_event_id()
        body = payload.envelope(event, event_id=event_id, now=self.knobs.clock())
        if subscription in LAST_WORDS:
            body["authorizations"] = []
        self._deliveries.submit(event_id, body)

    def _workspace_changed(self) -> None:
        """Tell of the change, and be there when the next status ends by itself."""
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        expires_at = self.workspace.next_expiry()
        if expires_at is not None and self._is_running:
            delay = max(0.0, expires_at - self.knobs.clock())
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(delay, self._workspace_changed)
        self._listeners.tell()
