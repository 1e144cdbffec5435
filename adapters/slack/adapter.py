"""The Slack adapter: bolt's app over Socket Mode or signed HTTP.

Puts the connection together (`connection`, `endpoint`). Listeners only translate and hand over.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from adapters.border import Border
from adapters.slack.backoff import Backoff
from adapters.slack.calls import METHODS, Calls, web_client
from adapters.slack.connection import Sockets
from adapters.slack.endpoint import Endpoint
from adapters.slack.identity import Known, identify, watch
from adapters.slack.surface import SlackSurface
from adapters.slack.translate import incoming, reaction
from adapters.tasks import Tasks
from bot.domain import Incoming, Person, Reaction
from bot.errors import MessageGone, PlatformUnavailable
from bot.settings import SlackSettings

log = structlog.get_logger()

EDIT_INTERVAL_S = METHODS["chat.update"].rate.interval_s
"""Between two edits in a workspace: what the budget below can keep up for ever."""
NAMES_KEPT = 10_000
CONNECT_RETRY_S = 5.0
CONNECT_RETRY_MAX_S = 120.0


class SlackAdapter:
    """Candor on Slack."""

    def __init__(self, settings: SlackSettings, border: Border) -> None:
        if settings.bot_token is None:
            raise ValueError("a Slack adapter needs slack.bot_token")
        self._settings = settings
        self._border = border
        token = settings.bot_token.get_secret_value()
        self._calls = Calls(web_client(token, settings.api_url))
        self._known = Known(token)
        secret = settings.signing_secret
        self._app = AsyncApp(
            client=web_client(None, settings.api_url),  # `Known` brings the token
            authorize=self._known,
            signing_secret=secret.get_secret_value() if secret else None,
            request_verification_enabled=settings.mode == "http",
        )
        self._app.event("message")(self._on_message)
        self._app.event("app_mention")(self._on_message)
        self._app.event("reaction_added")(self._on_reaction)
        self._app.event("reaction_removed")(self._on_reaction)
        self._me = self._team = ""
        self._names: OrderedDict[str, str] = OrderedDict()
        self._accepting = True
        self._connection = self._connect()
        self.tasks = Tasks()

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._connection.ready.wait()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError for a wrong token, PortInUse."""
        known = await identify(self._calls, backoff=Backoff(CONNECT_RETRY_S, CONNECT_RETRY_MAX_S))
        self._known.identity = known
        self._me, self._team = known.user, known.team
        watching = asyncio.create_task(watch(self._calls))
        try:
            await self._connection.run()
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def stop(self, timeout_s: float) -> None:
        """Take no more events, and give running answers `timeout_s` seconds."""
        self._accepting = False
        await self.tasks.finish(timeout_s)

    def _connect(self) -> Sockets | Endpoint:
        """What events will arrive by."""
        settings = self._settings
        if settings.mode == "http":
            return Endpoint(self._app, settings.host, settings.port)
        if settings.app_token is None:
            raise ValueError("Socket Mode needs slack.app_token")
        return Sockets(self._app, self._calls, settings.app_token.get_secret_value())

    async def _on_message(self, event: Mapping[str, Any]) -> None:
        question = incoming(event, team=self._team, me=self._me)
        if question is not None and self._accepting:
            self.tasks.start(self._answer(question))

    async def _on_reaction(self, event: Mapping[str, Any]) -> None:
        found = reaction(event, team=self._team)
        if found is not None and found.person.id != self._me:
            self.tasks.start(self._vote(found))

    async def _answer(self, question: Incoming) -> None:
        async with asyncio.TaskGroup() as group:
            surface = SlackSurface(
                self._calls,
                channel=question.ref.channel,
                workspace=question.ref.workspace,
                thread=question.thread,
                question=question.ref.message,
            )
            group.create_task(self._border.answer(question, surface))
            if question.mentions_bot or question.place == "dm":
                group.create_task(self._learn_name(question.author))

    async def _vote(self, found: Reaction) -> None:
        await self._border.vote(found)
        await self._learn_name(found.person)

    async def _learn_name(self, person: Person) -> None:
        if name := await self._name(person.id):
            await self._border.remember(replace(person, name=name))

    async def _name(self, user: str) -> str:
        """What a person is called, or "" where the scope users:read is missing."""
        if user not in self._names:
            try:
                profile = (await self._calls.do("users.info", user=user))["user"]
            except (SlackApiError, PlatformUnavailable, MessageGone) as error:
                log.debug("name not known", user=user, error=str(error))
                return ""
            self._names[user] = str(profile.get("real_name") or profile.get("name") or "")
            while len(self._names) > NAMES_KEPT:
                self._names.popitem(last=False)
        return self._names[user]
