"""All routes of the REST API in one application."""

from collections.abc import Callable
from functools import partial

from aiohttp import web

from adapters.sandbox.discord.account import Account
from adapters.sandbox.discord.commands import Commands
from adapters.sandbox.discord.gateway import GatewaySettings
from adapters.sandbox.discord.interactions import Interactions
from adapters.sandbox.discord.limits import Buckets, Limits
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.person import channel_name
from adapters.sandbox.discord.responses import Responses
from adapters.sandbox.discord.rest import Rest
from adapters.sandbox.discord.rest_account import AccountRoutes
from adapters.sandbox.discord.rest_faults import RestFaults
from adapters.sandbox.discord.rest_interactions import InteractionRoutes
from adapters.sandbox.discord.rest_messages import MessageRoutes
from adapters.sandbox.discord.rest_reactions import ReactionRoutes
from adapters.sandbox.discord.rest_threads import ThreadRoutes
from adapters.sandbox.discord.state import State
from adapters.sandbox.faults import Faults
from adapters.sandbox.journal import Journal


def rest_application(
    *,
    state: State,
    payloads: Payloads,
    account: Account,
    buckets: Buckets,
    limits: Limits,
    faults: Faults,
    journal: Journal,
    gateway_url: Callable[[], str],
    commands: Commands,
    interactions: Interactions,
    responses: Responses,
    gateway: GatewaySettings,
) -> web.Application:
    """The API, to be mounted at `rest.PREFIX`; `faults` is told of its routes."""
    messages = MessageRoutes(
        state=state, payloads=payloads, account=account, buckets=buckets, limits=limits
    )
    own = AccountRoutes(
        state=state,
        payloads=payloads,
        account=account,
        commands=commands,
        buckets=buckets,
        limits=limits,
        gateway_url=gateway_url,
        gateway=gateway,
    )
    routes = [
        *own.routes(),
        *messages.routes(),
        *ReactionRoutes(state=state, messages=messages).routes(),
        *ThreadRoutes(state=state, payloads=payloads, messages=messages).routes(),
        *InteractionRoutes(
            state=state, payloads=payloads, interactions=interactions, responses=responses
        ).routes(),
    ]
    faults.know_calls({f"{route.method} {route.path}" for route in routes})
    return Rest(
        account=account,
        buckets=buckets,
        limits=limits,
        faults=RestFaults(faults, partial(channel_name, state)),
        journal=journal,
        routes=routes,
    ).application
