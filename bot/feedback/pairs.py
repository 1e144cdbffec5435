"""Preference pairs: two answers to one question, of which people liked one better.

The decision is a function of votes; reading them is apart from it.
"""

import itertools
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from bot.domain import Turn
from bot.store.votes import Votes
from bot.store.wishes import Wishes

Ballot = Mapping[str, int]
"""Person's key → value of the vote on one answer."""


@dataclass(frozen=True, slots=True)
class Preference:
    """Which of two answers is better: `first` or `second`, by so many people more than the other.

    `by` tells how that is known: from people who judged `both`, or from different people, `each` of
    whom judged one.
    """

    better: Literal["first", "second"]
    margin: int
    by: Literal["both", "each"]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two whole answers to one question that were voted on differently."""

    chosen: Turn
    rejected: Turn
    margin: int
    by: Literal["both", "each"]


def preference(first: Ballot, second: Ballot) -> Preference | None:
    """Which of two answers people prefer; None where their votes don't tell.

    Who judged both says most: only where there is nobody, or they balance without any difference,
    does it count how many more were for than against each; then the two must differ in sign, for
    different people have different measures.
    """
    says = [_sign(first[who] - second[who]) for who in first.keys() & second.keys()]
    if any(says):
        balance = sum(says)
        return None if balance == 0 else _preference(balance, "both")
    one, other = sum(first.values()), sum(second.values())
    if not first or not second or _sign(one) == _sign(other):
        return None
    return _preference(one - other, "each")


class Pairs:
    """The pairs that the store knows."""

    def __init__(self, wishes: Wishes, votes: Votes) -> None:
        self._wishes = wishes
        self._votes = votes

    async def listed(self) -> AsyncGenerator[Pair, None]:
        """All pairs, those of the question that was tried again last first.

        Only whole answers count. Raises StoreUnavailable.
        """
        async with aclosing(self._wishes.retried()) as retried:
            async for answers in retried:
                whole = [turn for turn in answers if (turn.status, turn.finish) == ("done", "stop")]
                for pair in await self._of(whole):
                    yield pair

    async def _of(self, answers: Sequence[Turn]) -> list[Pair]:
        ballots = {turn.id: await self._votes.of_turn(turn.id) for turn in answers}
        found: list[Pair] = []
        for first, second in itertools.combinations(answers, 2):
            if first.answer == second.answer:
                continue
            known = preference(ballots[first.id], ballots[second.id])
            if known is not None:
                chosen, rejected = (first, second) if known.better == "first" else (second, first)
                found.append(Pair(chosen, rejected, known.margin, known.by))
        return found


def _preference(balance: int, by: Literal["both", "each"]) -> Preference:
    return Preference("first" if balance > 0 else "second", abs(balance), by)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)
