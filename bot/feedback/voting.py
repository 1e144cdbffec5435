"""The path of a reaction: find the turn by the message, then one atomic step in the store."""

import structlog

from bot.domain import Reaction
from bot.feedback.signal import sign_of
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import Change, Votes

log = structlog.get_logger()


class Voting:
    """Turns reactions into votes."""

    def __init__(self, turns: Turns, votes: Votes, people: People) -> None:
        self._turns = turns
        self._votes = votes
        self._people = people

    async def react(self, reaction: Reaction) -> Change | None:
        """Apply a reaction; None when it is no vote on an answer of ours, or no news.

        Raises StoreUnavailable.
        """
        sign = sign_of(reaction.emoji)
        if sign is None:
            return None
        turn = await self._turns.answered_by(reaction.ref.key)
        if turn is None:
            return None
        await self._people.remember(reaction.person)
        change = await self._votes.apply(turn, reaction, sign)
        if change is not None:
            log.info("vote", turn=turn, person=reaction.person.key, value=change.now)
        return change
