"""The Slack adapter: bolt's app over Socket Mode or signed HTTP.

Owns the connection. Listeners only translate and hand over.
"""

import asyncio
import errno
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import structlog
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from adapters.border import Border
from adapters.slack.errors import code, converted
from adapters.slack.surface import SlackSurface
from adapters.slack.translate import incoming, reaction
from adapters.tasks import Tasks
from bot.domain import Incoming, Person, Reaction
from bot.errors import MessageGone, PlatformError, PlatformUnavailable, PortInUse
from bot.settings import SlackSettings

log = structlog.get_logger()

EDIT_INTERVAL_S = 1.25
"""Between two edits in a workspace: chat.update is tier 3, 50 a minute and more."""
EVENTS_PATH = "/slack/events"
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
        self._client = AsyncWebClient(
            token=settings.bot_token.get_secret_value(),
            base_url=settings.api_url + "/",
            timeout=30,
            # A lost connection is not retried here: chat.postMessage would post twice.
            retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=1)],
        )
        secret = settings.signing_secret
        self._app = AsyncApp(
            client=self._client,
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
        self._connected = asyncio.Event()
        self.tasks = Tasks()

    async def ready(self) -> None:
        """Wait until events arrive."""
        await self._connected.wait()

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError for a wrong token, PortInUse."""
        await self._identify()
        if self._settings.mode == "socket":
            await self._run_socket()
        else:
            await self._run_http()

    async def stop(self, timeout_s: float) -> None:
        """Take no more events, and give running answers `timeout_s` seconds."""
        self._accepting = False
        await self.tasks.finish(timeout_s)

    async def _identify(self) -> None:
        pause = CONNECT_RETRY_S
        while True:
            try:
                async with converted():
                    answer = await self._client.auth_test()
            except PlatformUnavailable as error:
                log.warning("Slack does not answer", error=str(error), again_in_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, CONNECT_RETRY_MAX_S)
            except SlackApiError as error:
                raise PlatformError(
                    f"Slack refuses slack.bot_token ({code(error)}): copy it from the app's "
                    "OAuth & Permissions page"
                ) from error
            else:
                self._me, self._team = str(answer["user_id"]), str(answer["team_id"])
                log.info("known to Slack", user=answer["user"], team=answer["team"])
                return

    async def _run_socket(self) -> None:
        token = self._settings.app_token
        if token is None:
            raise ValueError("Socket Mode needs slack.app_token")
        handler = AsyncSocketModeHandler(self._app, token.get_secret_value())
        try:
            # Asked for here: the SDK would repeat a refused token for ever.
            handler.client.wss_uri = await self._socket_url(token.get_secret_value())
            await handler.connect_async()  # type: ignore[no-untyped-call]
            self._connected.set()
            log.info("connected to Slack", mode="socket")
            await asyncio.Event().wait()
        finally:
            await handler.close_async()  # type: ignore[no-untyped-call]

    async def _socket_url(self, token: str) -> str:
        """A fresh Socket Mode URL. Raises PlatformError when Slack refuses the token."""
        pause = CONNECT_RETRY_S
        while True:
            try:
                async with converted():
                    answer = await self._client.apps_connections_open(app_token=token)
                return str(answer["url"])
            except PlatformUnavailable as error:
                log.warning("Slack does not connect", error=str(error), again_in_s=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, CONNECT_RETRY_MAX_S)
            except SlackApiError as error:
                raise PlatformError(
                    f"Slack refuses slack.app_token ({code(error)}): it is an app-level token with "
                    "the scope connections:write"
                ) from error

    async def _run_http(self) -> None:
        runner = web.AppRunner(self._app.web_app(path=EVENTS_PATH), access_log=None)
        await runner.setup()
        host, port = self._settings.host, self._settings.port
        try:
            try:
                await web.TCPSite(runner, host, port, shutdown_timeout=2).start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise PortInUse(f"slack.port = {port} on {host} is in use") from error
            self._connected.set()
            log.info("waiting for Slack", mode="http", url=f"http://{host}:{port}{EVENTS_PATH}")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()

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
            group.create_task(self._border.answer(question, SlackSurface(self._client, question)))
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
                async with converted():
                    profile = (await self._client.users_info(user=user))["user"]
            except (SlackApiError, PlatformUnavailable, MessageGone) as error:
                log.debug("name not known", user=user, error=str(error))
                return ""
            self._names[user] = str(profile.get("real_name") or profile.get("name") or "")
            while len(self._names) > NAMES_KEPT:
                self._names.popitem(last=False)
        return self._names[user]
