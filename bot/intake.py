"""The intake: whether a message is a question for us, of which conversation, whether its author may
ask it, and its acceptance.
"""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import structlog

from bot.access import Refused
from bot.domain import Conversation, Incoming, MessageRef, Turn
from bot.gate import Gate
from bot.store.inbox import Inbox, Taken
from bot.store.people import People
from bot.store.personas import Personas
from bot.store.turns import Turns

log = structlog.get_logger()

LOCKS: Final = 256

Obey = Callable[[Conversation], Awaitable[Taken | None]]
"""What became of the wish that a message in this conversation is; None when it is a question."""


class Intake:
    """Takes questions in, in one process."""

    def __init__(
        self,
        inbox: Inbox,
        turns: Turns,
        people: People,
        release: str,
        clock: Callable[[], float] = time.time,
        *,
        gate: Gate,
        personas: Personas,
    ) -> None:
        self.gate = gate
        self._personas = personas
        self._inbox = inbox
        self._turns = turns
        self._people = people
        self._release = release
        self._clock = clock
        # Messages of one channel are taken in one after the other, in the order of their events.
        self._locks = [asyncio.Lock() for _ in range(LOCKS)]

    async def take(
        self, incoming: Incoming, notice: MessageRef | None = None, obey: Obey | None = None
    ) -> Taken | Refused | None:
        """Accept a message if it is a question for us, else None; durable once this returns.

        Refused, when its author may not ask here. `notice` is a message of ours that told its
        person to wait; the answer begins there. With `obey` a message for us may be a wish instead,
        which is granted in its order. Raises StoreUnavailable: the same call may be repeated.
        """
        async with self._locks[hash(incoming.ref.channel) % LOCKS]:
            conversation = await self._conversation(incoming)
            if conversation is None or not says_something(incoming):
                return None
            if (refused := await self.gate.stops(incoming, conversation)) is not None:
                return refused
            if obey is not None and (obeyed := await obey(conversation)) is not None:
                return obeyed
            home = incoming.parent or incoming.ref.channel
            turn = Turn(
                id=uuid.uuid4().hex,
                conversation=conversation,
                question=incoming.ref,
                asker=incoming.author,
                text=incoming.text,
                release=self._release,
                created_at=self._clock(),
                attachments=tuple(replace(file, url="") for file in incoming.attachments),
                quotes=incoming.quotes,
                reply_to=incoming.reply_to,
                parts=() if notice is None else (notice,),
                home=home,
                persona=await self._personas.current(f"{incoming.ref.platform}/{home}"),
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
            if incoming.mentions_others:
                return None
            if incoming.answers_bot or await self._turns.knows(thread, incoming.sent_at):
                return thread
            return None
        if incoming.reply_to is not None:
            replied = MessageRef(ref.platform, ref.workspace, ref.channel, incoming.reply_to)
            if turn := await self._turns.of_message(replied.key):
                ours = await self._turns.answered_by(replied.key) is not None
                if ours or incoming.mentions_bot:
                    return turn.conversation
        # A message of ours that is no answer, such as a note, can be replied to as well.
        addressed = incoming.mentions_bot or (incoming.answers_bot and not incoming.mentions_others)
        return conversation(ref.message) if addressed else None


def says_something(incoming: Incoming) -> bool:
    """Whether a message has anything to answer: words, files, or a forwarded message."""
    return bool(incoming.text.strip() or incoming.attachments or incoming.quotes)


def is_surely_ours(incoming: Incoming) -> bool:
    """Whether a message is a question for us, whatever the store knows."""
    addressed = incoming.mentions_bot or (incoming.answers_bot and not incoming.mentions_others)
    return says_something(incoming) and (incoming.place == "dm" or addressed)
