"""Holding answers: who may stop, continue and retry one, and the step that does it.

Asked by a button, which knows the turn, or by plain words, which mean what is being answered in a
conversation, or its last answer. Owns the rights, with the gate, and the choice of the turn; what
happens to it is one step in the store (`wishes`).
"""

import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Final, Literal

import structlog

from bot.access import Refused
from bot.domain import NOBODY, Conversation, Incoming, MessageRef, Person, Standing, Turn
from bot.gate import Gate
from bot.store.inbox import Taken
from bot.store.places import Places
from bot.store.turns import Turns
from bot.store.wishes import Outcome, Wishes
from bot.words import Word

log = structlog.get_logger()

Held = Outcome | Literal["denied"] | Refused
"""What became of a wish; `denied`: it is another person's answer; Refused: who may not ask here may
have no answer made either."""

NEAR_S: Final = 3600.0
"""How old the last question of a conversation may be that a word in the open channel means."""
NEAR: Final = 50
"""Conversations of a platform that are looked at for it."""


def may_hold(turn: Turn, person: Person, standing: Standing, *, is_moderator: bool) -> bool:
    """Whether a person may say what becomes of an answer: its asker and moderators may, no bot."""
    return not standing.is_bot and (is_moderator or turn.asker.key == person.key)


class Hold:
    """Holding the answers of all processes, from this one."""

    def __init__(
        self,
        wishes: Wishes,
        turns: Turns,
        places: Places,
        release: str,
        gate: Gate,
        *,
        hush: Callable[[Turn], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`release` answers now, `gate` tells who may ask and who moderates; `hush` ends the
        answer to a turn that runs in this process."""
        self._wishes = wishes
        self._turns = turns
        self._places = places
        self._release = release
        self._gate = gate
        self._hush = hush
        self._clock = clock

    async def by_turn(
        self, wish: Word, turn_id: str, person: Person, standing: Standing = NOBODY
    ) -> Held:
        """Grant a wish about the answer of a turn. Raises StoreUnavailable: repeat it."""
        turn = await self._turns.get(turn_id)
        if turn is None:
            return "unknown"
        if wish != "stop" and self._may(turn, person, standing):
            parent = turn.home if turn.home not in ("", turn.question.channel) else None
            refused = await self._gate.refuses(person, standing, turn.conversation, parent)
            if refused is not None:
                return refused
        return await self._grant(wish, turn, person, standing, None)

    async def stop_in(
        self, conversation: Conversation, person: Person, standing: Standing = NOBODY
    ) -> Held:
        """Stop what is being answered in a conversation, or what waits there.

        Raises StoreUnavailable: repeat it.
        """
        turns = await self._wishes.open(conversation.key)
        turn = next((each for each in turns if self._may(each, person, standing)), None)
        if turn is None:
            return "denied" if turns else "ended"
        return await self._grant("stop", turn, person, standing, None)

    async def obey(
        self, wish: Word, incoming: Incoming, conversation: Conversation
    ) -> Taken | None:
        """Grant the wish that a message in a conversation is; "seen" when it was taken in before.

        None: it is a question like any other. Its author may ask there. Raises StoreUnavailable:
        repeat it.
        """
        person, standing = incoming.author, incoming.standing
        for key in await self._meant(incoming, conversation):
            for turn in await self._candidates(wish, key):
                is_own = turn.asker.key == person.key
                # From beside it, a moderator's word stops, and has nothing made for others.
                if is_own or key == conversation.key or wish == "stop":
                    outcome = await self._grant(wish, turn, person, standing, incoming.ref)
                    if outcome == "done":
                        return "obeyed"
                    if outcome != "denied":
                        return "seen" if outcome == "seen" else None
        return None

    async def _meant(self, incoming: Incoming, conversation: Conversation) -> list[str]:
        """The conversations that a word may mean, by their keys.

        In the open channel a message that replies to none begins its own: there it means a late one
        beside it.
        """
        if conversation.root != incoming.ref.message:
            return [conversation.key]
        ref = incoming.ref
        late = await self._places.conversations(ref.platform, self._clock() - NEAR_S, NEAR)
        return [
            each.key
            for each in late
            if (each.channel, each.place) == (ref.channel, conversation.place)
        ]

    async def _candidates(self, wish: Word, conversation: str) -> list[Turn]:
        """The turns of a conversation that a word may mean: what is open, or the last one."""
        if wish == "stop":
            return await self._wishes.open(conversation)
        latest = await self._wishes.latest(conversation)
        return [] if latest is None else [latest]

    async def _grant(
        self, wish: Word, turn: Turn, person: Person, standing: Standing, word: MessageRef | None
    ) -> Held:
        if not self._may(turn, person, standing):
            return "denied"
        steps: dict[Word, Callable[[Turn, MessageRef | None], Awaitable[Outcome]]] = {
            "stop": self._stop,
            "again": self._again,
            "continue": self._reopen,
        }
        outcome = await steps[wish](turn, word)
        log.info("wish", wish=wish, turn=turn.id, person=person.key, outcome=outcome)
        return outcome

    def _may(self, turn: Turn, person: Person, standing: Standing) -> bool:
        is_moderator = self._gate.is_moderator(person, standing)
        return may_hold(turn, person, standing, is_moderator=is_moderator)

    async def _stop(self, turn: Turn, word: MessageRef | None) -> Outcome:
        outcome = await self._wishes.stop(turn.id, word)
        if outcome == "done":
            self._hush(turn)
        return outcome

    async def _reopen(self, turn: Turn, word: MessageRef | None) -> Outcome:
        return await self._wishes.reopen(turn, self._release, word)

    async def _again(self, turn: Turn, word: MessageRef | None) -> Outcome:
        anew = Turn(
            id=uuid.uuid4().hex,
            conversation=turn.conversation,
            question=turn.question,
            asker=turn.asker,
            text=turn.text,
            release=self._release,
            created_at=self._clock(),
            retry_of=turn.first,
            reply_to=turn.reply_to,
            thread=turn.thread,
            attachments=turn.attachments,
            quotes=turn.quotes,
            home=turn.home,
            persona=turn.persona,
        )
        return await self._wishes.again(anew, word)
