"""The path of a reaction: find the turn by the message, then one atomic step in the store.

What reactions add up to is what the platform shows. Events can be late, twice, out of order or
never come: so a reaction waits for a message that is not known yet, and where events contradict
each other, or none could come, the platform is asked what stands there (`reread`).
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from bot.domain import Conversation, MessageRef, Person, Reaction
from bot.feedback.signal import sign_of
from bot.store.people import People
from bot.store.turns import Turns
from bot.store.votes import Change, Moved, Sign, Votes

log = structlog.get_logger()

Read = Callable[[MessageRef], Awaitable[Sequence[Reaction]]]
"""The reactions that stand on a message now. Raises PlatformUnavailable, MessageGone."""

LOCKS: Final = 256
RECENT: Final = 10_000
"""Reactions whose last event is remembered, to notice one that contradicts it."""

LATE_S: Final = 5.0
"""An event older than this was delivered again, or held up."""

REREAD_TRIES: Final = 5


class Voting:
    """Turns reactions into votes."""

    def __init__(
        self, turns: Turns, votes: Votes, people: People, clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self._turns = turns
        self._votes = votes
        self._people = people
        self._recent: OrderedDict[tuple[str, str, str, str], bool] = OrderedDict()
        # Reactions on one message are applied one after the other, in the order of their events.
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]

    async def react(self, reaction: Reaction) -> Change | None:
        """Apply a reaction; None when it is no vote on an answer of ours, or no news.

        Raises StoreUnavailable: the same call may be repeated.
        """
        if sign_of(reaction.emoji) is None or reaction.ours is False:
            return None
        async with self._lock(reaction.ref):
            turn = await self._votes.turn_of(reaction)
            return None if turn is None else await self._apply(turn, reaction)

    def is_doubtful(self, reaction: Reaction) -> bool:
        """Whether the event may not say what stands there now: an earlier one said the opposite,
        so they may have changed places, or it comes late.

        Call it once for each event.
        """
        key = (reaction.ref.key, reaction.person.key, reaction.emoji, reaction.kind)
        before = self._recent.pop(key, None)
        self._recent[key] = reaction.present
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        if sign_of(reaction.emoji) is None:
            return False
        late = self._clock() - reaction.at > LATE_S
        return late or before not in (None, reaction.present)

    async def press(self, turn: str, person: Person, sign: Sign) -> Change | None:
        """Apply the press of a button under an answer; None when there is no such turn.

        Raises StoreUnavailable: the same call may be repeated at once.
        """
        if not await self.knows(turn):
            return None
        await self._people.remember(person)
        change = await self._votes.press(turn, person, sign)
        if change is not None:
            log.info("vote", turn=turn, person=person.key, value=change.now, by="button")
        return change

    async def knows(self, turn: str) -> bool:
        """Whether there is such a turn. Raises StoreUnavailable."""
        return await self._turns.get(turn) is not None

    async def settle(self, ref: MessageRef) -> None:
        """Apply what waited for a message that is a part of an answer now.

        Raises StoreUnavailable: the same call may be repeated.
        """
        async with self._lock(ref):
            parked = await self._votes.parked(ref)
            turn = await self._turns.answered_by(ref.key) if parked else None
            if turn is None:
                return
            for reaction in await self._votes.wanted(turn, parked):
                await self._apply(turn, reaction)
            await self._votes.forget_parked(ref)

    async def reread(self, ref: MessageRef, read: Read) -> int:
        """Make the votes what stands on a part of an answer; how many reactions that changed.

        Raises StoreUnavailable, and what `read` raises.
        """
        turn = await self._turns.answered_by(ref.key)
        if turn is None:
            return 0
        for _ in range(REREAD_TRIES):
            known = await self._votes.changes(turn)
            standing = [each for each in await read(ref) if sign_of(each.emoji)]
            try:
                async with self._lock(ref):
                    return await self._make(turn, ref, standing, known)
            except Moved:  # an event came in between: what was read may be old
                continue
        log.warning("votes move too fast to be read back", turn=turn, message=ref.key)
        return 0

    async def conversation_of(self, ref: MessageRef) -> Conversation | None:
        """The conversation that a message is a part of an answer in; None for any other message."""
        turn = await self._turns.of_message(ref.key)
        return None if turn is None else turn.conversation

    async def differs(self, ref: MessageRef, standing: Sequence[Reaction]) -> bool:
        """Whether what stood on a message is not what its votes are made of: `reread` it then."""
        turn = await self._turns.answered_by(ref.key)
        if turn is None:
            return False
        signs = [each for each in standing if sign_of(each.emoji)]
        missing, extra = _difference(signs, await self._votes.held(turn, ref))
        return bool(extra or await self._votes.wanted(turn, missing))

    async def _make(
        self, turn: str, ref: MessageRef, standing: Sequence[Reaction], known: int
    ) -> int:
        held = await self._votes.held(turn, ref)
        missing, extra = _difference(standing, held)
        missing = await self._votes.wanted(turn, missing)
        changed = 0
        for reaction in (*extra, *missing):
            sign = sign_of(reaction.emoji)
            if sign is None:
                continue
            await self._people.remember(reaction.person)
            if await self._votes.apply(turn, reaction, sign, known=known + changed) is not None:
                changed += 1
        if changed:
            log.info("votes read back", turn=turn, message=ref.key, changed=changed)
        elif await self._votes.changes(turn) != known:
            raise Moved
        return changed

    async def _apply(self, turn: str, reaction: Reaction) -> Change | None:
        sign = sign_of(reaction.emoji)
        if sign is None:
            return None
        await self._people.remember(reaction.person)
        change = await self._votes.apply(turn, reaction, sign)
        if change is not None:
            log.info("vote", turn=turn, person=reaction.person.key, value=change.now)
        return change

    def _lock(self, ref: MessageRef) -> asyncio.Lock:
        return self._locks[hash(ref.key) % LOCKS]


def _difference(
    standing: Sequence[Reaction], held: Sequence[Reaction]
) -> tuple[list[Reaction], list[Reaction]]:
    """What stands there and is not held, and what is held and no longer stands there (removed)."""

    def key(reaction: Reaction) -> tuple[str, str, str]:
        return reaction.person.key, reaction.emoji, reaction.kind

    there, here = {key(each) for each in standing}, {key(each) for each in held}
    missing = [each for each in standing if key(each) not in here]
    extra = [
        Reaction(each.ref, each.person, each.emoji, present=False, at=each.at, kind=each.kind)
        for each in held
        if key(each) not in there
    ]
    return missing, extra
