"""Processes that come and go over one store and one platform, and people who know nothing of it.

A process here is everything of one platform's side, with its own clients; it shares the event loop
with the test and is ended as `kill -9` ends one: nothing it does has an effect from then on.
"""

import asyncio
import contextvars
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from redis.asyncio import Redis

from adapters.border import Border
from adapters.catch_up import CatchUp
from adapters.desk import FrontDesk
from adapters.history import History
from adapters.interaction import Command, Form, Press, Said
from adapters.side import Side
from bot.composing import Composer
from bot.context.gathering import Gathering
from bot.core import Chat
from bot.domain import (
    Attachment,
    Incoming,
    MessageRef,
    Person,
    Platform,
    Reaction,
    Release,
    Sampling,
    Turn,
)
from bot.feedback.voting import Voting
from bot.gate import Gate
from bot.generation import Generation
from bot.intake import Intake
from bot.parts import Parts
from bot.platform_settings import AccessSettings
from bot.settings import ChatSettings, ContextSettings
from bot.store.bot_rows import BotRows
from bot.store.inbox import Inbox
from bot.store.materials import Materials
from bot.store.people import People
from bot.store.personas import Personas
from bot.store.places import Places
from bot.store.reasons import Reasons
from bot.store.refusals import Refusals
from bot.store.turns import Turns
from bot.store.votes import Votes
from bot.store.wishes import Wishes
from bot.worker import Worker
from tests.adapters.markdown_texts import parts_of
from tests.adapters.paces import quick
from tests.adapters.room import Room
from tests.adapters.wire import Wire, WiredModel, WiredRedis, WiredRoom
from tests.scripted_model import Piece
from tests.waiting import until

WORKER: Final = "worker-1"
RELEASE: Final = Release("r1", "scripted", "Be brief.", Sampling(0.6, 0.9, 1.1, 256), 1.0)
WORDS: Final = [f"word{number}" for number in range(18)]
WHOLE: Final = " ".join(WORDS)

Event = Incoming | Reaction


@dataclass
class Town:
    """A platform with one channel, and people in it who ask once and vote as they see the answer.

    Where it `redelivers` (Slack), an event comes until it is acknowledged; else (Discord) it comes
    once, and whoever was not there has to look it up.
    """

    platform: Platform
    room: "Square" = field(init=False)
    events: deque[Event] = field(default_factory=deque)
    some: asyncio.Event = field(default_factory=asyncio.Event)
    listener: Wire | None = None

    def __post_init__(self) -> None:
        self.room = Square(
            limit=80,  # room for our own lines
            platform=self.platform,
            tells_parts=self.platform == "slack",
            happens=self.happens,
        )
        self.ana, self.bo = (Person(self.platform, name, name) for name in ("ana", "bo"))
        ref = MessageRef(self.platform, "T1", self.room.channel, "question")
        file = Attachment("F1", "a.txt", "text/plain", 4, "here")
        self.room.files[file.id] = b"teal"
        self.question = Incoming(
            ref, self.ana, "Why?", "dm", sent_at=time.time(), attachments=(file,)
        )

    @property
    def redelivers(self) -> bool:
        return self.platform == "slack"

    def listen(self, wire: Wire) -> None:
        """A process is connected from now on; the question is asked as soon as the first one is."""
        self.listener = wire
        if not self.redelivers:
            self.events.clear()
        if self.question.ref.key not in self.room.questions:
            self.room.questions[self.question.ref.key] = self.question
            self.happens(self.question)

    def happens(self, event: Event) -> None:
        """An event is on its way, if somebody listens or it will be delivered again."""
        if self.redelivers or (self.listener is not None and not self.listener.cut.is_set()):
            self.events.append(event)
            self.some.set()

    async def next(self) -> Event:
        """The next event, which comes again until it is `done` where events are redelivered."""
        while not self.events:
            self.some.clear()
            await self.some.wait()
        return self.events[0] if self.redelivers else self.events.popleft()

    async def done(self) -> None:
        """The event was acknowledged."""
        self.events.popleft()

    def votes(self) -> dict[str, int]:
        """What everybody's reactions add up to, by person."""
        signs: dict[str, set[int]] = {}
        for each in self.room.standing:
            signs.setdefault(each.person.key, set()).add(1 if each.emoji == "+1" else -1)
        return {person: sum(each) for person, each in signs.items()}


@dataclass
class Square(Room):
    """The channel, where people vote as soon as they see something of the answer, and change it."""

    happens: Callable[[Event], None] = lambda event: None
    voted: int = 0

    @property
    def is_whole(self) -> bool:
        return self.texts() == parts_of(WHOLE, self.dialect)

    def _note(self, what: str, about: str) -> None:
        super()._note(what, about)
        ana, bo = (Person(self.platform, name, name) for name in ("ana", "bo"))
        if self.voted == 0 and what == "post":
            self.voted = 1
            self.react(ana, "+1", self.refs[-1])
            self.react(bo, "+1", self.refs[-1])
        if self.voted == 1 and self.is_whole:
            self.voted = 2
            first, last = [self._ref(name) for name in self.messages][:: len(self.messages) - 1]
            if any(each.ref == first for each in self.standing):
                self.react(ana, "+1", first, present=False)
            self.react(ana, "-1", last)
            self.react(bo, "-1", last)
            self.react(bo, "-1", last, present=False)

    def react(self, who: Person, emoji: str, ref: MessageRef, *, present: bool = True) -> None:
        """Somebody puts a reaction on a message, or takes it away."""
        reaction = Reaction(ref, who, emoji, present, time.time())
        if present:
            self.standing.append(reaction)
        else:
            [held] = [
                each
                for each in self.standing
                if (each.ref, each.person, each.emoji) == (ref, who, emoji)
            ]
            self.standing.remove(held)
        self.happens(reaction)

    async def delete(self, ref: MessageRef) -> None:
        self.standing = [each for each in self.standing if each.ref != ref]
        await super().delete(ref)


def pieces(room: Room) -> list[Piece]:
    """The answer in pieces: each but the last has to be shown before the next one comes."""
    cuts = (0, 3, 6, 12, 15, 18)
    found: list[Piece] = []
    for start, stop in itertools.pairwise(cuts):
        found.append(" ".join(WORDS[start:stop]) + (" " if stop < len(WORDS) else ""))
        if stop < len(WORDS):
            found.append(room.showing(WORDS[stop - 1]))
    return found


class Connection:
    """A platform's adapter: events in, in their order, and a place for answers."""

    def __init__(self, town: Town, wire: Wire, border: Border, catch_up: CatchUp) -> None:
        self._town = town
        self._wire = wire
        self._border = border
        self._catch_up = catch_up
        self._room = WiredRoom(town.room, wire)

    @property
    def history(self) -> History:
        return self._room

    async def run(self) -> None:
        self._town.listen(self._wire)
        self._catch_up.connected()
        while True:
            event = await self._town.next()
            if await self._border.guarded(self._hear(event)) and self._town.redelivers:
                with suppress(ConnectionError):  # then the event comes again
                    await self._wire.call("platform ack", self._town.done, ConnectionError())
            await asyncio.sleep(0)

    async def ready(self) -> None:
        return

    async def take(self, incoming: Incoming) -> None:
        await self._border.take(incoming, self._room)

    async def answer(self, turn: Turn, resumed: bool) -> None:
        await self._border.answer(turn, self._room, self._room, resumed=resumed)

    def refuse(self) -> None:
        return

    async def _hear(self, event: Event) -> None:
        if isinstance(event, Incoming):
            await self.take(event)
        else:
            await self._border.vote(event)


class NoCommands:
    """Nobody gives any."""

    async def run(self, command: Command) -> Said:
        raise AssertionError(command)

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        raise AssertionError(form)


class Life:
    """One process."""

    def __init__(
        self, town: Town, client: "Redis", url: str, wire: Wire, name: str = WORKER
    ) -> None:
        self.wire = wire
        self._owned: set[asyncio.Task[Any]] = set()
        self.model = WiredModel(url, wire)
        store, chat = WiredRedis(client, wire), ChatSettings()
        turns, people, places = Turns(store), People(store), Places(store)
        inbox = Inbox(store, name, total=chat.max_waiting, each=chat.max_waiting_conversation)
        personas = Personas(store)
        gate = Gate(AccessSettings(), Refusals(store), BotRows(store))
        composer = Composer(
            turns=turns,
            model=self.model,
            release=RELEASE,
            chat=chat,
            personas=personas,
            context=Gathering(Materials(store, keep_s=60), turns, ContextSettings()),
        )
        generation = Generation(composer, self.model, wait_s=5)
        core = Chat(
            intake=Intake(inbox, turns, people, RELEASE.id, gate=gate, personas=personas),
            inbox=inbox,
            turns=turns,
            wishes=Wishes(store, turns, total=chat.max_waiting, each=chat.max_waiting_conversation),
            places=places,
            generation=generation,
            chat=chat,
        )
        voting = Voting(turns, Votes(store, turns, people), people)
        book = Parts(turns, voting)
        self._desk = FrontDesk(core.hold, voting, Reasons(store, turns, people), NoCommands())
        self.border = Border(core, voting, people, quick(), book, give_up_s=600)
        catch_up = CatchUp(
            town.platform,
            rereads=self.border.rereads,
            turns=turns,
            places=places,
            asked_s=600,
            voted_s=600,
            is_holding=lambda: self.border.is_holding,
        )
        connection = Connection(town, wire, self.border, catch_up)
        worker = Worker(inbox, turns, town.platform, connection.answer, room=10)
        self.side = Side(connection, self.border, worker, catch_up)

    def start(self) -> None:
        """Let it run; its tasks are those begun in it."""
        context = contextvars.copy_context()
        context.run(_owner.set, self._owned)
        asyncio.get_running_loop().create_task(self.side.run(), context=context)

    async def press(self, press: Press) -> Said | None:
        """Somebody presses a button while it lives. Raises Cut when it ends meanwhile."""
        context = contextvars.copy_context()
        context.run(_owner.set, self._owned)
        work = self._desk.press(press)
        return await asyncio.get_running_loop().create_task(work, context=context)

    async def end(self) -> None:
        """End it at once, wherever it is."""
        self.wire.cut.set()

        def all_done() -> bool:
            for task in self._owned:
                task.cancel()
            return all(task.done() for task in self._owned)

        await until(all_done, lambda: f"still alive: {[t for t in self._owned if not t.done()]}")
        await asyncio.gather(*self._owned, return_exceptions=True)


_owner: contextvars.ContextVar[set[asyncio.Task[Any]] | None] = contextvars.ContextVar(
    "owner", default=None
)


@asynccontextmanager
async def life(
    town: Town, client: "Redis", url: str, wire: Wire, name: str = WORKER
) -> AsyncIterator[Life]:
    """A process that runs; it is killed at the end, whatever it does."""
    one = Life(town, client, url, wire, name)
    async with one.model:
        one.start()
        try:
            yield one
        finally:
            await one.end()


def own_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Have each process know its tasks."""

    def begin(
        loop: asyncio.AbstractEventLoop,
        work: Coroutine[Any, Any, Any],
        *,
        context: contextvars.Context | None = None,
    ) -> "asyncio.Task[Any]":
        task = asyncio.Task(work, loop=loop, context=context)
        owner = _owner.get() if context is None else context.get(_owner)
        if owner is not None:
            owner.add(task)
        return task

    loop.set_task_factory(begin)  # type: ignore[arg-type]
