"""Routes of messages: read, send, edit, delete, pins, typing."""

import bisect
from datetime import UTC
from operator import attrgetter
from typing import Final

from aiohttp import web

from adapters.sandbox.discord import messages
from adapters.sandbox.discord.account import Account
from adapters.sandbox.discord.bodies import (
    CreateForm,
    EditForm,
    HistoryQuery,
    PinsQuery,
)
from adapters.sandbox.discord.errors import (
    ApiError,
    Refusal,
    invalid_form,
)
from adapters.sandbox.discord.flags import Permission
from adapters.sandbox.discord.forms import (
    checked,
    path_id,
    query,
    read_body,
)
from adapters.sandbox.discord.ids import BOT_USER_ID
from adapters.sandbox.discord.limits import OLD_MESSAGE_S, Buckets, Limits, RateLimited
from adapters.sandbox.discord.message_bodies import draft_of, edit_of
from adapters.sandbox.discord.model import Channel, Json, Message, Thread
from adapters.sandbox.discord.payload import Payloads, iso
from adapters.sandbox.discord.rest import nothing, reply
from adapters.sandbox.discord.state import State

_OLD_EDIT_CODE: Final = 30046
_CHANNEL: Final = "/channels/{channel_id}"
_MESSAGES: Final = _CHANNEL + "/messages"
_MESSAGE: Final = _MESSAGES + "/{message_id}"


class MessageRoutes:
    """The bot's side of messages."""

    def __init__(
        self,
        *,
        state: State,
        payloads: Payloads,
        account: Account,
        buckets: Buckets,
        limits: Limits,
    ) -> None:
        self._state = state
        self._payloads = payloads
        self._account = account
        self._buckets = buckets
        self._limits = limits

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group; pins stand before the message ids that they look like."""
        return [
            web.get(_CHANNEL, self._get_channel, allow_head=False),
            web.post(_CHANNEL + "/typing", self._type),
            web.get(_MESSAGES, self._history, allow_head=False),
            web.post(_MESSAGES, self._create),
            web.get(_MESSAGES + "/pins", self._pins, allow_head=False),
            web.put(_MESSAGES + "/pins/{message_id}", self._pin),
            web.delete(_MESSAGES + "/pins/{message_id}", self._unpin),
            web.get(_MESSAGE, self._get, allow_head=False),
            web.patch(_MESSAGE, self._edit),
            web.delete(_MESSAGE, self._delete),
        ]

    def channel(self, request: web.Request, *needed: Permission) -> Channel:
        """The channel in the path, if the bot may see it and do what is needed."""
        channel = self._state.channel(path_id(request, "channel_id"))
        if not self._state.allows(BOT_USER_ID, channel, Permission.VIEW_CHANNEL):
            raise ApiError(Refusal.MISSING_ACCESS)
        if not all(self._state.allows(BOT_USER_ID, channel, one) for one in needed):
            raise ApiError(Refusal.MISSING_PERMISSIONS)
        return channel

    def message(self, request: web.Request, *needed: Permission) -> Message:
        """The message in the path."""
        channel = self.channel(request, *needed)
        return self._state.message(channel.id, path_id(request, "message_id"))

    def _write(self, message: Message) -> Json:
        return self._payloads.message(message, privileged=self._account.reads_content)

    async def _get_channel(self, request: web.Request) -> web.Response:
        return reply(self._payloads.channel(self.channel(request)))

    async def _type(self, request: web.Request) -> web.Response:
        channel = self._state.channel(path_id(request, "channel_id"))
        needed = (
            Permission.SEND_MESSAGES_IN_THREADS
            if isinstance(channel, Thread)
            else Permission.SEND_MESSAGES
        )
        self._state.start_typing(self.channel(request, needed), BOT_USER_ID)
        return nothing()

    async def _history(self, request: web.Request) -> web.Response:
        channel = self.channel(request)
        asked = query(HistoryQuery, request)
        if sum(anchor is not None for anchor in (asked.before, asked.after, asked.around)) > 1:
            raise invalid_form({(): [("BASE_TYPE_INVALID", "Only one of before, after, around")]})
        if not self._state.allows(BOT_USER_ID, channel, Permission.READ_MESSAGE_HISTORY):
            return reply([])  # as documented for Get Channel Messages: empty, not refused
        chosen = page(self._state.history(channel.id), asked)
        return reply([self._write(message) for message in reversed(chosen)])

    async def _get(self, request: web.Request) -> web.Response:
        return reply(self._write(self.message(request, Permission.READ_MESSAGE_HISTORY)))

    async def _create(self, request: web.Request) -> web.Response:
        channel = self.channel(request)
        body = await read_body(request)
        form = checked(CreateForm, body.data)
        draft = draft_of(self._state, channel, body, form)
        if draft.attachments and not self._state.allows(
            BOT_USER_ID, channel, Permission.ATTACH_FILES
        ):
            raise ApiError(Refusal.MISSING_PERMISSIONS)
        message = messages.create(self._state, channel, BOT_USER_ID, draft)
        sent = self._write(message)
        if message.nonce is not None:
            sent["nonce"] = message.nonce
        return reply(sent)

    async def _edit(self, request: web.Request) -> web.Response:
        message = self.message(request)
        body = await read_body(request)
        form = checked(EditForm, body.data)
        if body.files:
            self.channel(request, Permission.ATTACH_FILES)
        self._require_edit_in_time(message)
        edit = edit_of(self._state, body, form, message)
        return reply(self._write(messages.edit(self._state, message, BOT_USER_ID, edit)))

    async def _delete(self, request: web.Request) -> web.Response:
        messages.delete(self._state, self.message(request), BOT_USER_ID)
        return nothing()

    async def _pins(self, request: web.Request) -> web.Response:
        channel = self.channel(request, Permission.READ_MESSAGE_HISTORY)
        asked = query(PinsQuery, request)
        before = None
        if asked.before is not None:
            zoned = asked.before if asked.before.tzinfo else asked.before.replace(tzinfo=UTC)
            before = zoned.timestamp()
        pinned = sorted(
            (
                (message.pinned_at, message)
                for message in self._state.history(channel.id)
                if message.pinned_at is not None and (before is None or message.pinned_at < before)
            ),
            key=lambda pin: pin[0],
            reverse=True,
        )
        items = [
            {"pinned_at": iso(at), "message": self._write(message)}
            for at, message in pinned[: asked.limit]
        ]
        return reply({"items": items, "has_more": len(pinned) > len(items)})

    async def _pin(self, request: web.Request) -> web.Response:
        message = self.message(request, Permission.PIN_MESSAGES)
        messages.pin(self._state, message, BOT_USER_ID, pinned=True)
        return nothing()

    async def _unpin(self, request: web.Request) -> web.Response:
        message = self.message(request, Permission.PIN_MESSAGES)
        messages.pin(self._state, message, BOT_USER_ID, pinned=False)
        return nothing()

    def _require_edit_in_time(self, message: Message) -> None:
        if self._state.clock() - message.created_at <= OLD_MESSAGE_S:
            return
        key = f"old edits:{message.channel_id}"
        standing = self._buckets.take(key, self._limits.old_edits)
        if not standing.allowed:
            raise RateLimited(standing.reset_after_s, "user", _OLD_EDIT_CODE)


def page(history: list[Message], asked: HistoryQuery) -> list[Message]:
    """The messages asked for, oldest first; `history` is oldest first too."""
    by_id = attrgetter("id")
    if asked.after is not None:
        start = bisect.bisect_right(history, asked.after, key=by_id)
        return history[start : start + asked.limit]
    if asked.around is not None:
        middle = bisect.bisect_left(history, asked.around, key=by_id)
        start = max(0, middle - asked.limit // 2)
        return history[start : start + asked.limit]
    end = len(history)
    if asked.before is not None:
        end = bisect.bisect_left(history, asked.before, key=by_id)
    return history[max(0, end - asked.limit) : end]
