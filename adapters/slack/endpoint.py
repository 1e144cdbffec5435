"""A port of ours that Slack sends to: events over signed HTTP requests, for bolt's application, and
people who install the app.
"""

import asyncio
import errno
from collections.abc import Iterable
from typing import Final

import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp

from adapters.slack.manifest import EVENTS_PATH as EVENTS_PATH
from bot.errors import PortInUse

log = structlog.get_logger()

SHUTDOWN_S: Final = 2.0


class Endpoint:
    """The server; `ready` once it listens."""

    def __init__(
        self,
        app: AsyncApp | None,
        host: str,
        port: int,
        routes: Iterable[web.RouteDef] = (),
    ) -> None:
        """`app` takes the events, None where they come another way; `routes` are served, too."""
        self.ready = asyncio.Event()
        self._app = app
        self._host = host
        self._port = port
        self._routes = tuple(routes)

    async def run(self) -> None:
        """Listen until cancelled. Raises PortInUse."""
        served = web.Application() if self._app is None else self._app.web_app(path=EVENTS_PATH)
        served.add_routes(self._routes)
        runner = web.AppRunner(served, access_log=None, shutdown_timeout=SHUTDOWN_S)
        await runner.setup()
        host, port = self._host, self._port
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                raise PortInUse(f"slack.port = {port} on {host} is in use") from error
            self.ready.set()
            if self._app is not None:
                log.info("waiting for Slack", mode="http", url=f"http://{host}:{port}{EVENTS_PATH}")
            for route in self._routes:
                log.info("serving", url=f"http://{host}:{port}{route.path}")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
