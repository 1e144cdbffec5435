"""The control API: what a person at the page, or a test, does and sees on either platform.

Owns the routes under `/control`, the shape of their bodies and who may call them. It acts through
`Platform` alone, for the page and for tests alike, and keeps no state of its own.

Any web page in a person's browser can send requests to a loopback address. So every route wants
our own address in `Host` (against DNS rebinding) and, where there is one, our own `Origin`; what
acts takes `application/json` only, which a foreign page cannot send without asking first.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from typing import TypeVar

from aiohttp import web

from adapters.sandbox.audit import audit_answer, quick_answer
from adapters.sandbox.bodies import Body, error_answer, json_answer, shown, validated
from adapters.sandbox.changes import Changes, TooManyListeners
from adapters.sandbox.fault_routes import FaultRoutes
from adapters.sandbox.interactive_routes import InteractiveRoutes, offered
from adapters.sandbox.platform import (
    BOT_HANDLE,
    CHANNELS,
    DM,
    ControlError,
    Platform,
    Upload,
)
from adapters.sandbox.removal_routes import RemovalRoutes
from adapters.sandbox.requests import (
    ClearReactions,
    DeleteMessage,
    EditMessage,
    ForwardMessage,
    MessagesQuery,
    PostMessage,
    PostReaction,
    PutLimits,
    UploadFiles,
)
from adapters.sandbox.stop_routes import StopRoutes

HEARTBEAT_S = 15.0
"""A comment this often keeps proxies from cutting a quiet stream, and finds readers that left."""

MIN_INTERVAL_S = 0.1
"""At most ten pieces of news a second: a page reads again after each."""

MAX_UPLOAD_BYTES = 48 * 1024 * 1024
"""A body that holds files, in base64."""

WRITE_TIMEOUT_S = 10.0
"""A reader of the live updates that takes nothing for so long is cut off."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_Form = TypeVar("_Form", bound=Body)


class Control:
    """The handlers of the control API over some platforms."""

    def __init__(
        self,
        platforms: Mapping[str, Platform],
        *,
        people: tuple[str, ...],
        changes: Changes,
        base_url: Callable[[], str],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._platforms = platforms
        self._people = people
        self._changes = changes
        self._base_url = base_url
        self._heartbeat_s = heartbeat_s

    def app(self) -> web.Application:
        """The application to mount at `/control`; its guard and its errors cover it alone."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/state", self._state)
        app.router.add_get("/changes", self._stream_changes)
        app.router.add_get("/{platform}/messages", self._read_messages)
        app.router.add_post("/{platform}/messages", self._post_message)
        app.router.add_post("/{platform}/uploads", self._upload)
        app.router.add_post("/{platform}/forward", self._forward)
        app.router.add_patch("/{platform}/messages", self._edit_message)
        app.router.add_delete("/{platform}/messages", self._delete_message)
        app.router.add_post("/{platform}/reactions", self._post_reaction)
        app.router.add_delete("/{platform}/reactions", self._clear_reactions)
        app.router.add_get("/{platform}/audit", self._audit)
        app.router.add_get("/{platform}/journal", self._read_journal)
        app.router.add_post("/{platform}/journal", self._begin_journal)
        app.router.add_post("/{platform}/limits", self._limit)
        app.add_routes(FaultRoutes(self._platform).routes())
        app.add_routes(InteractiveRoutes(self._platform, self._people).routes())
        app.add_routes(RemovalRoutes(self._platform).routes())
        app.add_routes(StopRoutes(self._platform, self._people).routes())
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        refusal = _refusal(request, ours=self._base_url().removeprefix("http://"))
        if refusal is not None:
            return refusal
        try:
            return await handler(request)
        except ControlError as error:
            return error_answer(400, str(error))
        except web.HTTPException as error:
            headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else None
            line = f"{request.method} {request.path}: {error.reason}"
            return error_answer(error.status, line, headers=headers)

    async def _post_message(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        body = await self._body(PostMessage, request)
        message = await platform.post(
            channel=body.channel,
            user=body.user,
            text=body.text,
            thread=body.thread,
            reply_to=body.reply_to,
        )
        return json_answer({"id": message})

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        # A clone, since the limit for all other bodies is much lower.
        request = request.clone(client_max_size=MAX_UPLOAD_BYTES)
        body = await self._body(UploadFiles, request)
        message = await platform.upload(
            channel=body.channel,
            user=body.user,
            text=body.text,
            files=[Upload(file.name, file.data) for file in body.files],
            thread=body.thread,
        )
        return json_answer({"id": message})

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        body = await self._body(ForwardMessage, request)
        message = await platform.forward(
            channel=body.channel, message=body.message, user=body.user, to=body.to
        )
        return json_answer({"id": message})

    async def _edit_message(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        body = await self._body(EditMessage, request)
        await platform.edit(
            channel=body.channel, message=body.message, user=body.user, text=body.text
        )
        return json_answer({})

    async def _delete_message(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        body = await self._body(DeleteMessage, request)
        await platform.delete(channel=body.channel, message=body.message, user=body.user)
        return json_answer({})

    async def _clear_reactions(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        body = await self._body(ClearReactions, request)
        await platform.clear_reactions(channel=body.channel, message=body.message, emoji=body.emoji)
        return json_answer({})

    async def _post_reaction(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        body = await self._body(PostReaction, request)
        await platform.react(
            channel=body.channel,
            message=body.message,
            user=body.user,
            emoji=body.emoji,
            present=body.present,
        )
        return json_answer({})

    async def _read_messages(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        if len(request.query) != len(set(request.query)):
            raise ControlError("query: each key may stand there once")
        query = validated(MessagesQuery, dict(request.query), people=self._people)
        views = platform.messages(
            channel=query.channel, user=query.user or self._people[0], newest=query.newest
        )
        return json_answer([asdict(view) for view in views])

    async def _audit(self, request: web.Request) -> web.StreamResponse:
        return audit_answer(self._platform(request).audit())

    async def _begin_journal(self, request: web.Request) -> web.StreamResponse:
        await self._body(Body, request)
        self._platform(request).journal.begin()
        return json_answer({})

    async def _read_journal(self, request: web.Request) -> web.StreamResponse:
        return quick_answer(self._platform(request).journal.as_json())

    async def _limit(self, request: web.Request) -> web.StreamResponse:
        platform = self._platform(request)
        platform.limit((await self._body(PutLimits, request)).name)
        return json_answer({})

    async def _state(self, _request: web.Request) -> web.StreamResponse:
        return json_answer(
            {
                "bot": BOT_HANDLE,
                "people": self._people,
                "channels": (*CHANNELS, DM),
                "platforms": [
                    {
                        "name": name,
                        "connected": platform.connected(),
                        "activity": _activity(platform, self._people),
                        **offered(platform),
                    }
                    for name, platform in self._platforms.items()
                ],
            }
        )

    async def _stream_changes(self, request: web.Request) -> web.StreamResponse:
        try:
            with self._changes.listen() as listener:
                response = web.StreamResponse(
                    headers={
                        "Content-Type": "text/event-stream",
                        "Cache-Control": "no-store",
                        "X-Content-Type-Options": "nosniff",
                    }
                )
                await response.prepare(request)
                await _write(response, "retry: 1000\n\n")
                while (changed := await listener.news(within_s=self._heartbeat_s)) is not None:
                    events = "".join(
                        f'event: change\ndata: {{"platform":"{name}"}}\n\n' for name in changed
                    )
                    await _write(response, events or ": heartbeat\n\n")
                    await listener.pause(MIN_INTERVAL_S)
                return response
        except TooManyListeners:
            return error_answer(503, "too many pages are open; close some")
        except (ConnectionResetError, TimeoutError):
            # The reader left, or takes nothing. Nobody is there to be told.
            if request.transport is not None:
                request.transport.abort()
            return response

    async def _body(self, form: type[_Form], request: web.Request) -> _Form:
        return validated(form, await request.read(), people=self._people)

    def _platform(self, request: web.Request) -> Platform:
        name = request.match_info["platform"]
        try:
            return self._platforms[name]
        except KeyError:
            known = ", ".join(self._platforms)
            raise web.HTTPNotFound(
                reason=f"platform {shown(name)} is unknown; allowed: {known}"
            ) from None


async def _write(response: web.StreamResponse, text: str) -> None:
    async with asyncio.timeout(WRITE_TIMEOUT_S):
        await response.write(text.encode())


def _activity(platform: Platform, people: tuple[str, ...]) -> list[dict[str, str | None]]:
    """Where the bot is shown to be doing something; `user` tells whose direct message it is."""
    places = [(channel, None) for channel in CHANNELS] + [(DM, person) for person in people]
    shown = []
    for channel, person in places:
        text = platform.activity(channel=channel, user=person or people[0])
        if text:
            shown.append({"channel": channel, "user": person, "text": text})
    return shown


def _refusal(request: web.Request, *, ours: str) -> web.Response | None:
    """Why this request may not act on the sandbox, as an answer; None when it may.

    `ours` is the server's own address as HOST:PORT.
    """
    names = (ours, f"localhost:{ours.rpartition(':')[2]}")
    host = request.headers.get("Host", "")
    if host.lower() not in names:
        return error_answer(403, f"Host: {shown(host)} is refused; allowed: {', '.join(names)}")
    origin = request.headers.get("Origin")
    if origin is not None and origin.lower() not in [f"http://{name}" for name in names]:
        return error_answer(403, f"Origin: {shown(origin)} is refused; allowed: http://{names[0]}")
    acts = request.method in ("POST", "PATCH") or request.body_exists
    if acts and request.content_type != "application/json":
        sent = shown(request.headers.get("Content-Type", ""))
        return error_answer(415, f"Content-Type: {sent} is refused; allowed: application/json")
    return None
