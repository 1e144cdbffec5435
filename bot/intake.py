"""The intake: whether a message is a question for us, of which conversation, and its acceptance."""

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Final

import structlog

from bot.domain import Conversation, Incoming, MessageRef, Turn
from bot.store.inbox import Inbox, Taken
from bot.store.people import People
from bot.store.turns import Turns

log = structlog.get_logger()

LOCKS: Final = 256


class Intake:
    """Takes questions in, in one process."""

    def __init__(
        self,
        inbox: Inbox,
        turns: Turns,
        people: People,
        release: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._inbox = inbox
        self._turns = turns
        self._people = people
        self._release = release
        self._clock = clock
        # Messages of one channel are taken in one after the other, in the order of their events.
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]

    async def take(self, incoming: Incoming, notice: MessageRef | None = None) -> Taken | None:
        """Accept a message if it is a question for us, else None; durable once this returns.

        `notice` is a message of ours that told its person to wait; the answer begins there. Raises
        StoreUnavailable: the same call may be repeated.
        """
        async with self._locks[hash(incoming.ref.channel) % LOCKS]:
            conversation = await self._conversation(incoming)
            if conversation is None or not incoming.text.strip():
                return None
            turn = Turn(
                id=uuid.uuid4().hex,
                conversation=conversation,
                question=incoming.ref,
                asker=incoming.author,
                text=incoming.text,
                release=self._release,
                created_at=self._clock(),
                parts=() if notice is None else (notice,),
                thread=(incoming.thread or "") if incoming.place == "dm" else "",
            )
            await self._people.remember(incoming.author)
            taken = await self._inbox.accept(turn, asked_at=incoming.sent_at)
        log.info("question", turn=turn.id, message=incoming.ref.key, taken=taken)
        return taken

    async def _conversation(self, incoming: Incoming) -> Conversation | None:
        """The conversation that a message belongs to, or None when it is not for us."""
        ref = incoming.ref

        def conversation(root: str = "") -> Conversation:
            return Conversation(ref.platform, ref.workspace, ref.channel, incoming.place, root)

        if incoming.place == "dm":
            return conversation()  # with all its threads
        if incoming.place == "thread":
            thread = conversation(incoming.thread or "")
            if incoming.mentions_bot:
                return thread
            # A follow-up in a thread that the bot is in, unless somebody else is addressed. What
            # was said before it was asked there is none, though it comes late or is read back.
            if incoming.mentions_others or not await self._turns.knows(thread, incoming.sent_at):
                return None
            return thread
        if incoming.reply_to is not None:
            replied = MessageRef(ref.platform, ref.workspace, ref.channel, incoming.reply_to)
            if turn := await self._turns.of_message(replied.key):
                ours = await self._turns.answered_by(replied.key) is not None
                if ours or incoming.mentions_bot:
                    return turn.conversation
        return conversation(ref.message) if incoming.mentions_bot else None


def is_surely_ours(incoming: Incoming) -> bool:
    """Whether a message is a question for us, whatever the store knows."""
    return bool(incoming.text.strip()) and (incoming.place == "dm" or incoming.mentions_bot)
