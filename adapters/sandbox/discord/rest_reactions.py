"""Routes of reactions: give, take back, clear, and who gave what."""

from typing import Final

from aiohttp import web

from adapters.sandbox.discord import reactions
from adapters.sandbox.discord.bodies import ReactionQuery
from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.flags import Permission
from adapters.sandbox.discord.forms import path_id, query
from adapters.sandbox.discord.identity import user
from adapters.sandbox.discord.ids import BOT_USER_ID
from adapters.sandbox.discord.messages import require_moderator
from adapters.sandbox.discord.model import Reaction
from adapters.sandbox.discord.rest import nothing, reply
from adapters.sandbox.discord.rest_messages import MessageRoutes
from adapters.sandbox.discord.state import State

_ALL: Final = "/channels/{channel_id}/messages/{message_id}/reactions"
_EMOJI: Final = _ALL + "/{emoji}"


class ReactionRoutes:
    """The bot's side of reactions; a bot gives normal ones only."""

    def __init__(self, *, state: State, messages: MessageRoutes) -> None:
        self._state = state
        self._messages = messages

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [
            web.get(_EMOJI, self._users, allow_head=False),
            web.put(_EMOJI + "/@me", self._add),
            web.delete(_EMOJI + "/@me", self._remove_own),
            web.delete(_EMOJI + "/{user_id}", self._remove),
            web.delete(_EMOJI, self._clear_emoji),
            web.delete(_ALL, self._clear),
        ]

    async def _users(self, request: web.Request) -> web.Response:
        message = self._messages.message(request, Permission.READ_MESSAGE_HISTORY)
        asked = query(ReactionQuery, request)
        emoji = reactions.emoji_of(request.match_info["emoji"])
        givers = sorted(
            one.user_id
            for one in message.reactions
            if one.emoji == emoji and one.burst == bool(asked.type) and one.user_id > asked.after
        )
        return reply([user(self._state.users[giver]) for giver in givers[: asked.limit]])

    async def _add(self, request: web.Request) -> web.Response:
        message = self._messages.message(request, Permission.READ_MESSAGE_HISTORY)
        emoji = reactions.emoji_of(request.match_info["emoji"])
        if all(one.emoji != emoji for one in message.reactions):
            # Only a new emoji needs the permission; joining one that is there does not.
            self._messages.channel(request, Permission.ADD_REACTIONS)
        reactions.add(self._state, message, Reaction(emoji, BOT_USER_ID, burst=False))
        return nothing()

    async def _remove_own(self, request: web.Request) -> web.Response:
        message = self._messages.message(request)
        emoji = reactions.emoji_of(request.match_info["emoji"])
        reactions.remove(self._state, message, Reaction(emoji, BOT_USER_ID, burst=False))
        return nothing()

    async def _remove(self, request: web.Request) -> web.Response:
        message = self._messages.message(request)
        user_id = path_id(request, "user_id")
        if user_id not in self._state.users:
            raise ApiError(Refusal.UNKNOWN_USER)
        if user_id != BOT_USER_ID:
            require_moderator(self._state, self._messages.channel(request), BOT_USER_ID)
        emoji = reactions.emoji_of(request.match_info["emoji"])
        for burst in (False, True):
            message = self._state.message(message.channel_id, message.id)
            reactions.remove(self._state, message, Reaction(emoji, user_id, burst))
        return nothing()

    async def _clear_emoji(self, request: web.Request) -> web.Response:
        message = self._messages.message(request)
        require_moderator(self._state, self._messages.channel(request), BOT_USER_ID)
        emoji = reactions.emoji_of(request.match_info["emoji"])
        reactions.clear(self._state, message, emoji)
        return nothing()

    async def _clear(self, request: web.Request) -> web.Response:
        message = self._messages.message(request)
        require_moderator(self._state, self._messages.channel(request), BOT_USER_ID)
        reactions.clear(self._state, message)
        return nothing()
