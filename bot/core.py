"""One turn, from an incoming message to a stream of answer events. Knows no platform.

`Chat.respond` takes a message through: is it for us and new → whose turn is it → the prompt → the
model → the stored turn. In one conversation questions are answered in the order in which they
came; different conversations run side by side.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import structlog

from bot.domain import Conversation, FinishReason, Incoming, MessageRef, Release, Turn
from bot.errors import Busy, ModelError, ModelUnavailable, StoreUnavailable, TooLong
from bot.lanes import Lanes, Ticket
from bot.model import Delta, Model
from bot.prompt import Prompt, fit
from bot.settings import ChatSettings
from bot.store.inbox import Inbox
from bot.store.people import People
from bot.store.turns import Turns

log = structlog.get_logger()

Problem = Literal["busy", "too_long", "model_unavailable", "model_refuses", "store", "error"]
"""Why there is no whole answer; an adapter has the words."""

RETRY_S = 0.5
INTAKE_LOCKS = 256
DEFAULT_CONTEXT = 4096
"""Tokens assumed where the model's server does not tell its context."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The message is a question for us and will be answered; always the first event."""

    turn: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The answer has to wait: for the model, which is starting or restarting."""

    reason: Literal["model"]


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer."""

    delta: str


@dataclass(frozen=True, slots=True)
class Ended:
    """The answer is over; always the last event. `problem` is None when it is whole."""

    finish: FinishReason
    problem: Problem | None = None


Event: TypeAlias = Accepted | Waiting | Text | Ended
Events: TypeAlias = AsyncGenerator[Event, None]


class Chat:
    """The chat core of one process."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        turns: Turns,
        people: People,
        model: Model,
        release: Release,
        chat: ChatSettings,
        wait_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._inbox = inbox
        self._turns = turns
        self._people = people
        self._model = model
        self._release = release
        self._settings = chat
        self._wait_s = wait_s
        self._clock = clock
        self._lanes = Lanes(total=chat.max_waiting, each=chat.max_waiting_conversation)
        # Messages of one channel are taken in one after the other, in the order of their events.
        self._intake = [asyncio.Lock() for _ in range(INTAKE_LOCKS)]

    async def respond(self, incoming: Incoming) -> Events:
        """Yield the events of the answer; none when the message is not for us, or not new.

        Close the generator to stop the answer. Never raises for what a person, the model or Redis
        did: that is the `problem` of the last event.
        """
        try:
            taken = await self._take(incoming)
        except Busy:
            yield Ended("error", "busy")
            return
        except StoreUnavailable as error:
            log.error("message not taken", message=incoming.ref.key, error=str(error))
            if incoming.place == "dm" or incoming.mentions_bot:  # else it may be none of ours
                yield Ended("error", "store")
            return
        if taken is None:
            return
        turn, ticket = taken
        try:
            async with aclosing(self._answer(turn, ticket)) as events:
                async for event in events:
                    yield event
        finally:
            ticket.leave()

    async def add_part(self, turn: str, ref: MessageRef) -> None:
        """Record that a platform message is a part of the turn's answer."""
        await self._turns.add_part(turn, ref)

    async def _take(self, incoming: Incoming) -> tuple[Turn, Ticket] | None:
        async with self._intake[hash(incoming.ref.channel) % INTAKE_LOCKS]:
            conversation = await self._conversation(incoming)
            if conversation is None or not incoming.text.strip():
                return None
            if not await self._inbox.accept(incoming.ref):
                return None
            ticket = self._lanes.join(conversation.key)
            turn = Turn(
                id=uuid.uuid4().hex,
                conversation=conversation,
                question=incoming.ref,
                asker=incoming.author,
                text=incoming.text,
                release=self._release.id,
                created_at=self._clock(),
            )
            try:
                await self._people.remember(incoming.author)
                await self._turns.add(turn)
            except BaseException:
                ticket.leave()
                raise
            log.info("question", turn=turn.id, message=incoming.ref.key, ahead=ticket.ahead)
            return turn, ticket

    async def _conversation(self, incoming: Incoming) -> Conversation | None:
        """The conversation that a message belongs to, or None when it is not for us."""
        ref = incoming.ref

        def conversation(root: str = "") -> Conversation:
            return Conversation(ref.platform, ref.workspace, ref.channel, incoming.place, root)

        if incoming.place == "dm":
            return conversation(incoming.thread or "")
        if incoming.place == "thread":
            thread = conversation(incoming.thread or "")
            if incoming.mentions_bot:
                return thread
            # A follow-up in a thread that the bot is in, unless somebody else is addressed.
            return (
                thread if not incoming.mentions_others and await self._turns.knows(thread) else None
            )
        if incoming.reply_to is not None:
            replied = MessageRef(ref.platform, ref.workspace, ref.channel, incoming.reply_to)
            if turn := await self._turns.of_message(replied.key):
                ours = await self._turns.answered_by(replied.key) is not None
                if ours or incoming.mentions_bot:
                    return turn.conversation
        return conversation(ref.message) if incoming.mentions_bot else None

    async def _answer(self, turn: Turn, ticket: Ticket) -> Events:
        """Answer a turn once its time has come, and store how it ended."""
        text: list[str] = []
        first: float | None = None
        ended = Ended("cancelled")
        try:
            yield Accepted(turn.id)
            await ticket.called()
            async with aclosing(self._generate(turn)) as events:
                async for event in events:
                    if isinstance(event, Ended):
                        ended = event
                        break
                    if isinstance(event, Text):
                        first = first or self._clock()
                        text.append(event.delta)
                    yield event
        finally:
            done = replace(
                turn,
                status=_status(ended),
                answer="".join(text).strip(),
                finish=ended.finish,
                first_text_at=first,
                finished_at=self._clock(),
            )
            try:
                await self._turns.save(done)
            except StoreUnavailable as error:
                log.error("turn not saved", turn=turn.id, error=str(error))
            log.info("answer", turn=turn.id, finish=ended.finish, problem=ended.problem)
        yield ended

    async def _generate(self, turn: Turn) -> Events:
        """The events from prompt and model; foreign trouble becomes the problem of the last one."""
        deadline = self._clock() + self._wait_s
        begun = waiting = False
        held: tuple[Turn, ...] = ()
        window: Turn | None = None
        while True:
            try:
                if window is not None:
                    await self._turns.set_window(turn.conversation, window.id)
                held = ()
                prompt = await self._prompt(turn)
                held = prompt.turns
                async with aclosing(
                    self._model.stream(prompt.messages, self._release.sampling, user=turn.asker.key)
                ) as deltas:
                    async for delta in deltas:
                        if delta.text:
                            begun = True
                            yield Text(delta.text)
                        if delta.finish:
                            yield _ended(delta)
                            return
            except ModelUnavailable as error:
                log.warning("model unavailable", turn=turn.id, error=str(error), begun=begun)
                if begun or self._clock() >= deadline:
                    yield Ended("error", "model_unavailable")
                    return
                if not waiting:
                    yield Waiting("model")
                waiting = True
                await asyncio.sleep(RETRY_S)
            except TooLong:
                if not held:
                    yield Ended("error", "too_long")
                    return
                # The server counts more than we estimate: half of the memory is enough.
                window = (*held, turn)[(len(held) + 1) // 2]
            except Busy:
                yield Ended("error", "busy")
                return
            except ModelError as error:
                log.error("model refuses", turn=turn.id, error=str(error))
                yield Ended("error", "model_refuses")
                return
            except StoreUnavailable as error:
                log.error("store unavailable", turn=turn.id, error=str(error))
                yield Ended("error", "store")
                return

    async def _prompt(self, turn: Turn) -> Prompt:
        served = await self._model.served()
        budget = (served.context or DEFAULT_CONTEXT) - self._release.sampling.max_tokens
        past = await self._memory(turn)
        most = self._settings.history_turns
        kept = past if len(past) <= most else past[len(past) - most // 2 :]
        prompt = await fit(
            system=self._release.system_prompt,
            history=kept,
            question=turn.text,
            budget=budget,
            count=self._model.count_tokens,
        )
        if prompt.trimmed or len(kept) < len(past):
            first = prompt.turns[0] if prompt.turns else turn
            await self._turns.set_window(turn.conversation, first.id)
        return prompt

    async def _memory(self, turn: Turn) -> list[Turn]:
        """The turns before this one that the conversation's memory holds, oldest first.

        Looks one turn further back than the memory goes, and past those that wait behind.
        """
        later = self._settings.max_waiting_conversation
        history = await self._turns.history(
            turn.conversation, self._settings.history_turns + 1 + later
        )
        ids = [past.id for past in history]
        window = await self._turns.window(turn.conversation)
        start = ids.index(window) if window in ids else 0
        return history[start : ids.index(turn.id)] if turn.id in ids else []


def _ended(delta: Delta) -> Ended:
    finish = delta.finish or "stop"
    return Ended(finish, None if finish in {"stop", "length", "cancelled"} else "model_unavailable")


def _status(ended: Ended) -> Literal["done", "stopped", "failed"]:
    if ended.problem is not None:
        return "failed"
    return "stopped" if ended.finish == "cancelled" else "done"
