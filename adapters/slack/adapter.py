"""The Slack adapter: bolt's app over Socket Mode or signed HTTP, in one workspace or in many.

Puts the connection (`connection`, `endpoint`) and the workspaces (`teams`, `installed`) together;
each event, question and answer goes by its own workspace's token. Events are made durable in a
middleware, before bolt acknowledges them: what fails there is not acknowledged, and Slack delivers
it again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.interaction import Desk, Press
from adapters.pacing import Pace, Way
from adapters.slack.calls import METHODS, Calls, web_client
from adapters.slack.connection import Sockets
from adapters.slack.endpoint import Endpoint
from adapters.slack.histories import Histories
from adapters.slack.identity import Known
from adapters.slack.install import Install
from adapters.slack.installations import Store
from adapters.slack.installed import InstalledTeams, maker
from adapters.slack.interactions import Interactions
from adapters.slack.team import Team, surface_of
from adapters.slack.teams import OneTeam, Teams, concerned, team_id_of
from adapters.slack.translate import changed, deleted, incoming, reaction
from bot.domain import Incoming, MessageRef, Place, Turn
from bot.insist import insist
from bot.platform_settings import SlackSettings
from bot.store.places import Places

log = structlog.get_logger()

PACES: Mapping[Way, Pace] = {
    "edit": Pace(METHODS["chat.update"].rate, interval_s=1.2, slowing_s=0.06, worth=30),
    "append": Pace(METHODS["chat.appendStream"].rate, interval_s=0.7),
}
"""How often answers are shown in a workspace; posts are counted by channel, in the budget below."""
REPEATED_S = 60.0
"""A shorter outage needs no catching up: Slack repeats what it could not deliver at once, after a
minute and after five."""
SPOKEN = ("message", "app_mention", "reaction_added", "reaction_removed")
STOPPED = "agent_session_stopped"
OPENED = "app_home_opened"
"""Subscribed to for the agent messaging experience; there is nothing to do."""
LEFT = ("app_uninstalled", "tokens_revoked")
"""What tells that a workspace took the app out: both come when it does."""


class SlackAdapter:
    """Candor on Slack."""

    def __init__(
        self,
        settings: SlackSettings,
        border: Border,
        catch_up: CatchUp,
        places: Places,
        desk: Desk,
        *,
        store: Store | None = None,
    ) -> None:
        """`store` is where installations are kept, which only `slack.client_id` needs."""
        self._settings = settings
        self._border = border
        self._catch_up = catch_up
        self._desk = desk
        self._installing: Endpoint | None = None
        self._teams, routes = self._serving(places, store)
        self._interactions = Interactions(self._teams, desk, take=self.take)
        secret = settings.signing_secret
        self._app = AsyncApp(
            client=web_client(None, settings.api_url),  # `Known` brings the token
            authorize=Known(self._teams.find),
            signing_secret=secret.get_secret_value() if secret else None,
            request_verification_enabled=settings.mode == "http",
            ignoring_self_events_enabled=False,  # it hides that an answer of ours was deleted
        )
        self._app.use(self._durably)
        for event in (*SPOKEN, *LEFT, STOPPED, OPENED):
            self._app.event(event)(_done)
        self._refuses = False
        self._connection = self._connect(routes)
        self.history = Histories(self._teams)

    @property
    def served(self) -> Sequence[Team]:
        """The workspaces of the moment."""
        return self._teams.served

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._connection.ready.wait()

    async def run(self) -> None:
        """Stay connected until cancelled.

        Raises PlatformError for a wrong token, ConfigError for a wrong `slack.token_key`, and
        PortInUse.
        """
        await self._teams.begin()
        async with asyncio.TaskGroup() as group:
            others = [
                group.create_task(self._teams.run()),
                group.create_task(self._begin_to_catch_up()),
            ]
            if self._installing is not None:
                others.append(group.create_task(self._installing.run()))
            try:
                await self._connection.run()
            finally:
                for task in others:
                    task.cancel()
                await self._interactions.close()

    def refuse(self) -> None:
        """Take no more events: Slack delivers them again."""
        self._refuses = True
        self._catch_up.disconnected()

    async def answer(self, turn: Turn, resumed: bool) -> None:
        """Answer a turn of the inbox to its end; one of a workspace that left ends as failed."""
        workspace = turn.question.workspace
        team = await insist(lambda: self._teams.find(workspace), "a workspace", turn=turn.id)
        calls = _ended(workspace) if team is None else team.calls
        thread = turn.conversation.root or turn.thread or None

        async def stop() -> None:
            await self._desk.press(Press(turn.id, "stop", turn.asker))

        surface = surface_of(
            calls,
            turn.question,
            self._thread_of(turn.question, turn.conversation.place, thread),
            asker=turn.asker.id,
            streams=team.streams if team is not None and self._settings.stream else None,
            statuses=None if team is None else team.statuses,
            stopped=stop,
        )
        await self._border.answer(turn, surface, self.history, resumed=resumed)

    async def take(self, question: Incoming) -> None:
        """Take in a message. Raises StoreUnavailable when too many wait for the store."""
        team = await self._teams.find(question.ref.workspace)
        if team is not None:
            await self._take(question, team)

    async def _take(self, question: Incoming, team: Team) -> None:
        if is_addressed(question):
            standing = await team.profiles.standing(question.author.id, question.standing)
            question = replace(question, standing=standing)
        thread = self._thread_of(question.ref, question.place, question.thread)
        surface = surface_of(team.calls, question.ref, thread)
        await self._border.take(question, surface)
        if question.mentions_bot or question.place == "dm":
            team.names.learn(question.author)

    def _thread_of(self, question: MessageRef, place: Place, thread: str | None) -> str | None:
        """Where a question is answered: in its thread, or, as Slack shows agents, in one under it.

        Without streams the top level of a direct message is answered there.
        """
        if thread is None and place == "dm" and self._settings.stream:
            return question.message
        return thread

    def _serving(self, places: Places, store: Store | None) -> tuple[Teams, Sequence[web.RouteDef]]:
        """The workspaces to serve, and the pages on which more of them come."""
        settings = self._settings
        if settings.bot_token is not None:
            token = settings.bot_token.get_secret_value()
            return OneTeam(token, settings.api_url, self._border, places), ()
        if store is None:
            raise ValueError("a Slack adapter needs slack.bot_token, or a store for installations")
        make = maker(settings.api_url, self._border, places)
        teams = InstalledTeams(store.installations, make)
        install = Install(settings, store.installations, store.passes, teams.look)
        return teams, install.routes()

    def _connect(self, routes: Sequence[web.RouteDef]) -> Sockets | Endpoint:
        """What events will arrive by."""
        settings = self._settings
        if settings.mode == "http":
            return Endpoint(self._app, settings.host, settings.port, routes)
        if settings.app_token is None:
            raise ValueError("Socket Mode needs slack.app_token")
        if routes:
            self._installing = Endpoint(None, settings.host, settings.port, routes)
        return Sockets(
            self._app,
            Calls(web_client(None, settings.api_url)),
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
        if (answer := await self._interactions.acknowledge(body)) is not None:
            return answer
        event = body.get("event") or {}
        done = not self._refuses and await self._border.guarded(
            self._handle(body, event), kind=str(event.get("type")), ts=str(event.get("event_ts"))
        )
        return await next_() if done else BoltResponse(status=503, body="")

    async def _handle(self, body: Mapping[str, Any], event: Mapping[str, Any]) -> None:
        workspace = team_id_of(body)
        if event.get("type") in LEFT:
            # People may take their own tokens back; we have none of those.
            if event["type"] == "app_uninstalled" or (event.get("tokens") or {}).get("bot"):
                await self._teams.left(workspace, float(body.get("event_time") or 0.0))
            return
        by = await self._teams.find(workspace)
        if by is None:  # it left meanwhile
            log.info("event of a workspace that is not served", team=workspace)
            return
        if event.get("type") == STOPPED:
            await self._interactions.stopped(event, body, by)
            return
        await self._hear(event, body, concerned(event, by, self._teams.served))

    async def _hear(self, event: Mapping[str, Any], body: Mapping[str, Any], team: Team) -> None:
        workspace, me = team.id, team.identity.user
        if event.get("type") in {"reaction_added", "reaction_removed"}:
            found = reaction(event, team=workspace, me=me)
            if found is not None and found.person.id != me:
                await self._border.vote(found)
                team.names.learn(found.person)
        elif question := incoming(event, team=workspace, me=me, body=body, bots=self._border.bots):
            await self._take(question, team)
            if event.get("edited"):  # a mention that was edited comes again
                await self._border.edited(question.ref, question.text)
        elif change := changed(event, team=workspace, me=me):
            await self._border.edited(*change)
        elif gone := deleted(event, team=workspace):
            await self._border.deleted(gone)


def is_addressed(question: Incoming) -> bool:
    """Whether a message may be for us, so that it matters who wrote it; not so at the top level of
    a channel, where everybody's messages pass by."""
    is_reply = question.thread not in (None, question.ref.message)
    return question.mentions_bot or question.place == "dm" or is_reply


def _ended(workspace: str) -> Calls:
    """The calls of a workspace that is not served: none."""
    calls = Calls(AsyncWebClient())
    calls.end(f"Slack workspace {workspace} is not served any more")
    return calls


async def _done() -> None:
    """Nothing is left to do once an event was taken in."""
