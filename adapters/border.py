"""The border of an adapter: from a translated message to the inbox, from the inbox to the channel,
from a reaction to a vote.

The one place with a catch-all: what nobody foresaw is logged with the turn and told to the person
honestly, and the adapter goes on.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar

import structlog

from adapters import wording
from adapters.delivery import deliver
from adapters.history import FullHistory, History
from adapters.pacing import Pacing
from adapters.reply import Reply
from adapters.rereads import Rereads
from adapters.surface import Book, Content, Surface
from bot.access import Refused
from bot.core import Chat
from bot.domain import Incoming, MessageRef, Person, Reaction, Turn
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.events import Ended
from bot.feedback.voting import Voting
from bot.intake import is_surely_ours
from bot.settings import VotesSettings
from bot.store.people import People

log = structlog.get_logger()

_Result = TypeVar("_Result")

RETRY_S: Final = 1.0
MOST_HELD: Final = 1000
"""Messages and reactions that wait for the store in memory; the platform delivers others again, or
they are caught up on."""

SEED_S: Final = 20.0
"""Seconds that putting reactions under an answer may take."""

VOTES: Final = VotesSettings()

SHOW_AGAIN_S: Final = 30.0
"""Between two attempts at an answer that the platform does not take."""


class Border:
    """What both adapters do with what they translated."""

    def __init__(
        self,
        chat: Chat,
        voting: Voting,
        people: People,
        pacing: Pacing,
        book: Book,
        *,
        give_up_s: float,
        votes: VotesSettings = VOTES,
    ) -> None:
        """An answer that the platform does not take is given up after `give_up_s` seconds."""
        self._votes = votes
        self._chat = chat
        self._voting = voting
        self._people = people
        self._pacing = pacing
        self._book = book
        self._give_up_s = give_up_s
        self._held = 0
        self._taking: dict[str, asyncio.Task[None]] = {}
        self.rereads = Rereads(voting)
        self.is_hurried = False
        """Set when the process has to end at once: nothing more is said."""

    @property
    def bots(self) -> frozenset[str]:
        """The ids of bots whose messages may be questions."""
        return self._chat.gate.bots

    @property
    def is_holding(self) -> bool:
        """Whether messages or reactions wait in memory for the store."""
        return self._held > 0

    async def guarded(self, call: Coroutine[Any, Any, None], **about: str) -> bool:
        """Whether an event was made durable; what went wrong is logged, whatever it is."""
        try:
            await call
        except StoreUnavailable as error:
            log.error("event not taken in", error=str(error), **about)
            return False
        except Exception:
            log.exception("event failed", **about)
            return False
        return True

    async def take(self, incoming: Incoming, surface: Surface) -> None:
        """Accept a message, if it is a question for us, or do at once what it wishes of an answer
        that there is; durable once this returns.

        While the store is away it waits here, and its person is told; whoever is cancelled
        meanwhile, or comes with the same message again, leaves it at that one. Raises
        StoreUnavailable when too many wait: the platform has to deliver it again.
        """
        taking = self._taking.get(incoming.ref.key)
        if taking is None:
            taking = asyncio.create_task(self._take(incoming, surface))
            self._taking[incoming.ref.key] = taking
            taking.add_done_callback(partial(self._taken, incoming.ref.key))
        await asyncio.shield(taking)

    async def close(self) -> None:
        """Give up what waits for the store: the platform delivers it again, or it is caught up."""
        waiting = list(self._taking.values())
        for taking in waiting:
            taking.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _take(self, incoming: Incoming, surface: Surface) -> None:
        notice: MessageRef | None = None

        async def tell() -> None:
            nonlocal notice
            if is_surely_ours(incoming):
                notice = await self._say(wording.waiting("store"), incoming, surface)

        taken = await self._kept(
            lambda: self._chat.take(incoming, notice), tell, message=incoming.ref.key
        )
        if taken == "busy":
            await self._say(wording.problem("busy"), incoming, surface)
        elif isinstance(taken, Refused):
            await self._refuse(taken, incoming, surface)
        if notice is not None and taken != "new" and not await self._book.knows(notice):
            await self._take_back(notice, surface)

    async def answer(
        self, turn: Turn, surface: Surface, history: FullHistory, *, resumed: bool
    ) -> None:
        """Answer a turn of the inbox to its end, in the channel and in the store."""
        if resumed:
            await self._look_again(turn, history)
        while True:
            answer = self._chat.answer(turn, resumed=resumed, source=history)
            reply = Reply(turn, surface, self._book, resumed=resumed)
            try:
                try:
                    ended = await deliver(
                        answer.events(),
                        reply,
                        surface,
                        self._pacing,
                        lambda: self.is_hurried,
                        votes=self._votes.buttons,
                    )
                except PlatformUnavailable as error:
                    log.error("answer not shown", turn=turn.id, error=str(error))
                    if time.time() - turn.since < self._give_up_s:
                        await asyncio.sleep(SHOW_AGAIN_S)
                        turn, resumed = await self._chat.current(turn), True
                        continue
                    ended = Ended("error", "error")
                except MessageGone as error:
                    log.error("answer not shown", turn=turn.id, error=str(error))
                    ended = Ended("error", "error")
                except Exception:
                    log.exception("answer failed", turn=turn.id)
                    ended = Ended("error", "error")
                    await self._show_failure(reply)
                if resumed:  # people may have voted on it while nobody listened
                    for ref in reply.parts:
                        self.rereads.add(ref)
                await self._chat.close(answer, ended)
                if self._votes.seed_reactions and answer.turn.answer and reply.parts:
                    await self._seed(reply.parts[-1], surface)
                return
            finally:
                self._chat.leave(answer)

    async def vote(self, reaction: Reaction) -> None:
        """Take a reaction as a vote, if it is one; durable once this returns.

        While the store is away it waits here. Raises StoreUnavailable when too many wait.
        """
        doubtful = self._voting.is_doubtful(reaction)
        await self._kept(lambda: self._voting.react(reaction), message=reaction.ref.key)
        if doubtful and reaction.ours is not False:
            self.rereads.doubt(reaction.ref)

    async def edited(self, ref: MessageRef, text: str) -> None:
        """A message was edited."""
        await self._chat.edited(ref, text)

    async def deleted(self, ref: MessageRef) -> None:
        """A message was deleted."""
        await self._chat.deleted(ref)

    async def remember(self, person: Person) -> None:
        """Keep what a person is called."""
        try:
            await self._people.remember(person)
        except StoreUnavailable as error:
            log.warning("name not kept", person=person.key, error=str(error))

    def _taken(self, key: str, taking: "asyncio.Task[None]") -> None:
        del self._taking[key]
        if not taking.cancelled():
            taking.exception()  # seen by whoever waited for it, if anybody still did

    async def _kept(
        self,
        call: Callable[[], Awaitable[_Result]],
        tell: Callable[[], Awaitable[None]] | None = None,
        **about: str,
    ) -> _Result:
        """What a call to the store gives, once it goes through; whoever has to wait is told first.

        Raises StoreUnavailable when too many wait already.
        """
        try:
            return await call()
        except StoreUnavailable as error:
            if self._held >= MOST_HELD:
                raise
            log.warning("intake waits for the store", error=str(error), **about)
        self._held += 1
        try:
            if tell is not None:
                await tell()
            while True:
                await asyncio.sleep(RETRY_S)
                try:
                    return await call()
                except StoreUnavailable as error:
                    log.debug("intake waits for the store", error=str(error), **about)
        finally:
            self._held -= 1

    async def _look_again(self, turn: Turn, history: History) -> None:
        """See whether the question was changed while nobody listened."""
        try:
            question = await history.question(turn.question)
        except (PlatformUnavailable, MessageGone) as error:
            log.warning("question not looked at again", turn=turn.id, error=str(error))
            return
        if question is None:
            await self._chat.deleted(turn.question)
        elif question.text != turn.text:
            await self._chat.edited(turn.question, question.text)

    async def _refuse(self, refused: Refused, incoming: Incoming, surface: Surface) -> None:
        """Tell a person that they are refused, where that disturbs nobody, once a while."""
        if not (surface.is_discreet or is_surely_ours(incoming)):
            return
        try:
            if await self._chat.gate.may_tell(incoming):
                await surface.tell(incoming.author, wording.not_allowed(refused.reason))
        except (StoreUnavailable, PlatformUnavailable, MessageGone) as error:
            log.warning("person not told", message=incoming.ref.key, error=str(error))
        except Exception:
            log.exception("person not told", message=incoming.ref.key)

    async def _say(self, text: str, incoming: Incoming, surface: Surface) -> MessageRef | None:
        """Tell a person something that is no answer; None when it cannot be told."""
        try:
            return await surface.post(Content(text), turn="", part=0)
        except (PlatformUnavailable, MessageGone) as error:
            log.error("person not told", message=incoming.ref.key, error=str(error))
            return None
        except Exception:
            log.exception("person not told", message=incoming.ref.key)
            return None

    async def _take_back(self, notice: MessageRef, surface: Surface) -> None:
        try:
            await surface.delete(notice)
        except (PlatformUnavailable, MessageGone) as error:
            log.warning("notice left standing", message=notice.key, error=str(error))

    async def _seed(self, ref: MessageRef, surface: Surface) -> None:
        """Make a vote one click, if the platform takes it in time."""
        try:
            async with asyncio.timeout(SEED_S):
                await surface.seed(ref)
        except (TimeoutError, PlatformUnavailable, MessageGone) as error:
            log.warning("no reactions put there", message=ref.key, error=repr(error))
        except Exception:
            log.exception("no reactions put there", message=ref.key)

    async def _show_failure(self, reply: Reply) -> None:
        try:
            await reply.show(wording.problem("error"), controls=("again",), final=True)
        except (PlatformUnavailable, MessageGone) as error:
            log.error("person not told", error=str(error))
        except Exception:
            log.exception("person not told")
