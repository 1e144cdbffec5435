"""What Slack still tells, over all workspaces: each by its own token."""

from collections.abc import AsyncIterator, Sequence

import structlog

from adapters.slack.history import SlackHistory
from adapters.slack.teams import Teams
from bot.context.material import Talk
from bot.domain import Attachment, Conversation, Incoming, MessageRef, Reaction, Turn
from bot.errors import PlatformUnavailable, StoreUnavailable, Unreadable, WorkspaceGone

log = structlog.get_logger()


class Histories:
    """Reading back in whichever workspace; raises WorkspaceGone for one that is not served."""

    def __init__(self, teams: Teams) -> None:
        self._teams = teams

    async def question(self, ref: MessageRef) -> Incoming | None:
        """A message as it stands now; see `SlackHistory`."""
        return await (await self._of(ref)).question(ref)

    async def talk(self, first: Turn, most: int) -> Talk:
        """What was said in a thread before its first question; see `SlackHistory`."""
        return await (await self._of(first.question)).talk(first, most)

    async def fetch(self, question: MessageRef, file: Attachment, most: int) -> bytes:
        """A file that came with a question. Raises Unreadable."""
        try:
            history = await self._of(question)
        except PlatformUnavailable as error:
            raise Unreadable("unavailable") from error
        return await history.fetch(question, file, most)

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        """The reactions of people on a message; see `SlackHistory`."""
        return await (await self._of(ref)).reactions(ref)

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        """The bot's messages beside one; see `SlackHistory`."""
        return await (await self._of(ref)).beside(ref, conversation)

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        """What people wrote since then, in every workspace.

        One that does not answer keeps no other waiting; after them PlatformUnavailable is raised
        for it. Raises StoreUnavailable, too.
        """
        failure: PlatformUnavailable | None = None
        for team in self._teams.served:
            try:
                async for question in team.history.missed(since):
                    yield question
            except WorkspaceGone as error:
                log.info("workspace not caught up", team=team.id, error=str(error))
            except PlatformUnavailable as error:
                log.warning("workspace not caught up yet", team=team.id, error=str(error))
                failure = error
        if failure is not None:
            raise failure

    async def _of(self, ref: MessageRef) -> SlackHistory:
        try:
            team = await self._teams.find(ref.workspace)
        except StoreUnavailable as error:
            raise PlatformUnavailable(f"the workspace is not known: {error}") from error
        if team is None:
            raise WorkspaceGone(f"Slack workspace {ref.workspace or '?'} is not served")
        return team.history
