"""The Slack adapter: bolt's app over Socket Mode or signed HTTP.

Puts the connection together (`connection`, `endpoint`). Events are made durable in a middleware,
before bolt acknowledges them: what fails there is not acknowledged, and Slack delivers it again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse

from adapters.backoff import Backoff
from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.pacing import Pace, Way
from adapters.slack.calls import METHODS, Calls, web_client
from adapters.slack.connection import Sockets
from adapters.slack.endpoint import Endpoint
from adapters.slack.history import SlackHistory
from adapters.slack.identity import Known, identify, watch
from adapters.slack.names import Names
from adapters.slack.status import Statuses
from adapters.slack.stream import Streams
from adapters.slack.surface import SlackSurface
from adapters.slack.translate import changed, deleted, incoming, reaction
from bot.domain import Incoming, MessageRef, Person, Place, Turn
from bot.settings import SlackSettings
from bot.store.places import Places

log = structlog.get_logger()

PACES: Mapping[Way, Pace] = {
    "edit": Pace(METHODS["chat.update"].rate, interval_s=1.2, slowing_s=0.06, worth=30),
    "append": Pace(METHODS["chat.appendStream"].rate, interval_s=0.7),
}
"""How often answers are shown in a workspace; posts are counted by channel, in the budget below."""
CONNECT_RETRY_S = 5.0
CONNECT_RETRY_MAX_S = 120.0
REPEATED_S = 60.0
"""A shorter outage needs no catching up: Slack repeats what it could not deliver at once, after a
minute and after five."""
EVENTS = ("message", "app_mention", "reaction_added", "reaction_removed")


class SlackAdapter:
    """Candor on Slack."""

    def __init__(
        self, settings: SlackSettings, border: Border, catch_up: CatchUp, places: Places
    ) -> None:
        if settings.bot_token is None:
            raise ValueError("a Slack adapter needs slack.bot_token")
        self._settings = settings
        self._border = border
        self._catch_up = catch_up
        token = settings.bot_token.get_secret_value()
        self._calls = Calls(web_client(token, settings.api_url))
        self._streams = Streams(self._calls) if settings.stream else None
        self._statuses = Statuses(self._calls)
        self._known = Known(token)
        self._names = Names(self._calls, border)
        secret = settings.signing_secret
        self._app = AsyncApp(
            client=web_client(None, settings.api_url),  # `Known` brings the token
            authorize=self._known,
            signing_secret=secret.get_secret_value() if secret else None,
            request_verification_enabled=settings.mode == "http",
            ignoring_self_events_enabled=False,  # it hides that an answer of ours was deleted
        )
        self._app.use(self._durably)
        for event in EVENTS:
            self._app.event(event)(_done)
        self._me = self._team = ""
        self._refuses = False
        self._connection = self._connect()
        self.history = SlackHistory(self._calls, lambda: (self._team, self._me), places)

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._connection.ready.wait()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError for a wrong token, PortInUse."""
        known = await identify(self._calls, backoff=Backoff(CONNECT_RETRY_S, CONNECT_RETRY_MAX_S))
        self._known.identity = known
        self._me, self._team = known.user, known.team
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(watch(self._calls)),
                group.create_task(self._names.run()),
                group.create_task(self._begin_to_catch_up()),
            ]
            try:
                await self._connection.run()
            finally:
                for task in others:
                    task.cancel()

    def refuse(self) -> None:
        """Take no more events: Slack delivers them again."""
        self._refuses = True
        self._catch_up.disconnected()

    async def answer(self, turn: Turn, resumed: bool) -> None:
        """Answer a turn of the inbox to its end."""
        thread = turn.conversation.root or turn.thread or None
        surface = self._surface(turn.question, turn.conversation.place, thread, turn.asker)
        await self._border.answer(turn, surface, self.history, resumed=resumed)

    async def take(self, question: Incoming) -> None:
        """Take in a message. Raises StoreUnavailable when too many wait for the store."""
        surface = self._surface(question.ref, question.place, question.thread, question.author)
        await self._border.take(question, surface)
        if question.mentions_bot or question.place == "dm":
            self._names.learn(question.author)

    def _surface(
        self, question: MessageRef, place: Place, thread: str | None, asker: Person
    ) -> SlackSurface:
        """Where a question is answered: in its thread, or, as Slack shows agents, in one under it.

        Without streams the top level of a direct message is answered there.
        """
        if thread is None and place == "dm" and self._settings.stream:
            thread = question.message
        return SlackSurface(
            self._calls,
            channel=question.channel,
            workspace=question.workspace,
            thread=thread,
            question=question.message,
            asker=asker.id,
            streams=self._streams,
            statuses=self._statuses,
        )

    def _connect(self) -> Sockets | Endpoint:
        """What events will arrive by."""
        settings = self._settings
        if settings.mode == "http":
            return Endpoint(self._app, settings.host, settings.port)
        if settings.app_token is None:
            raise ValueError("Socket Mode needs slack.app_token")
        return Sockets(
            self._app,
            self._calls,
            settings.app_token.get_secret_value(),
            on_lost=self._catch_up.disconnected,
            on_back=self._on_back,
        )

    async def _begin_to_catch_up(self) -> None:
        await self._connection.ready.wait()
        if not self._refuses:
            self._catch_up.connected()

    def _on_back(self, away_s: float) -> None:
        if self._refuses:
            return
        if away_s < REPEATED_S:
            self._catch_up.resumed()
        else:
            self._catch_up.connected()

    async def _durably(
        self, body: Mapping[str, Any], next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse:
        """Take an event in before it is acknowledged; what could not be taken in, is not."""
        event = body.get("event") or {}
        done = not self._refuses and await self._border.guarded(
            self._handle(event), kind=str(event.get("type")), ts=str(event.get("event_ts"))
        )
        return await next_() if done else BoltResponse(status=503, body="")

    async def _handle(self, event: Mapping[str, Any]) -> None:
        team, me = self._team, self._me
        if event.get("type") in {"reaction_added", "reaction_removed"}:
            found = reaction(event, team=team, me=me)
            if found is not None and found.person.id != me:
                await self._border.vote(found)
                self._names.learn(found.person)
        elif question := incoming(event, team=team, me=me):
            await self.take(question)
            if event.get("edited"):  # a mention that was edited comes again
                await self._border.edited(question.ref, question.text)
        elif change := changed(event, team=team, me=me):
            await self._border.edited(*change)
        elif gone := deleted(event, team=team):
            await self._border.deleted(gone)


async def _done() -> None:
    """Nothing is left to do once an event was taken in."""
