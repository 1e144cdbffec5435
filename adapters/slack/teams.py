"""The workspaces that are served: the one whose token the settings hold.

Owns what the adapter asks of them, whichever kind they are; `installed` has the other kind.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from adapters.backoff import Backoff
from adapters.border import Border
from adapters.slack.calls import Calls, web_client
from adapters.slack.identity import identify
from adapters.slack.team import Team, team_of
from bot.errors import PlatformUnavailable
from bot.store.places import Places

log = structlog.get_logger()

RETRY_S: Final = 5.0
RETRY_MAX_S: Final = 120.0

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)")


class Teams(Protocol):
    """Who is served."""

    @property
    def served(self) -> Sequence[Team]:
        """The workspaces of the moment."""

    async def begin(self) -> None:
        """Learn at the start who there is. Raises FatalError when nobody can be served."""

    async def run(self) -> None:
        """Serve them, and those that come, until cancelled."""

    async def find(self, team: str) -> Team | None:
        """A workspace, or None for one that is not served.

        Raises StoreUnavailable, and PlatformUnavailable while it is not known yet.
        """

    async def left(self, team: str, at: float) -> None:
        """A workspace took the app out, or its token back, then. Raises StoreUnavailable."""


class OneTeam:
    """The workspace of `slack.bot_token`, which everything concerns."""

    def __init__(self, token: str, api_url: str, border: Border, places: Places) -> None:
        self._token = token
        self._calls = Calls(web_client(token, api_url))
        self._border = border
        self._places = places
        self._team: Team | None = None

    @property
    def served(self) -> Sequence[Team]:
        """The workspace, once Slack said which it is."""
        return () if self._team is None else (self._team,)

    async def begin(self) -> None:
        """Ask Slack who we are. Raises PlatformError for a wrong token."""
        identity = await identify(self._calls, backoff=Backoff(RETRY_S, RETRY_MAX_S))
        self._team = team_of(
            self._token,
            self._calls,
            identity,
            border=self._border,
            places=self._places,
            is_alone=True,
        )

    async def run(self) -> None:
        """Look names up, and try the token now and then, until cancelled."""
        team = await self.find("")
        await team.run()

    async def find(self, team: str) -> Team:
        """The workspace. Raises PlatformUnavailable while Slack has not said which it is."""
        if self._team is None:
            raise PlatformUnavailable("an event came before Slack said who we are")
        return self._team

    async def left(self, team: str, at: float) -> None:
        """Say so: the token in the settings is the operator's to replace."""
        log.error("the app was taken out of the workspace, or its token back", team=team)


def team_id_of(body: Mapping[str, Any]) -> str:
    """The workspace that an event or an interaction comes to us by; "" where it does not tell.

    That of a Slack Connect channel's event is not always the writer's.
    """
    for authorization in body.get("authorizations") or ():
        if isinstance(authorization, Mapping) and authorization.get("team_id"):
            return str(authorization["team_id"])
    team = body.get("team")
    named = team.get("id") if isinstance(team, Mapping) else team
    return str(body.get("team_id") or named or "")


def concerned(event: Mapping[str, Any], by: Team, served: Sequence[Team]) -> Team:
    """The workspace whose bot an event is about: in a channel that several share, not always the
    one that it came by. It is who was mentioned, or whose message was reacted to."""
    if len(served) < 2:
        return by
    users = {team.identity.user: team for team in served}
    author = str(event.get("item_user") or "")
    if author in users:
        return users[author]
    text = str((event.get("message") or event).get("text") or "")
    mentioned = _MENTION.findall(text)
    if by.identity.user in mentioned:
        return by
    return next((users[user] for user in mentioned if user in users), by)
