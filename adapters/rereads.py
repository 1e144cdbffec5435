"""Messages whose reactions are to be read back, and the reading, one after the other.

A bounded queue without repeats: what events left in doubt comes before what is looked at after a
start. Each read goes through the platform's own budget.
"""

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import Final

import structlog

from adapters.history import History
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable, StoreUnavailable
from bot.feedback.voting import Voting

log = structlog.get_logger()

MOST: Final = 50_000
SETTLE_S: Final = 1.0
"""How long after the last doubt a message is read, so that changed places are seen once."""

RETRY_S: Final = 5.0


class Rereads:
    """What is to be read back on one platform."""

    def __init__(self, voting: Voting) -> None:
        self._voting = voting
        self._doubts: OrderedDict[str, tuple[MessageRef, float]] = OrderedDict()
        self._rest: OrderedDict[str, MessageRef] = OrderedDict()
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return len(self._doubts) + len(self._rest)

    def doubt(self, ref: MessageRef) -> None:
        """Read a message's reactions soon."""
        self._doubts.pop(ref.key, None)
        self._rest.pop(ref.key, None)
        self._doubts[ref.key] = (ref, asyncio.get_running_loop().time() + SETTLE_S)
        self._bound()

    def add(self, ref: MessageRef) -> None:
        """Read a message's reactions when those before it are read."""
        if ref.key not in self._doubts:
            self._rest.setdefault(ref.key, ref)
            self._bound()

    async def run(self, history: History) -> None:
        """Read until cancelled."""
        while True:
            ref, is_doubtful = await self._next()
            try:
                ref = await self._placed(ref)
                if is_doubtful or not await self._glance(ref, history):
                    await self._voting.reread(ref, history.reactions)
            except MessageGone as error:
                log.info("reactions are gone", message=ref.key, error=str(error))
            except (PlatformUnavailable, StoreUnavailable) as error:
                log.warning("reactions not read back yet", message=ref.key, error=str(error))
                self.doubt(ref)
                await asyncio.sleep(getattr(error, "retry_after_s", None) or RETRY_S)
            except Exception:
                log.exception("reactions not read back", message=ref.key)

    async def _placed(self, ref: MessageRef) -> MessageRef:
        """The message with its workspace, which not all who ask for it know."""
        if ref.workspace:
            return ref
        conversation = await self._voting.conversation_of(ref)
        return ref if conversation is None else replace(ref, workspace=conversation.workspace)

    async def _glance(self, ref: MessageRef, history: History) -> bool:
        """Whether a message was looked at together with others beside it.

        What differs from the votes there is read by itself: only so is an event that comes
        meanwhile noticed.
        """
        conversation = await self._voting.conversation_of(ref)
        if conversation is None:
            return True
        beside = await history.beside(ref, conversation)
        for one, standing in beside:
            self._rest.pop(one.key, None)
            if await self._voting.differs(one, standing):
                self.doubt(one)
        return ref.key in {one.key for one, _ in beside}

    async def _next(self) -> tuple[MessageRef, bool]:
        """The next message, and whether events left it in doubt."""
        while True:
            now = asyncio.get_running_loop().time()
            due = next(iter(self._doubts.values()), None)
            if due is not None and due[1] <= now:
                return self._doubts.popitem(last=False)[1][0], True
            if self._rest:
                return self._rest.popitem(last=False)[1], False
            self._some.clear()
            try:
                async with asyncio.timeout(None if due is None else due[1] - now):
                    await self._some.wait()
            except TimeoutError:
                continue

    def _bound(self) -> None:
        while len(self) > MOST:
            (self._rest or self._doubts).popitem(last=True)
            log.warning("too many messages to read back; one is left out")
        self._some.set()
