"""One Socket Mode connection, from its URL to its end.

Owns the wire: reads envelopes, gives them to bolt, sends the acknowledgement when bolt is done; an
envelope that bolt fails on is not acknowledged, and Slack sends it again. Never reconnects: it says
when it wants a successor (`replace`), and reads on while that one is made.

In place of slack_sdk's own client, which repeats a refused single-use URL for ever, closes the old
socket before it has a new one, reconnects without a pause, and leaves tasks behind.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import aiohttp
import structlog
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

log = structlog.get_logger()

Ending = Literal["lost", "refresh", "crowded", "off", "aged"]
"""Why a socket wants a successor: it broke; Slack asks us to reconnect; there are too many; Socket
Mode was turned off; it is old."""

HELLO_S: Final = 10.0
LINGER_S: Final = 10.0
"""Seconds that a leaving socket is read on, for what Slack still sends over it."""
CLOSE_S: Final = 2.0
HANDLE_S: Final = 30.0
MAX_HANDLING: Final = 500
MAX_FRAME_BYTES: Final = 4 * 1024 * 1024

_DISMISSED: Final[Mapping[str, Ending]] = {
    "warning": "refresh",
    "refresh_requested": "refresh",
    "too_many_websockets": "crowded",
    "link_disabled": "off",
}


class Socket(AsyncBaseSocketModeClient):
    """One connection; `greeted` is told how many of them Slack counts when it is up."""

    def __init__(
        self,
        app: AsyncApp,
        *,
        ping_s: float,
        proxy: str | None,
        greeted: Callable[["Socket", int], None],
    ) -> None:
        self.logger = app.logger
        self.replace = asyncio.Event()
        self.ending: Ending = "lost"
        self._app = app
        self._ping_s = ping_s
        self._proxy = proxy
        self._greeted = greeted
        self._ws: aiohttp.ClientWebSocketResponse[bool] | None = None
        self._reading: asyncio.Timeout | None = None
        self._handling: set[asyncio.Task[None]] = set()

    async def run(self, session: aiohttp.ClientSession, url: str) -> None:
        """Read until the connection ends, which raises nothing."""
        try:
            async with (
                asyncio.timeout(HELLO_S) as self._reading,
                session.ws_connect(
                    url,
                    # A ping after `ping_s` of silence, and half as long for the answer to it.
                    heartbeat=self._ping_s,
                    proxy=self._proxy,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                    max_msg_size=MAX_FRAME_BYTES,
                ) as ws,
            ):
                self._ws = ws
                async for message in ws:
                    if message.type is aiohttp.WSMsgType.TEXT:
                        self._take(message.data)
                    elif message.type is aiohttp.WSMsgType.ERROR:
                        log.info("a socket to Slack broke", error=repr(message.data))
        except TimeoutError:
            if not self.replace.is_set():
                log.warning("Slack does not greet a new socket")
        except (aiohttp.ClientError, OSError) as error:
            log.warning("no socket to Slack", error=_told(error))
        finally:
            self._reading = None
            self.replace.set()
            await self._finish()

    def leave(self, ending: Ending, *, linger_s: float = LINGER_S) -> None:
        """Ask for a successor, and read on for `linger_s` seconds at most."""
        if self.replace.is_set():
            return
        self.ending = ending
        self.replace.set()
        if self._reading is not None:
            self._reading.reschedule(asyncio.get_running_loop().time() + linger_s)

    async def send_message(self, message: str) -> None:
        """Send a frame. Raises ConnectionError when the connection is gone."""
        if self._ws is None:
            raise ConnectionResetError("the socket is not connected")
        await self._ws.send_str(message)

    def _take(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            frame = None
        match frame:
            case {"type": "hello"}:
                if self._reading is not None:
                    self._reading.reschedule(None)
                count = frame.get("num_connections")
                self._greeted(self, count if isinstance(count, int) else 0)
            case {"type": "disconnect"}:
                ending = _DISMISSED.get(str(frame.get("reason")), "refresh")
                self.leave(ending, linger_s=LINGER_S if ending == "refresh" else 0.0)
            case {"envelope_id": str()} if len(self._handling) >= MAX_HANDLING:
                log.warning("too many events at once; Slack will send this one again")
            case {"envelope_id": str()}:
                task = asyncio.create_task(self._handle(frame))
                self._handling.add(task)
                task.add_done_callback(self._handling.discard)
            case _:
                log.debug("a frame of no known kind came from Slack")

    async def _handle(self, frame: dict[str, Any]) -> None:
        """Let bolt take an envelope, and acknowledge it when it did: the border to bolt."""
        began = time.time()
        try:
            async with asyncio.timeout(HANDLE_S):
                request = SocketModeRequest.from_dict(frame)
                if request is None:
                    return
                response = await run_async_bolt_app(self._app, request)
                await send_async_response(self, request, response, began)
        except (TimeoutError, ConnectionError) as error:
            log.info("an event was not acknowledged; Slack will send it again", error=repr(error))
        except Exception:
            log.exception("event not taken")

    async def _finish(self) -> None:
        """Wait for events under way; when cancelled, cancel them."""
        try:
            while self._handling:
                await asyncio.wait(self._handling)
        finally:
            handling = list(self._handling)
            for task in handling:
                task.cancel()
            await asyncio.gather(*handling, return_exceptions=True)


def _told(error: Exception) -> str:
    """An error without the socket's URL, which is a secret."""
    if isinstance(error, aiohttp.WSServerHandshakeError):
        return f"the URL is refused with {error.status}"
    return f"{type(error).__name__} {getattr(error, 'strerror', None) or ''}".strip()
