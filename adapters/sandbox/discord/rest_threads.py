"""Routes of threads: start one, change it, join it, list the active ones."""

from typing import Final

from aiohttp import web

from adapters.sandbox.discord import threads
from adapters.sandbox.discord.bodies import ThreadForm, ThreadUpdateForm
from adapters.sandbox.discord.errors import ApiError, Refusal, not_modelled
from adapters.sandbox.discord.flags import Permission
from adapters.sandbox.discord.forms import checked, path_id, read_body
from adapters.sandbox.discord.ids import BOT_USER_ID, GUILD_ID
from adapters.sandbox.discord.model import Message, Thread
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.rest import nothing, reply
from adapters.sandbox.discord.rest_messages import MessageRoutes
from adapters.sandbox.discord.state import State
from adapters.sandbox.discord.thread_start import start_thread

_PUBLIC_THREAD: Final = 11
_CHANNEL: Final = "/channels/{channel_id}"


class ThreadRoutes:
    """The bot's side of threads."""

    def __init__(self, *, state: State, payloads: Payloads, messages: MessageRoutes) -> None:
        self._state = state
        self._payloads = payloads
        self._messages = messages

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [
            web.post(_CHANNEL + "/messages/{message_id}/threads", self._start_from_message),
            web.post(_CHANNEL + "/threads", self._start),
            web.patch(_CHANNEL, self._update),
            web.put(_CHANNEL + "/thread-members/@me", self._join),
            web.get("/guilds/{guild_id}/threads/active", self._active, allow_head=False),
        ]

    async def _start_from_message(self, request: web.Request) -> web.Response:
        return await self._open(request, self._messages.message(request))

    async def _start(self, request: web.Request) -> web.Response:
        return await self._open(request, None)

    async def _open(self, request: web.Request, source: Message | None) -> web.Response:
        channel = self._messages.channel(request)
        form = checked(ThreadForm, (await read_body(request)).data)
        if source is None and form.type != _PUBLIC_THREAD:
            raise not_modelled("type", "threads other than public ones (type 11)")
        thread = start_thread(
            self._state,
            channel,
            BOT_USER_ID,
            name=form.name,
            source=source,
            auto_archive_minutes=form.auto_archive_duration,
            slowmode_s=form.rate_limit_per_user or 0,
        )
        return reply(self._payloads.channel(self._state.channel(thread.id)), 201)

    async def _update(self, request: web.Request) -> web.Response:
        thread = self._messages.channel(request)
        if not isinstance(thread, Thread):
            # Changing a channel of the guild needs MANAGE_CHANNELS, which the bot never has.
            raise ApiError(Refusal.MISSING_PERMISSIONS)
        form = checked(ThreadUpdateForm, (await read_body(request)).data)
        self._require_may_update(thread, form)
        changed = threads.update(
            self._state,
            thread,
            name=form.name,
            archived=form.archived,
            locked=form.locked,
            auto_archive_minutes=form.auto_archive_duration,
            slowmode_s=form.rate_limit_per_user,
        )
        return reply(self._payloads.channel(changed))

    def _require_may_update(self, thread: Thread, form: ThreadUpdateForm) -> None:
        # Anybody who may speak may unarchive; the owner may change all but the lock and the
        # slowmode (Threads, Permissions).
        if self._state.allows(BOT_USER_ID, thread, Permission.MANAGE_THREADS):
            return
        asked = form.model_fields_set
        unarchives = asked == {"archived"} and form.archived is False and not thread.locked
        owned = thread.owner_id == BOT_USER_ID and not asked & {"locked", "rate_limit_per_user"}
        if not unarchives and not owned:
            raise ApiError(Refusal.MISSING_PERMISSIONS)

    async def _active(self, request: web.Request) -> web.Response:
        """All active threads, the newest first, and the bot's memberships of them."""
        if path_id(request, "guild_id") != GUILD_ID:
            raise ApiError(Refusal.MISSING_ACCESS)
        active = [
            one
            for one in self._state.channels.values()
            if isinstance(one, Thread)
            and not one.archived
            and self._state.allows(BOT_USER_ID, one, Permission.VIEW_CHANNEL)
        ]
        active.sort(key=lambda one: one.id, reverse=True)
        bodies = [self._payloads.channel(one) for one in active]
        joined = [body["member"] for body in bodies if "member" in body]
        return reply({"threads": bodies, "members": joined})

    async def _join(self, request: web.Request) -> web.Response:
        threads.join(self._state, self._messages.channel(request).id, BOT_USER_ID)
        return nothing()
