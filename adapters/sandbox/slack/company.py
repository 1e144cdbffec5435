"""The workspaces that one app is, or may be, installed in: who lets it in, and takes it out again.

The first world's routes serve them all; each has its own state, tokens and ids at the wire.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from aiohttp import web

from adapters.sandbox.errors import ControlError
from adapters.sandbox.removal_routes import How
from adapters.sandbox.slack.directory import BOT_USER_ID
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.oauth import OAuth, Office
from adapters.sandbox.slack.response_urls import ResponseUrls
from adapters.sandbox.slack.web_api import WebApi

LAST_WORDS = frozenset({"app_uninstalled", "tokens_revoked"})
"""Events of an app that has no authorization any more."""


class Member(Protocol):
    """A workspace, as the others need it."""

    @property
    def office(self) -> Office:
        """Where it lets the app in."""

    @property
    def web_api(self) -> WebApi:
        """What answers calls with its tokens."""

    @property
    def urls(self) -> ResponseUrls:
        """What answers its response URLs."""

    def emit(self, event: Json, subscription: str) -> None:
        """Tell the app of an event, if it hears of those."""

    def live(self, base_url: Callable[[], str] | None, *, is_running: bool) -> None:
        """Learn the server's address, and whether it runs."""

    async def close(self) -> None:
        """End everything."""


class Company:
    """All workspaces, the first one first."""

    def __init__(self, first: Member, oauth: OAuth | None) -> None:
        self._first = first
        self._oauth = oauth
        self._members: dict[str, Member] = {}
        self.join(first)

    def join(self, member: Member) -> None:
        """Take a workspace in."""
        self._members[member.office.id] = member
        if self._oauth is not None:
            self._oauth.join(member.office)
        if member is not self._first:
            self._first.web_api.join(member.web_api)
            self._first.urls.join(member.urls)

    @property
    def others(self) -> Sequence[Member]:
        """All but the first."""
        return [one for one in self._members.values() if one is not self._first]

    def add_to(self, app: web.Application, base_url: Callable[[], str]) -> None:
        """Add the routes of installing to an application."""
        for other in self.others:
            other.live(base_url, is_running=False)
        if self._oauth is not None:
            self._oauth.add_to(app)

    def start(self) -> None:
        """The server runs from now on."""
        for other in self.others:
            other.live(None, is_running=True)

    async def close(self) -> None:
        """Close all but the first."""
        for other in self.others:
            await other.close()

    def remove(self, how: How, team: str) -> None:
        """Take the app out of a workspace, or just its tokens back. Raises ControlError."""
        member = self._members.get(team)
        if member is None or not member.office.tokens.is_installed:
            raise ControlError("the app is not installed there")
        bot = {"oauth": [], "bot": [BOT_USER_ID]}
        member.emit({"type": "tokens_revoked", "tokens": bot}, "tokens_revoked")
        if how == "uninstall":
            member.emit({"type": "app_uninstalled"}, "app_uninstalled")
        member.office.tokens.take_back(
            "account_inactive" if how == "uninstall" else "token_revoked"
        )
