"""One workspace as it is served: its token, what may be called with it, and what runs for it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from adapters.border import Border
from adapters.slack.calls import Calls
from adapters.slack.history import SlackHistory
from adapters.slack.identity import Identity, watch
from adapters.slack.names import Names
from adapters.slack.profiles import Profiles
from adapters.slack.status import Statuses
from adapters.slack.stream import Streams
from adapters.slack.surface import SlackSurface
from bot.domain import MessageRef
from bot.store.places import Places


@dataclass(frozen=True, slots=True, eq=False)
class Team:
    """A workspace, with its own token and so its own budgets of calls."""

    identity: Identity
    calls: Calls
    names: Names
    profiles: Profiles
    history: SlackHistory
    streams: Streams
    statuses: Statuses
    token: str = field(repr=False)

    @property
    def id(self) -> str:
        """The workspace's id."""
        return self.identity.team

    async def run(self) -> None:
        """Look names up and try the token now and then, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.names.run())
                group.create_task(watch(self.calls))
        finally:
            await self.profiles.close()


def team_of(
    token: str,
    calls: Calls,
    identity: Identity,
    *,
    border: Border,
    places: Places,
    is_alone: bool,
) -> Team:
    """A workspace of its token and what Slack says it is; `is_alone`: there is no other."""
    return Team(
        identity=identity,
        calls=calls,
        names=Names(calls, border),
        profiles=Profiles(calls),
        history=SlackHistory(
            calls,
            lambda: (identity.team, identity.user),
            places,
            is_alone=is_alone,
            bots=border.bots,
        ),
        streams=Streams(calls),
        statuses=Statuses(calls),
        token=token,
    )


def surface_of(
    calls: Calls,
    question: MessageRef,
    thread: str | None,
    *,
    asker: str = "",
    streams: Streams | None = None,
    statuses: Statuses | None = None,
    stopped: Callable[[], Awaitable[None]] | None = None,
) -> SlackSurface:
    """The place where the answer to a question grows; see `SlackSurface`."""
    return SlackSurface(
        calls,
        channel=question.channel,
        workspace=question.workspace,
        thread=thread,
        question=question.message,
        asker=asker,
        streams=streams,
        statuses=statuses,
        stopped=stopped,
    )
