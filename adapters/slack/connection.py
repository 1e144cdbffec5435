"""How events arrive over Socket Mode: two lines, each of which always wants one socket.

Owns when a socket is opened. Slack sends each event over any one of them, so that while one is
replaced the other goes on, and no click meets a closed door: clicks are not sent again. Where Slack
announces the end of a socket, its successor is there first.

A silent socket is given up by its pings within 1.5 `ping_s`, and one that answers pings and
brings nothing within `age_s`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp
import structlog
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError

from adapters.backoff import Backoff
from adapters.slack.calls import Calls
from adapters.slack.errors import TokenRefused, code
from adapters.slack.socket import Socket
from bot.errors import PlatformError, PlatformUnavailable

log = structlog.get_logger()

LINES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between things.

    A socket that lived for `steady_s` was no failure. Pauses after failures grow from `retry_s` to
    `retry_max_s`; after `too_many_websockets` they are `crowded_s` at least, and `refused_s` while
    Slack refuses the app's token.
    """

    ping_s: float = 10.0
    age_s: float = 4 * 3600.0
    steady_s: float = 10.0
    retry_s: float = 0.5
    retry_max_s: float = 60.0
    crowded_s: float = 30.0
    refused_s: float = 60.0


class Sockets:
    """The app's Socket Mode connections; `ready` once the first is up.

    `on_lost` is called when none is left, `on_back` with the seconds since then when one is up.
    """

    def __init__(
        self,
        app: AsyncApp,
        calls: Calls,
        app_token: str,
        *,
        on_lost: Callable[[], None],
        on_back: Callable[[float], None],
        pace: Pace | None = None,
    ) -> None:
        self.ready = asyncio.Event()
        self._app = app
        self._calls = calls
        self._app_token = app_token
        self._on_lost, self._on_back = on_lost, on_back
        self._pace = pace or Pace()
        self._open: set[Socket] = set()
        self._up: set[Socket] = set()
        self._down_since: float | None = None

    async def run(self) -> None:
        """Stay connected until cancelled. Raises PlatformError for a wrong app token at the start.

        One that is refused later is logged and tried again, slowly.
        """
        url = await self._first_url()
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as group:
            group.create_task(self._line(group, session, 1, url))
            # The first shows that the settings are right.
            await self.ready.wait()
            for number in range(2, LINES + 1):
                group.create_task(self._line(group, session, number, None))

    async def _line(
        self, group: asyncio.TaskGroup, session: aiohttp.ClientSession, number: int, url: str | None
    ) -> None:
        """Keep one socket open, and open the next one when it wants a successor."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(self._pace.retry_s, self._pace.retry_max_s)
        while True:
            url = url or await self._next_url(backoff)
            socket = Socket(
                self._app,
                ping_s=self._pace.ping_s,
                proxy=self._calls.client.proxy,
                greeted=self._greeted,
            )
            began = loop.time()
            self._open.add(socket)
            group.create_task(self._carry(socket, session, url))
            url = None
            try:
                async with asyncio.timeout(self._pace.age_s):
                    await socket.replace.wait()
            except TimeoutError:
                socket.leave("aged")
            pause_s = 0.0
            if loop.time() - began >= self._pace.steady_s:
                backoff.succeeded()
            else:
                pause_s = backoff.failed()
            if socket.ending == "crowded":
                pause_s = max(pause_s, self._pace.crowded_s)
            elif socket.ending == "off":
                log.error("Socket Mode was turned off in the app's settings")
            log.info(
                "a socket to Slack is replaced",
                line=number,
                reason=socket.ending,
                in_s=round(pause_s, 1),
            )
            await asyncio.sleep(pause_s)

    async def _carry(self, socket: Socket, session: aiohttp.ClientSession, url: str) -> None:
        try:
            await socket.run(session, url)
        finally:
            self._open.discard(socket)
            self._up.discard(socket)
        if self.ready.is_set() and not self._up and self._down_since is None:
            self._down_since = asyncio.get_running_loop().time()
            log.warning("no socket to Slack is left")
            self._on_lost()

    def _greeted(self, socket: Socket, count: int) -> None:
        """Slack counts that many connections of the app, this one included."""
        self._up.add(socket)
        down_s = 0.0
        if self._down_since is not None:
            down_s = asyncio.get_running_loop().time() - self._down_since
            self._down_since = None
            self._on_back(down_s)
        log.info(
            "connected to Slack",
            mode="socket",
            num_connections=count,
            was_away_s=round(down_s, 1),
        )
        if count > len(self._open):
            log.warning(
                "Slack sends a part of the events elsewhere: it counts more connections than ours",
                num_connections=count,
                ours=len(self._open),
            )
        self.ready.set()

    async def _first_url(self) -> str:
        """The first URL, for as long as Slack does not answer. Raises PlatformError."""
        backoff = Backoff(self._pace.retry_s, self._pace.retry_max_s)
        while True:
            try:
                return await self._url()
            except TokenRefused as error:
                raise _refused(error.code) from error
            except SlackApiError as error:
                raise _refused(code(error)) from error
            except PlatformUnavailable as error:
                await self._wait(backoff, error)

    async def _next_url(self, backoff: Backoff) -> str:
        """A URL of a token that was good once: insists whatever Slack answers."""
        while True:
            try:
                return await self._url()
            except (TokenRefused, SlackApiError) as error:
                name = error.code if isinstance(error, TokenRefused) else code(error)
                log.error(
                    "Slack refuses slack.app_token; no events come until it is mended",
                    error=name,
                    again_in_s=self._pace.refused_s,
                )
                await asyncio.sleep(self._pace.refused_s)
            except PlatformUnavailable as error:
                await self._wait(backoff, error)

    async def _wait(self, backoff: Backoff, error: PlatformUnavailable) -> None:
        pause_s = backoff.failed(at_least_s=error.retry_after_s)
        log.warning("Slack does not connect", error=str(error), again_in_s=round(pause_s, 1))
        await asyncio.sleep(pause_s)

    async def _url(self) -> str:
        answer = await self._calls.do("apps.connections.open", app_token=self._app_token)
        url = str(answer.get("url") or "")
        if not url.startswith(("ws://", "wss://")):
            raise PlatformUnavailable("Slack gives no URL for a socket")
        return url


def _refused(name: str) -> PlatformError:
    return PlatformError(
        f"Slack refuses slack.app_token ({name}): it is an app-level token with the scope "
        "connections:write"
    )
