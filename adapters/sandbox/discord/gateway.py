"""The gateway: handshake, IDENTIFY, RESUME, heartbeats, close codes, and the fan-out of events.

HELLO comes first; a client that identified gets READY, the guild, and from then on every event
that its intents let through, numbered without gaps. A session whose connection broke is replayed
to RESUME in order, then told RESUMED. `publish` is the single place where events go out.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson
from aiohttp import WSMsgType, web
from pydantic import ValidationError

from adapters.sandbox.discord.account import Account
from adapters.sandbox.discord.connection import CLOSE_S, Connection
from adapters.sandbox.discord.dispatch import Dispatch
from adapters.sandbox.discord.flags import PRIVILEGED, Intents, intents_are_valid
from adapters.sandbox.discord.frames import (
    Identify,
    Refused,
    RequestMembers,
    Resume,
    read_frame,
)
from adapters.sandbox.discord.ids import GUILD_ID
from adapters.sandbox.discord.limits import Buckets, Limits
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.sessions import Link, Session, Sessions
from adapters.sandbox.discord.stream import UnknownCompression, packer_for
from adapters.sandbox.faults import Faults, Passing

_log = logging.getLogger(__name__)

_FRAME_CEILING: Final = 1 << 20
_ENDING: Final = frozenset({1000, 1001, 4004, 4007, 4009, 4010, 4011, 4012, 4013, 4014})
"""Close codes after which the session cannot be resumed."""


ACK_S = 0.02
"""Before a heartbeat is acknowledged: discord.py 2.7.1 notes when it sent one only after its thread
woke up, so an acknowledgement with no way to travel seems a whole heartbeat late."""


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """`heartbeat_s` is asked of clients; `grace_s` more without a heartbeat closes with 4009.

    `shards` is how many are recommended, `max_concurrency` how many may begin at once.
    """

    heartbeat_s: float = 41.25
    grace_s: float = 20.0
    shards: int = 1
    max_concurrency: int = 1


class Gateway:
    """All connections and sessions. `base_url` gives the server's HTTP address when asked."""

    def __init__(
        self,
        *,
        account: Account,
        sessions: Sessions,
        payloads: Payloads,
        buckets: Buckets,
        limits: Limits,
        settings: GatewaySettings,
        faults: Faults,
        base_url: Callable[[], str],
        on_presence: Callable[[], None],
    ) -> None:
        """`on_presence` is called whenever `connected` may tell something else."""
        self._account = account
        self._sessions = sessions
        self._payloads = payloads
        self._buckets = buckets
        self._limits = limits
        self.settings = settings
        self._faults = faults
        self._base_url = base_url
        self._on_presence = on_presence
        self._connections: set[Connection] = set()

    def url(self) -> str:
        """The address that clients connect to."""
        return "ws" + self._base_url().removeprefix("http") + "/discord/gateway"

    def connected(self) -> bool:
        """Whether an identified client is there to receive events."""
        return any(one.session is not None for one in self._open())

    def publish(self, dispatch: Dispatch) -> None:
        """Send an event to every session that wants it, away or not."""
        for session in self._sessions:
            if session.wants(dispatch):
                privileged = bool(session.intents & Intents.MESSAGE_CONTENT)
                session.dispatch(dispatch.name, dispatch.body(privileged))

    def cut(self, code: int | None = 4000) -> None:
        """Close every connection with that code, or with None break it without a word."""
        for connection in self._open():
            if code is None:
                connection.drop()
            else:
                self._close(connection, code)

    def silence(self) -> None:
        """Let every connection play dead: open, without a frame, answering nothing."""
        for connection in self._open():
            connection.silence.begin()

    def replay(self, dispatch: Dispatch) -> None:
        """Have those who just got an event reconnect, and send it again when they resume."""
        for session in self._sessions:
            if session.link is not None and session.wants(dispatch):
                session.replay_newest()
                _send(session.link, 7, None)

    def ask_to_reconnect(self) -> None:
        """Tell every client to reconnect and resume (op 7)."""
        for connection in self._open():
            _send(connection, 7, None)

    def invalidate(self, *, resumable: bool) -> None:
        """Tell every identified client that its session is invalid (op 9)."""
        for connection in self._open():
            session = connection.session
            if session is None:
                continue
            if not resumable:
                connection.session = None
                self._sessions.drop(session)
            _send(connection, 9, resumable)

    async def close(self) -> None:
        """Close every connection as a server that goes down does."""
        open_now = self._open()
        self.cut(1001)
        await asyncio.gather(*(connection.written() for connection in open_now))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One client, from handshake to close."""
        if request.query.get("encoding", "json") != "json":
            raise web.HTTPBadRequest(text="only encoding=json is served")
        try:
            packer = packer_for(request.query.get("compress"))
        except UnknownCompression as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        socket = web.WebSocketResponse(timeout=CLOSE_S, max_msg_size=_FRAME_CEILING, compress=False)
        await socket.prepare(request)
        connection = Connection(request, socket, packer)
        self._connections.add(connection)
        connection.start()
        try:
            await connection.silence.reading(self._serve(connection, request.query.get("v")))
        except Refused as refused:
            self._close(connection, refused.code)
            await connection.written()
        finally:
            self._connections.discard(connection)
            if connection.session is not None:
                self._sessions.leave(connection.session, connection)
            await connection.stop()
            self._on_presence()
        return socket

    async def _serve(self, connection: Connection, version: str | None) -> None:
        if version != "10":
            raise Refused(4012)
        heartbeat_ms = int(self.settings.heartbeat_s * 1000)
        _send(connection, 10, {"heartbeat_interval": heartbeat_ms, "_trace": []})
        await self._read(connection)

    async def _read(self, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        patience_s = self.settings.heartbeat_s + self.settings.grace_s
        deadline = loop.time() + patience_s
        sends = Buckets(loop.time)
        while True:
            try:
                frame = await connection.socket.receive(timeout=max(0.0, deadline - loop.time()))
            except TimeoutError:
                raise Refused(4009) from None
            if frame.type is WSMsgType.CLOSE and frame.data in {1000, 1001}:
                self._end_session(connection)
            if frame.type in {WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED}:
                return
            if frame.type is WSMsgType.ERROR:
                return
            if not sends.take("", self._limits.gateway_sends).allowed:
                raise Refused(4008)
            op, data = read_frame(frame.type, frame.data)
            if op == 1:
                deadline = loop.time() + patience_s
            self._act(connection, op, data)

    def _act(self, connection: Connection, op: int, data: Any) -> None:
        try:
            match op:
                case 1:
                    asyncio.get_running_loop().call_later(ACK_S, _send, connection, 11, None)
                case 2:
                    self._identify(connection, Identify.model_validate(data))
                case 3 if connection.session is not None:
                    _require_object(data)  # a presence; nobody in this world looks at it
                case 6:
                    self._resume(connection, Resume.model_validate(data))
                case 8 if connection.session is not None:
                    self._send_members(connection.session, RequestMembers.model_validate(data))
                case 3 | 8:
                    raise Refused(4003)
                case _:
                    raise Refused(4001)
        except ValidationError as error:
            _log.debug("gateway payload refused: %s", error)
            raise Refused(4002) from error

    def _identify(self, connection: Connection, wish: Identify) -> None:
        if connection.session is not None:
            raise Refused(4005)
        self._require_token(wish.token, "IDENTIFY")
        lane = wish.shard[0] % self.settings.max_concurrency if wish.shard else 0
        if not self._buckets.take(f"identify {lane}", self._limits.identify).allowed:
            _send(connection, 9, False)
            return
        if not self._buckets.take("session starts", self._limits.session_starts).allowed:
            raise Refused(4004)  # the 1000 starts of a day are spent: Discord resets the token
        if not intents_are_valid(wish.intents):
            raise Refused(4013)
        intents = Intents(wish.intents)
        if intents & PRIVILEGED & ~self._account.privileged:
            raise Refused(4014)
        if wish.shard is not None and not 0 <= wish.shard[0] < wish.shard[1]:
            raise Refused(4010)
        session = Session(intents=intents, shard=wish.shard, link=connection)
        connection.session = session
        self._sessions.add(session)
        ready = self._account.ready(session.id, session.shard, self.url())
        session.dispatch("READY", ready)
        guild = Dispatch("GUILD_CREATE", Intents.GUILDS, True, lambda _: {})
        if session.wants(guild):
            everybody = bool(intents & Intents.GUILD_PRESENCES)
            session.dispatch("GUILD_CREATE", self._payloads.guild(everybody=everybody))
        self._on_presence()

    def _require_token(self, token: str, name: Literal["IDENTIFY", "RESUME"]) -> None:
        if not self._account.owns(token) or self._faults.strike("handshake", Passing(name)):
            raise Refused(4004)

    def _resume(self, connection: Connection, wish: Resume) -> None:
        if connection.session is not None:
            raise Refused(4005)
        self._require_token(wish.token, "RESUME")
        session = self._sessions.find(wish.session_id)
        if session is None:
            _send(connection, 9, False)
            return
        if not 0 <= wish.seq <= session.sequence:
            self._sessions.drop(session)
            raise Refused(4007)
        missed = session.missed(wish.seq)
        if missed is None:
            self._sessions.drop(session)
            _send(connection, 9, False)
            return
        if session.link is not None:
            session.link.close(4000)  # the newer connection takes the session over
        session.link = connection
        connection.session = session
        for text in missed:
            connection.send(text)
        session.dispatch("RESUMED", {"_trace": []})
        self._on_presence()

    def _send_members(self, session: Session, wish: RequestMembers) -> None:
        if wish.guild_id != GUILD_ID or not session.intents & Intents.GUILD_MEMBERS:
            return  # as on Discord, the request is not answered
        session.dispatch("GUILD_MEMBERS_CHUNK", wish.chunk(self._payloads))

    def _close(self, connection: Connection, code: int) -> None:
        if code in _ENDING:
            self._end_session(connection)
        connection.close(code)

    def _end_session(self, connection: Connection) -> None:
        session = connection.session
        if session is not None and session.link is connection:
            connection.session = None
            self._sessions.drop(session)

    def _open(self) -> Sequence[Connection]:
        return [one for one in self._connections if one.close_code is None]


def _send(connection: Link, op: Literal[7, 9, 10, 11], data: Any) -> None:
    connection.send(orjson.dumps({"op": op, "d": data, "s": None, "t": None}).decode())


def _require_object(data: Any) -> None:
    if not isinstance(data, dict):
        raise Refused(4002)
