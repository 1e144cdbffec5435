"""The workspaces that are served: all that installed the app.

Owns who is served from when to when. A new installation is served at once by the process that took
it in, and by others at its first event or within `POLL_S` seconds. One that ends takes nothing with
it but its own: its calls fail from then on as gone, so its open turns end as failed.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import structlog

from adapters.border import Border
from adapters.slack.calls import Calls, web_client
from adapters.slack.identity import Identity
from adapters.slack.installations import Installation, Installations
from adapters.slack.team import Team, team_of
from bot.errors import StoreUnavailable
from bot.insist import insist
from bot.store.places import Places
from bot.store.vault import Sealed

log = structlog.get_logger()

POLL_S: Final = 3.0
LATE_S: Final = 5.0
"""What Slack's clock may be behind ours: news that are older than an installation concern the one
before it. Slack delivers an event again for hours."""

DEAD: Final = frozenset({"token_revoked", "account_inactive"})
"""What Slack says of a token that never comes back. Others may be a mistake in our settings, for
which no installation is thrown away."""

Make = Callable[[Installation, Callable[[str], None]], Team]
"""Makes a workspace of its installation; the callable is to be told when Slack refuses the token,
with Slack's word for why."""


class InstalledTeams:
    """The workspaces of the installations."""

    def __init__(self, installations: Installations, make: Make, *, poll_s: float = POLL_S) -> None:
        self._installations = installations
        self._make = make
        self._poll_s = poll_s
        self._teams: dict[str, Team] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._refused: dict[str, tuple[str, str]] = {}
        self._unreadable: set[Sealed] = set()
        self._news = asyncio.Event()

    @property
    def served(self) -> Sequence[Team]:
        """The workspaces of the moment."""
        return tuple(self._teams.values())

    async def begin(self) -> None:
        """Read the installations. Raises ConfigError when the key does not open them."""
        await insist(self._installations.check, "reading Slack's installations")
        await insist(self._refresh, "reading Slack's installations")
        log.info("workspaces that installed the app", count=len(self._teams))

    async def run(self) -> None:
        """Follow the installations until cancelled."""
        try:
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._news.wait()
                self._news.clear()
                try:
                    await self._forget_dead()
                    await self._refresh()
                except StoreUnavailable as error:
                    log.warning("installations not read", error=str(error))
        finally:
            tasks = [*self._tasks.values(), *self._ending]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def find(self, team: str) -> Team | None:
        """A workspace, also one that installed the app a moment ago. Raises StoreUnavailable."""
        return self._teams.get(team) or await self.look(team)

    async def look(self, team: str) -> Team | None:
        """A workspace by its installation as it is now. Raises StoreUnavailable."""
        sealed = await self._installations.find(team)
        return None if sealed is None else self._serve(sealed)

    async def left(self, team: str, at: float) -> None:
        """A workspace took the app out, or its token back. Raises StoreUnavailable."""
        sealed = await self._installations.find(team)
        installation = None if sealed is None else self._installations.open(sealed)
        if installation is not None and at < installation.at - LATE_S:
            log.info("news of an earlier installation", team=team)
            return
        if sealed is not None:
            await self._installations.drop(sealed)
        self._end(team, "the app was taken out of the workspace")

    async def _refresh(self) -> None:
        listed = await self._installations.listed()
        for team in self._teams.keys() - listed.keys():
            self._end(team, "its installation is gone")
        for sealed in listed.values():
            self._serve(sealed)

    def _serve(self, sealed: Sealed) -> Team | None:
        """Serve a workspace by its installation, unless it is; None where that cannot be."""
        installation = self._installations.open(sealed)
        if installation is None:
            if sealed not in self._unreadable:
                self._unreadable.add(sealed)
                log.error("slack.token_key does not open an installation", team=sealed.name)
            return None
        served = self._teams.get(installation.team)
        if served is not None and served.token == installation.token:
            return served
        if self._refused.get(installation.team, ("", ""))[0] == installation.token:
            return None
        # What an earlier installation has under way ends with its own token, while that lives.
        self._stop(installation.team)
        team = self._make(
            installation,
            lambda code: self._was_refused(installation.team, installation.token, code),
        )
        self._teams[team.id] = team
        self._tasks[team.id] = asyncio.create_task(_run(team))
        log.info("workspace served", team=team.id, name=installation.name)
        return team

    def _was_refused(self, team: str, token: str, code: str) -> None:
        """Slack does not take the token any more."""
        served = self._teams.get(team)
        if served is not None and served.token == token:
            self._refused[team] = (token, code)
            self._end(team, f"Slack refuses its token: {code}")
            self._news.set()

    async def _forget_dead(self) -> None:
        """Drop the installations whose tokens never come back."""
        for team, (token, code) in list(self._refused.items()):
            if code not in DEAD:
                continue
            sealed = await self._installations.find(team)
            installation = None if sealed is None else self._installations.open(sealed)
            if sealed is not None and installation is not None and installation.token == token:
                await self._installations.drop(sealed)
            del self._refused[team]

    def _end(self, team: str, reason: str) -> None:
        """Serve a workspace no more: what it has under way fails."""
        if (ended := self._stop(team)) is not None:
            ended.calls.end(f"Slack workspace {team} is not served any more: {reason}")
            log.warning("workspace not served any more", team=team, reason=reason)

    def _stop(self, team: str) -> Team | None:
        if (task := self._tasks.pop(team, None)) is not None:
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        return self._teams.pop(team, None)


async def _run(team: Team) -> None:
    """Run what a workspace needs: the border to the other workspaces."""
    try:
        await team.run()
    except Exception:
        log.exception("a workspace's tasks broke", team=team.id)


def maker(api_url: str, border: Border, places: Places) -> Make:
    """What makes workspaces that call Slack at `api_url`."""

    def make(installation: Installation, on_refused: Callable[[str], None]) -> Team:
        calls = Calls(
            web_client(installation.token, api_url),
            called=f"the token of {installation.team}",
            on_refused=on_refused,
        )
        identity = Identity(installation.user, installation.bot, installation.team)
        return team_of(
            installation.token, calls, identity, border=border, places=places, is_alone=False
        )

    return make
