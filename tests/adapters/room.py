"""A little chat platform in memory: a place where answers are posted, edited and looked for.

It plays the book, too, for those who need no store.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from adapters.history import History
from adapters.markdown import CodeFile, Dialect
from adapters.surface import Book, Content, Known, Surface
from bot.context.material import NO_TALK, Talk
from bot.domain import (
    Attachment,
    Control,
    Conversation,
    Incoming,
    MessageRef,
    Person,
    Platform,
    Reaction,
    Turn,
)
from bot.errors import MessageGone, PlatformUnavailable
from bot.events import Event, Events
from tests.bot.turns_of import turn as turn_of

Call = Literal[
    "post",
    "posted",
    "find",
    "edit",
    "edited",
    "delete",
    "deleted",
    "attach",
    "attached",
    "begin_files",
    "end_files",
    "seed",
    "intend",
    "intended",
    "add",
    "added",
    "settle",
    "spare",
    "spared",
    "tell",
    "drop",
    "dropped",
    "question",
    "talk",
    "fetch",
    "reactions",
    "beside",
]
"""When a fault is met: before what is asked for, or after it (`posted`), before that is told."""

Fault = Exception | Callable[[], Awaitable[object]]
"""What a call meets: an error, or something to wait for first."""


@dataclass
class Room:
    """One channel. It takes what a platform takes, and refuses what a platform refuses.

    Whoever posts a part that stands there already fails. What was posted is found by its turn and
    part where `tells_parts` (Slack's metadata), else by its text (as on Discord).
    """

    limit: int = 64
    scope: str = "room"
    platform: Platform = "slack"
    channel: str = "D1"
    tells_parts: bool = True
    is_discreet: bool = True
    told: list[tuple[str, str]] = field(default_factory=list)
    messages: dict[str, str] = field(default_factory=dict)
    controls: dict[str, tuple[Control, ...]] = field(default_factory=dict)
    labels: dict[str, tuple[str, int]] = field(default_factory=dict)
    below: dict[str, list[CodeFile]] = field(default_factory=dict)
    seeded: list[str] = field(default_factory=list)
    log: list[tuple[str, str]] = field(default_factory=list)
    refs: list[MessageRef] = field(default_factory=list)
    faults: dict[Call, deque[Fault]] = field(
        default_factory=lambda: {call: deque() for call in get_args(Call)}
    )
    posted: int = 0
    busy_now: int = 0
    num_concluded: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    # The book
    parts: defaultdict[str, dict[int, MessageRef]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    posting: dict[str, str] = field(default_factory=dict)
    noted: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    spared: set[str] = field(default_factory=set)
    settled: list[MessageRef] = field(default_factory=list)
    # What people do
    questions: dict[str, Incoming] = field(default_factory=dict)
    standing: list[Reaction] = field(default_factory=list)
    said: Talk = NO_TALK
    files: dict[str, bytes] = field(default_factory=dict)

    def texts(self) -> list[str]:
        """What stands in the channel, from top to bottom."""
        return list(self.messages.values())

    def turn(self, name: str = "t1") -> Turn:
        """A turn as the book has it."""
        booked = self.parts[name]
        return replace(
            turn_of(name),
            parts=tuple(booked[part] for part in sorted(booked)),
            posting=self.posting.get(name),
            files=self.noted.get(name),
        )

    def booked(self, name: str = "t1") -> list[str]:
        """The messages that the book has of a turn, in order."""
        return [ref.message for ref in self.turn(name).parts]

    def done(self) -> list[str]:
        """What was done here, in order, without to whom."""
        return [what for what, _ in self.log]

    def meets(self, call: str, *faults: Fault) -> None:
        """Let a call meet faults, one each time."""
        if call not in self.faults:
            raise ValueError(f"no call of a room: {call}")
        self.faults[call] += faults

    def showing(self, text: str) -> Callable[[], Awaitable[None]]:
        """Something that waits until the channel shows a text."""
        return lambda: self.shows(text)

    async def shows(self, text: str) -> None:
        """Wait until the channel shows a text."""
        async with asyncio.timeout(5):
            while text not in "\n".join(self.texts()):
                self.changed.clear()
                await self.changed.wait()

    # The surface

    @property
    def growth(self) -> Literal["edit", "append"]:
        return "edit"

    @property
    def dialect(self) -> Dialect:
        return Dialect(self.limit)

    async def attach(
        self,
        files: Sequence[CodeFile],
        *,
        last: MessageRef,
        begun: str,
        begin: Callable[[str], Awaitable[None]],
    ) -> None:
        """As on Slack: what is posted is known by the note, and posted again without it."""
        await self._meet("attach")
        if begun and begun in self.below:
            return
        note = f"f{len(self.below) + 1}"
        await begin(note)
        assert last.message in self.messages, "files without an answer"
        self.below[note] = list(files)
        self._note("attach", note)
        await self._meet("attached")

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        await self._meet("post")
        self._check(content.text)
        label = turn, part
        assert not turn or label not in self.labels.values(), f"{label} stands there already"
        self.posted += 1
        name = f"p{self.posted}"
        self.messages[name], self.labels[name] = content.text, label
        self.controls[name] = content.controls
        ref = self._ref(name)
        self.refs.append(ref)
        self._note("post", f"{turn}/{part}")
        await self._meet("posted")
        return ref

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        await self._meet("find")
        self._note("find", f"{turn}/{part}")
        for name in reversed(self.messages):
            ref = self._ref(name)
            if self.tells_parts:
                if self.labels[name] == (turn, part):
                    return ref
            elif self.messages[name] == text and not await known(ref):
                return ref
        return None

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        await self._meet("edit")
        self._check(content.text)
        if ref.message not in self.messages:
            raise MessageGone("deleted")
        self.messages[ref.message] = content.text
        self.controls[ref.message] = content.controls
        self._note("edit", ref.message)
        await self._meet("edited")

    async def delete(self, ref: MessageRef) -> None:
        await self._meet("delete")
        assert ref.message not in self.known or ref.message in self.spared, "unannounced"
        self.messages.pop(ref.message, None)
        self.labels.pop(ref.message, None)
        self.controls.pop(ref.message, None)
        self._note("delete", ref.message)
        await self._meet("deleted")

    async def seed(self, ref: MessageRef) -> None:
        await self._meet("seed")
        if ref.message not in self.messages:
            raise MessageGone("deleted")
        self.seeded.append(ref.message)
        self._note("seed", ref.message)

    async def tell(self, person: Person, text: str) -> None:
        await self._meet("tell")
        self.told.append((person.id, text))

    async def conclude(self) -> None:
        self.num_concluded += 1

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        self.busy_now += 1
        try:
            yield
        finally:
            self.busy_now -= 1

    # The book

    async def intend(self, turn: str, text: str) -> None:
        await self._meet("intend")
        self.posting[turn] = text
        self._note("intend", turn)
        await self._meet("intended")

    async def add(self, turn: str, part: int, ref: MessageRef) -> None:
        await self._meet("add")
        self.parts[turn][part] = ref
        self.posting.pop(turn, None)
        self.known.add(ref.message)
        self._note("add", ref.message)
        await self._meet("added")

    async def begin_files(self, turn: str, note: str) -> None:
        await self._meet("begin_files")
        self.noted[turn] = note

    async def end_files(self, turn: str) -> None:
        await self._meet("end_files")
        self.noted[turn] = ""

    async def settle(self, turn: str, ref: MessageRef) -> None:
        await self._meet("settle")
        self.settled.append(ref)

    async def spare(self, turn: str, ref: MessageRef) -> None:
        await self._meet("spare")
        self.spared.add(ref.message)
        await self._meet("spared")

    async def drop(self, turn: str, part: int) -> None:
        await self._meet("drop")
        del self.parts[turn][part]
        self._note("drop", f"{turn}/{part}")
        await self._meet("dropped")

    async def knows(self, ref: MessageRef) -> bool:
        return ref.message in self.known

    # What it tells of the past

    async def question(self, ref: MessageRef) -> Incoming | None:
        await self._meet("question")
        return self.questions.get(ref.key)

    async def talk(self, first: Turn, most: int) -> Talk:
        await self._meet("talk")
        return self.said

    async def fetch(self, question: MessageRef, file: Attachment, most: int) -> bytes:
        await self._meet("fetch")
        return self.files[file.id]

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        await self._meet("reactions")
        return [each for each in self.standing if each.ref.key == ref.key]

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        """As Slack and Discord do: all messages of a thread at once, or nothing."""
        await self._meet("beside")
        refs = [self._ref(name) for name in self.messages] if self.tells_parts else []
        return [(one, [each for each in self.standing if each.ref.key == one.key]) for one in refs]

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        for question in list(self.questions.values()):
            if question.sent_at >= since:
                yield question

    def _ref(self, name: str) -> MessageRef:
        return MessageRef(self.platform, "T1", self.channel, name)

    async def _meet(self, call: Call) -> None:
        if self.faults[call]:
            fault = self.faults[call].popleft()
            if isinstance(fault, Exception):
                raise fault
            await fault()

    def _check(self, text: str) -> None:
        assert text.strip(), "an empty message"
        assert len(text) <= self.limit, "a message over the limit"

    def _note(self, what: str, about: str) -> None:
        self.log.append((what, about))
        self.changed.set()


def later(retry_after_s: float | None = 0.01) -> PlatformUnavailable:
    return PlatformUnavailable("not now", retry_after_s)


def lost() -> PlatformUnavailable:
    """Nobody knows whether it was done."""
    return PlatformUnavailable("the connection broke")


async def nothing() -> None:
    """The fault that is none."""


async def for_ever() -> None:
    await asyncio.Event().wait()


class Killed(BaseException):
    """The process ends here."""


async def kill() -> None:
    raise Killed


Step = Event | Exception | Callable[[], Awaitable[object]]
"""What a generator does next: give an event, break, or wait for something."""


@dataclass
class Answer:
    """A generator of answer events, which knows whether it was closed."""

    script: tuple[Step, ...]
    given: int = 0
    over: bool = False

    async def events(self) -> Events:
        try:
            for step in self.script:
                if isinstance(step, Exception):
                    raise step
                if callable(step):
                    await step()
                else:
                    self.given += 1
                    yield step
        finally:
            self.over = True


def _is_all_three(room: Room) -> tuple[Surface, Book, History]:
    return room, room, room
