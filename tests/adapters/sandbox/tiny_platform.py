"""A tiny chat platform in memory, for the tests of what is common to both platforms.

It has no wire protocol. What the tests of the server need from one stands in as two routes: one
that waits for ever, as a long poll would, and one WebSocket.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import aiohttp
from aiohttp import WSCloseCode, web

from adapters.sandbox.faults import Fault, Faults, Kind
from adapters.sandbox.journal import Journal
from adapters.sandbox.people import handles
from adapters.sandbox.platform import (
    BOT_HANDLE,
    CHANNELS,
    AuditView,
    ControlError,
    MessageView,
    ReactionView,
    Upload,
)
from adapters.sandbox.server import Sandbox

_FIRST_SLACK_S = 1_795_427_000
_FIRST_DISCORD_ID = 1_572_900_000_000_000_000


KINDS = {
    "delay": Kind(about="it comes late", sites=frozenset({"event"}), seconds=1.0),
    "refuse": Kind(
        about="it is refused",
        sites=frozenset({"call"}),
        variants=("softly", "harshly"),
        refuses=True,
    ),
    "cut": Kind(
        about="the line is cut", sites=frozenset({"event", "call"}), code=4000, is_act=True
    ),
}


@dataclass
class TinyPlatform:
    """`Platform` in memory."""

    name: Literal["discord", "slack"]
    people: tuple[str, ...] = handles()
    closed: bool = False
    online: bool = True
    _rooms: dict[str, list[MessageView]] = field(default_factory=dict)
    _activity: dict[str, str] = field(default_factory=dict)
    _subscribers: list[Callable[[], None]] = field(default_factory=list)
    _sockets: set[web.WebSocketResponse] = field(default_factory=set)
    _next: int = 0
    base_url: Callable[[], str] = field(default=lambda: "")
    performed: list[Fault] = field(default_factory=list)

    limits: tuple[str, ...] = ("none", "some")
    limited_by: str = "none"

    def __post_init__(self) -> None:
        self.journal = Journal(time.time)
        self.faults = Faults(
            KINDS,
            events=("message", "reaction"),
            perform=self._perform,
            clock=time.time,
            changed=self._changed,
        )
        self.faults.know_calls(("post", "update"))

    def limit(self, name: str) -> None:
        if name not in self.limits:
            raise ControlError(f"limits: {name!r} is unknown")
        self.limited_by = name

    # What the test does as the bot

    def say(self, text: str, *, channel: str = "general", thread: str | None = None) -> str:
        return self._add(channel, BOT_HANDLE, text, thread=thread, reply_to=None)

    def rewrite(self, message: str, text: str, *, channel: str = "general") -> None:
        self._replace(channel, message, text=text, edited=True)

    def forget(self, channel: str) -> None:
        """Drop a channel's messages and tell nobody."""
        self._rooms.pop(channel)

    def show_activity(self, text: str | None, *, channel: str = "general") -> None:
        self._activity.pop(channel, None)
        if text is not None:
            self._activity[channel] = text
        self._changed()

    def connect(self, online: bool) -> None:
        self.online = online
        self._changed()

    @property
    def num_subscribers(self) -> int:
        return len(self._subscribers)

    # Platform

    def attach(self, app: web.Application, base_url: Callable[[], str]) -> None:
        self.base_url = base_url
        app.router.add_get(f"/{self.name}/where", self._where)
        app.router.add_get(f"/{self.name}/forever", self._forever)
        app.router.add_get(f"/{self.name}/socket", self._socket)

    def subscribe(self, on_change: Callable[[], None]) -> Callable[[], None]:
        self._subscribers.append(on_change)
        return lambda: self._subscribers.remove(on_change)

    async def post(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        thread: str | None = None,
        reply_to: str | None = None,
    ) -> str:
        room = self._room(channel, user)
        for reference in (thread, reply_to):
            if reference is not None:
                self._find(room, reference)
        return self._add(room, user, text, thread=thread, reply_to=reply_to)

    async def upload(
        self,
        *,
        channel: str,
        user: str,
        text: str,
        files: Sequence[Upload],
        thread: str | None = None,
    ) -> str:
        shown = "".join(f"\n{file.name}: {file.data.decode()}" for file in files)
        return self._add(
            self._room(channel, user), user, text + shown, thread=thread, reply_to=None
        )

    async def forward(self, *, channel: str, message: str, user: str, to: str) -> str:
        text = self._find(self._room(channel, user), message).text
        return self._add(self._room(to, user), user, f"↪ {text}", thread=None, reply_to=None)

    async def edit(self, *, channel: str, message: str, user: str, text: str) -> None:
        self._own(self._room(channel, user), message, user)
        self.rewrite(message, text, channel=self._room(channel, user))

    async def delete(self, *, channel: str, message: str, user: str) -> None:
        room = self._room(channel, user)
        self._rooms[room].remove(self._own(room, message, user, BOT_HANDLE))
        self._changed()

    async def clear_reactions(self, *, channel: str, message: str, emoji: str | None) -> None:
        left = [one for one in self._find(channel, message).reactions if one.emoji != emoji]
        self._replace(channel, message, reactions=tuple(left) if emoji else ())

    async def react(
        self, *, channel: str, message: str, user: str, emoji: str, present: bool
    ) -> None:
        room = self._room(channel, user)
        given = {each.emoji: each.users for each in self._find(room, message).reactions}
        users = tuple(each for each in given.get(emoji, ()) if each != user)
        given[emoji] = (*users, user) if present else users
        self._replace(
            room,
            message,
            reactions=tuple(ReactionView(name, who) for name, who in given.items() if who),
        )

    def messages(
        self, *, channel: str, user: str, newest: int | None = None
    ) -> Sequence[MessageView]:
        return tuple(self._rooms.get(self._room(channel, user), ()))[-(newest or 0) :]

    def audit(self) -> Sequence[AuditView]:
        return [
            AuditView(
                view, "dm" if room.startswith("dm:") else room, room.partition(":")[2] or None
            )
            for room, views in self._rooms.items()
            for view in views
        ]

    def activity(self, *, channel: str, user: str) -> str | None:
        return self._activity.get(self._room(channel, user))

    def connected(self) -> bool:
        return self.online

    async def close(self) -> None:
        self.closed = True
        for socket in tuple(self._sockets):
            await socket.close(code=WSCloseCode.GOING_AWAY)

    # Inside

    def _perform(self, fault: Fault, channel: str | None) -> None:
        if not self.online:
            raise ControlError("no bot is connected")
        self.performed.append(fault)

    def _room(self, channel: str, user: str) -> str:
        if channel == "dm":
            return f"dm:{user}"
        if channel not in CHANNELS:
            raise ControlError(f"channel: {channel!r} is unknown")
        return channel

    def _find(self, room: str, message: str) -> MessageView:
        for view in self._rooms.get(room, ()):
            if view.id == message:
                return view
        raise ControlError(f"message: {message!r} is unknown")

    def _own(self, room: str, message: str, *authors: str) -> MessageView:
        view = self._find(room, message)
        if view.user not in authors:
            raise ControlError(f"message: {message!r} is somebody else's")
        return view

    def _add(
        self, room: str, user: str, text: str, *, thread: str | None, reply_to: str | None
    ) -> str:
        self._next += 1
        message = (
            f"{_FIRST_SLACK_S + self._next}.000100"
            if self.name == "slack"
            else str(_FIRST_DISCORD_ID + (self._next << 32))
        )
        view = MessageView(
            id=message,
            user=user,
            bot=user == BOT_HANDLE,
            text=re.sub(r"\s+$", "", text),
            thread=thread,
            reply_to=reply_to,
            edited=False,
            reactions=(),
        )
        self._rooms.setdefault(room, []).append(view)
        self._changed()
        return message

    def _replace(
        self,
        room: str,
        message: str,
        *,
        text: str | None = None,
        edited: bool | None = None,
        reactions: tuple[ReactionView, ...] | None = None,
    ) -> None:
        old = self._find(room, message)
        new = replace(
            old,
            text=old.text if text is None else text,
            edited=old.edited if edited is None else edited,
            reactions=old.reactions if reactions is None else reactions,
        )
        views = self._rooms[room]
        views[views.index(old)] = new
        self._changed()

    def _changed(self) -> None:
        for on_change in tuple(self._subscribers):
            on_change()

    async def _where(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.base_url())

    async def _forever(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.Event().wait()
        return response

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.add(socket)
        try:
            async for _message in socket:
                pass
        finally:
            self._sockets.discard(socket)
        return socket


@dataclass(frozen=True, slots=True)
class World:
    """A running sandbox over two tiny platforms and a client that speaks to it."""

    sandbox: Sandbox
    slack: TinyPlatform
    discord: TinyPlatform
    client: aiohttp.ClientSession

    async def ask(
        self, method: str, path: str, *, status: int = 200, **request: Any
    ) -> Any:  # JSON
        """The JSON answer to one request, whose status must be `status`."""
        async with self.client.request(method, path, **request) as response:
            answer = await response.json()
            assert response.status == status, answer
            return answer


@asynccontextmanager
async def serving(
    *, heartbeat_s: float = 15.0, people: tuple[str, ...] = handles()
) -> AsyncIterator[World]:
    """A `World` for as long as the block lasts."""
    slack, discord = TinyPlatform("slack", people), TinyPlatform("discord", people)
    sandbox = Sandbox(platforms=[slack, discord], people=people, port=0, heartbeat_s=heartbeat_s)
    async with (
        asyncio.timeout(60),
        sandbox,
        aiohttp.ClientSession(base_url=sandbox.url) as client,
    ):
        yield World(sandbox, slack, discord, client)
