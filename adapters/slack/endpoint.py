"""How events arrive over signed HTTP requests: bolt's application on a port of ours."""

import asyncio
import errno
from typing import Final

import structlog
from aiohttp import web
from slack_bolt.async_app import AsyncApp

from bot.errors import PortInUse

log = structlog.get_logger()

EVENTS_PATH: Final = "/slack/events"
SHUTDOWN_S: Final = 2.0


class Endpoint:
    """The server that Slack sends events to; `ready` once it listens."""

    def __init__(self, app: AsyncApp, host: str, port: int) -> None:
        self.ready = asyncio.Event()
        self._app = app
        self._host = host
        self._port = port

    async def run(self) -> None:
        """Listen until cancelled. Raises PortInUse."""
        runner = web.AppRunner(
            self._app.web_app(path=EVENTS_PATH), access_log=None, shutdown_timeout=SHUTDOWN_S
        )
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
            log.info("waiting for Slack", mode="http", url=f"http://{host}:{port}{EVENTS_PATH}")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()
