"""The gate before the intake: who is refused, what is kept of that, and when they are told.

Holds for every way of asking: a message, a command, a button that has an answer made. Decides by
`access`; what it keeps is the last refusal of a person, for a day.
"""

import time
from collections.abc import Callable
from typing import Final

import structlog

from bot.access import Refused, decide, is_moderator
from bot.domain import Conversation, Incoming, Person, Standing
from bot.platform_settings import AccessSettings
from bot.store.bot_rows import BotRows
from bot.store.refusals import Refusal, Refusals

log = structlog.get_logger()

TELL_EVERY_S: Final = 3600.0
"""A person is told once in so many seconds that they are refused in a channel. Longer than what is
caught up on after a start by default, so that nobody is told of the same question twice."""


class Gate:
    """Who may ask, by the settings; what is asynchronous raises StoreUnavailable."""

    def __init__(
        self,
        rules: AccessSettings,
        refusals: Refusals,
        rows: BotRows,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._refusals = refusals
        self._rows = rows
        self._clock = clock

    @property
    def bots(self) -> frozenset[str]:
        """The bots that are answered, by their ids."""
        return frozenset(self._rules.bots)

    def is_moderator(self, person: Person, standing: Standing) -> bool:
        """Whether a person may do what moderators may."""
        return is_moderator(self._rules, person, standing)

    async def refuses(
        self, person: Person, standing: Standing, where: Conversation, parent: str | None = None
    ) -> Refused | None:
        """Why a person is refused in a place, which is kept for them; None when they are not."""
        refused = decide(self._rules, person=person, standing=standing, where=where, parent=parent)
        if refused is not None and not standing.is_bot:
            refusal = Refusal(refused.reason, where.channel, where.place == "dm", self._clock())
            await self._refusals.note(person, refusal)
        return refused

    async def stops(self, question: Incoming, where: Conversation) -> Refused | None:
        """The same for a question, which also counts in the row of those of bots."""
        standing = question.standing
        refused = await self.refuses(question.author, standing, where, question.parent)
        if refused is not None:
            log.info("question refused", message=question.ref.key, reason=refused.reason)
        elif not standing.is_bot:
            if self._rules.bots:
                await self._rows.broken(where)
        elif not await self._rows.join(question.ref.key, where, self._rules.bots_in_a_row):
            log.warning("bots talk in a row", conversation=where.key, bot=question.author.key)
            return Refused("bot")
        return refused

    async def may_tell(self, question: Incoming) -> bool:
        """Whether the author of a refused question is told so now; they count as told then."""
        if question.standing.is_bot:
            return False
        return await self._refusals.tell(
            question.author, question.ref.channel, at=self._clock(), every_s=TELL_EVERY_S
        )
