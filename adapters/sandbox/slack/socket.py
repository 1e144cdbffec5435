"""Socket Mode: single-use URLs, connections, one envelope to one connection, acknowledgements.

While nobody is connected, sending an event waits, but not for ever; it does not count as an
attempt. What a person does is sent once, to a connection that is there, or fails.
"""

import asyncio
import hmac
import json
import logging
import secrets
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from aiohttp import WSMsgType, web

from adapters.sandbox.silence import Silence
from adapters.sandbox.slack.delivery import Answer, AskKind, Attempt, Outcome
from adapters.sandbox.slack.directory import APP_ID
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.settings import Knobs

DisconnectReason = Literal["warning", "refresh_requested", "link_disabled"]

_MAX_TICKETS = 100
_MAX_FRAME_BYTES = 1024 * 1024
# Closing waits this long for the other side to say goodbye.
_CLOSE_TIMEOUT_S = 2.0
_HOST = "applink-sandbox"

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class Connection:
    """One WebSocket of the app; a leaving one gets nothing more.

    A silent one is still taken for alive: what is sent to it is lost.
    """

    ws: web.WebSocketResponse
    request: web.Request
    silence: Silence
    is_leaving: bool = False

    async def send(self, frame: str) -> None:
        """Send a frame, or lose it in silence."""
        if not self.silence.has_begun:
            await self.ws.send_str(frame)

    def kill(self) -> None:
        """Break the connection without a close frame."""
        if self.request.transport is not None:
            self.request.transport.abort()

    async def close(self, code: int) -> None:
        """Close the connection; a silent one just breaks."""
        if self.silence.has_begun:
            self.kill()
        else:
            await self.ws.close(code=code)


class SocketMode:
    """The server's side of Socket Mode; a Transport. `changed` is told who comes and goes."""

    name: Literal["socket", "http"] = "socket"
    no_ack = "timeout"

    def __init__(
        self, knobs: Knobs, base_url: Callable[[], str], changed: Callable[[], None]
    ) -> None:
        self._knobs = knobs
        self._base_url = base_url
        self._changed = changed
        self._tickets: dict[str, float] = {}
        self._connections: list[Connection] = []
        self._available = asyncio.Event()
        self._next = 0
        self._waiting: dict[str, asyncio.Future[Json | None]] = {}
        self._closers: set[asyncio.Task[None]] = set()

    def add_to(self, app: web.Application) -> None:
        """Add the route to an application."""
        app.router.add_get("/slack/socket", self._serve)

    @property
    def num_connections(self) -> int:
        """Connections that an event could go to."""
        return len([one for one in self._connections if not one.is_leaving])

    def open_url(self) -> str:
        """A URL for one connection, good for a short while."""
        while len(self._tickets) >= _MAX_TICKETS:
            del self._tickets[next(iter(self._tickets))]
        ticket = secrets.token_urlsafe(24)
        self._tickets[ticket] = self._knobs.clock() + self._knobs.ticket_lifetime
        base = self._base_url().replace("http://", "ws://", 1)
        return f"{base}/slack/socket?{urlencode({'ticket': ticket, 'app_id': APP_ID})}"

    def _redeem(self, offered: str) -> bool:
        for ticket, expires_at in self._tickets.items():
            if hmac.compare_digest(ticket.encode(), offered.encode("utf-8", "surrogatepass")):
                del self._tickets[ticket]
                return expires_at > self._knobs.clock()
        return False

    # Connections

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if not self._redeem(request.query.get("ticket", "")):
            raise web.HTTPForbidden(text="the ticket is not valid")
        ws = web.WebSocketResponse(
            autoping=False, timeout=_CLOSE_TIMEOUT_S, max_msg_size=_MAX_FRAME_BYTES
        )
        await ws.prepare(request)
        if len(self._connections) >= self._knobs.max_connections:
            await ws.send_json(_disconnect("too_many_websockets"))
            await ws.close()
            return ws
        connection = Connection(ws, request, Silence(request))
        self._connections.append(connection)
        try:
            await ws.send_json(self._hello())
            self._connections_changed()
            await connection.silence.reading(self._read(connection))
        except ConnectionError:
            _log.debug("slack sandbox: a socket broke while it was answered")
        finally:
            self._connections.remove(connection)
            self._connections_changed()
        return ws

    async def _read(self, connection: Connection) -> None:
        """Read until the client is gone; one of which nothing is heard is asked, then given up.

        The library's own heartbeat would go on in silence. Raises ConnectionError.
        """
        asked = False
        while True:
            try:
                message = await connection.ws.receive(timeout=self._knobs.heartbeat)
            except TimeoutError:
                if asked:
                    return
                asked = True
                await connection.ws.ping()
                continue
            asked = False
            match message.type:
                case WSMsgType.TEXT:
                    self._acknowledge(message.data)
                case WSMsgType.PING:
                    await connection.ws.pong(message.data)
                case WSMsgType.PONG | WSMsgType.BINARY:
                    continue
                case _:
                    return

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._connections),
            "debug_info": {
                "host": _HOST,
                "build_number": 1,
                "approximate_connection_time": 18_060,
            },
            "connection_info": {"app_id": APP_ID},
        }

    def _connections_changed(self) -> None:
        if self.num_connections:
            self._available.set()
        else:
            self._available.clear()
        self._changed()

    def disconnect_all(self, reason: DisconnectReason) -> None:
        """Ask every connection to reconnect, and close it when it has not gone by itself."""
        for connection in self._leaving():
            self._close_by(self._dismiss(connection, reason))

    def kill_all(self) -> None:
        """Break every connection without a close frame."""
        for connection in self._leaving():
            connection.kill()

    def close_all(self, code: int) -> None:
        """Close every connection with that code, without asking first."""
        for connection in self._leaving():
            self._close_by(connection.close(code))

    def silence_all(self) -> None:
        """Let every connection play dead: open, without a frame, answering nothing."""
        for connection in self._connections:
            connection.silence.begin()

    def _leaving(self) -> list[Connection]:
        """All connections that were not leaving yet; now they are."""
        leaving = [one for one in self._connections if not one.is_leaving]
        for connection in leaving:
            connection.is_leaving = True
        self._connections_changed()
        return leaving

    def _close_by(self, closing: Coroutine[None, None, None]) -> None:
        closer = asyncio.get_running_loop().create_task(closing)
        self._closers.add(closer)
        closer.add_done_callback(self._closers.discard)

    async def _dismiss(self, connection: Connection, reason: DisconnectReason) -> None:
        try:
            await connection.send(json.dumps(_disconnect(reason)))
        except ConnectionError:
            return
        await asyncio.sleep(self._knobs.disconnect_lead)
        await connection.close(1000)

    async def close(self) -> None:
        """Close every connection."""
        for closer in list(self._closers):
            closer.cancel()
        await asyncio.gather(*self._closers, return_exceptions=True)
        self._tickets.clear()
        await asyncio.gather(*(one.close(1001) for one in list(self._connections)))

    # Events

    async def send(self, attempt: Attempt) -> Outcome:
        """Send an event to the next connection in turn and wait for its acknowledgement."""
        envelope = {
            "type": "events_api",
            "payload": attempt.body,
            "accepts_response_payload": False,
            "retry_attempt": attempt.number,
            "retry_reason": attempt.reason or "",
        }
        while True:
            if not await self._has_connection():
                return Outcome("connection_failed", repeat=False)
            try:
                await self._exchange(self._pick(), envelope)
            except ConnectionError:
                continue  # it broke before the event was out: no attempt was made
            except TimeoutError:
                return Outcome("timeout")
            return Outcome()

    async def ask(self, kind: AskKind, payload: Json) -> Answer:
        """Send a person's act to the next connection in turn and wait for its answer."""
        envelope = {"type": kind, "payload": payload, "accepts_response_payload": True}
        while self.num_connections:
            try:
                return Answer(await self._exchange(self._pick(), envelope))
            except ConnectionError:
                continue
            except TimeoutError:
                return Answer(failure="operation_timeout")
        return Answer(failure="dispatch_failed")

    async def _exchange(self, connection: Connection, envelope: Json) -> Json | None:
        """Send an envelope and wait for what it is acknowledged with.

        Raises ConnectionError when it did not go out, TimeoutError without an acknowledgement.
        """
        envelope_id = str(uuid.uuid4())
        acknowledged: asyncio.Future[Json | None] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = acknowledged
        try:
            async with asyncio.timeout(self._knobs.scaled_ack_timeout):
                await connection.send(json.dumps({"envelope_id": envelope_id, **envelope}))
                return await acknowledged
        except ConnectionError:
            connection.is_leaving = True
            self._connections_changed()
            raise
        finally:
            del self._waiting[envelope_id]

    async def _has_connection(self) -> bool:
        """Wait for a connection; False when none came in time."""
        try:
            async with asyncio.timeout(self._knobs.offline_patience):
                await self._available.wait()
        except TimeoutError:
            return False
        return True

    def _pick(self) -> Connection:
        """The next connection in turn."""
        usable = [one for one in self._connections if not one.is_leaving]
        self._next += 1
        return usable[self._next % len(usable)]

    def _acknowledge(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            _log.warning("slack sandbox: a frame that is not JSON came over Socket Mode")
            return
        frame = frame if isinstance(frame, dict) else {}
        waiting = self._waiting.get(str(frame.get("envelope_id")))
        if waiting is not None and not waiting.done():
            payload = frame.get("payload")
            waiting.set_result(payload if isinstance(payload, dict) else None)


def _disconnect(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": _HOST}}
