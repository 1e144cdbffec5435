"""Routes of the bot's own account: itself, its application, its commands, its direct channels."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from adapters.sandbox.discord.account import Account
from adapters.sandbox.discord.bodies import RecipientForm
from adapters.sandbox.discord.commands import Commands
from adapters.sandbox.discord.errors import ApiError, Refusal
from adapters.sandbox.discord.forms import checked, path_id, read_body, read_list
from adapters.sandbox.discord.gateway import GatewaySettings
from adapters.sandbox.discord.ids import APPLICATION_ID, GUILD_ID
from adapters.sandbox.discord.limits import Buckets, Limits
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.rest import reply
from adapters.sandbox.discord.state import State

_COMMANDS: Final = "/applications/{application_id}/commands"
_GUILD_COMMANDS: Final = "/applications/{application_id}/guilds/{guild_id}/commands"


class AccountRoutes:
    """Who the bot is. `gateway_url` is the address that clients connect to."""

    def __init__(
        self,
        *,
        state: State,
        payloads: Payloads,
        account: Account,
        commands: Commands,
        buckets: Buckets,
        limits: Limits,
        gateway_url: Callable[[], str],
        gateway: GatewaySettings,
    ) -> None:
        self._state = state
        self._payloads = payloads
        self._account = account
        self._commands = commands
        self._buckets = buckets
        self._limits = limits
        self._gateway_url = gateway_url
        self._shards = gateway.shards
        self._max_concurrency = gateway.max_concurrency

    def routes(self) -> list[web.RouteDef]:
        """All routes of this group."""
        return [
            web.get("/users/@me", self._me, allow_head=False),
            web.post("/users/@me/channels", self._open_direct),
            web.get("/oauth2/applications/@me", self._application, allow_head=False),
            web.get("/gateway/bot", self._gateway, allow_head=False),
            web.get(_COMMANDS, self._get_commands, allow_head=False),
            web.put(_COMMANDS, self._put_commands),
            web.get(_GUILD_COMMANDS, self._get_commands, allow_head=False),
            web.put(_GUILD_COMMANDS, self._put_commands),
        ]

    async def _me(self, request: web.Request) -> web.Response:
        return reply(self._account.own_user())

    async def _application(self, request: web.Request) -> web.Response:
        return reply(self._account.application())

    async def _open_direct(self, request: web.Request) -> web.Response:
        form = checked(RecipientForm, (await read_body(request)).data)
        channel = self._state.open_direct_channel(form.recipient_id)
        return reply(self._payloads.channel(channel))

    async def _gateway(self, request: web.Request) -> web.Response:
        starts = self._buckets.look("session starts", self._limits.session_starts)
        return reply(
            {
                "url": self._gateway_url(),
                "shards": self._shards,
                "session_start_limit": {
                    "total": starts.limit,
                    "remaining": starts.remaining,
                    "reset_after": int(starts.reset_after_s * 1000),
                    "max_concurrency": self._max_concurrency,
                },
            }
        )

    async def _get_commands(self, request: web.Request) -> web.Response:
        return reply(self._commands.stored(_scope(request)))

    async def _put_commands(self, request: web.Request) -> web.Response:
        scope = _scope(request)
        return reply(self._commands.replace(scope, await read_list(request)))


def _scope(request: web.Request) -> int | None:
    """The guild that the commands are for, or None for all."""
    if path_id(request, "application_id") != APPLICATION_ID:
        raise ApiError(Refusal.OTHER_APPLICATION)
    if "guild_id" not in request.match_info:
        return None
    if path_id(request, "guild_id") != GUILD_ID:
        raise ApiError(Refusal.MISSING_ACCESS)
    return GUILD_ID
