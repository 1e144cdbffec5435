"""What was asked in a channel of late, and how people voted on it: counted from the turns.

Looks at the latest `MOST` turns of `keys.HOME_S` at most, in pages, so that no channel is too busy
to be counted; `is_whole` tells whether that was all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from bot.store import keys
from bot.store.connection import Client, converted

MOST: Final = 5000
PAGE: Final = 250
"""Turns read in one round trip."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of one channel since a moment: `people` asked, a question that was tried again has
    several answers, and `voted` is how many answers have a vote."""

    questions: int = 0
    answers: int = 0
    people: int = 0
    up: int = 0
    down: int = 0
    voted: int = 0
    is_whole: bool = True

    @property
    def share_voted(self) -> float:
        """The share of answers with a vote, from 0 to 1."""
        return self.voted / self.answers if self.answers else 0.0


@dataclass(frozen=True, slots=True)
class _Asked:
    at: float
    person: str
    is_retry: bool
    is_answered: bool
    votes: tuple[int, ...]


class Activity:
    """The turns of channels in Redis."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def since(self, home: str, *moments: float) -> list[Stats]:
        """The numbers of a channel (`slack/C0123ABCD`) since each moment, in seconds.

        Raises StoreUnavailable.
        """
        with converted():
            named = cast(
                "list[tuple[str, float]]",
                await self._client.zrange(
                    keys.asked_in(home),
                    "+inf",
                    min(moments),
                    desc=True,
                    byscore=True,
                    offset=0,
                    num=MOST + 1,
                    withscores=True,
                ),
            )
        asked: list[_Asked] = []
        for start in range(0, min(len(named), MOST), PAGE):
            asked += await self._read(named[start : min(start + PAGE, MOST)])
        cut_at = named[MOST][1] if len(named) > MOST else None
        return [_count(asked, since, cut_at) for since in moments]

    async def _read(self, page: Sequence[tuple[str, float]]) -> list[_Asked]:
        pipe = self._client.pipeline(transaction=False)
        for turn, _ in page:
            pipe.hmget(keys.turn(turn), ["asker", "retry_of", "answer"])
            pipe.hvals(keys.votes(turn))
        with converted():
            found: list[Any] = await pipe.execute()
        return [
            _Asked(at, str(asker), bool(retry), bool(answer), tuple(int(each) for each in votes))
            for (_, at), (asker, retry, answer), votes in zip(
                page, found[::2], found[1::2], strict=True
            )
            if asker is not None
        ]


def _count(asked: Sequence[_Asked], since: float, cut_at: float | None) -> Stats:
    late = [one for one in asked if one.at >= since]
    votes = [value for one in late for value in one.votes]
    return Stats(
        questions=sum(not one.is_retry for one in late),
        answers=sum(one.is_answered for one in late),
        people=len({one.person for one in late}),
        up=votes.count(1),
        down=votes.count(-1),
        voted=sum(bool(one.votes) for one in late if one.is_answered),
        is_whole=cut_at is None or cut_at < since,
    )
