"""The chat core over a real Valkey and a scripted model, and people who ask it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis

from bot.answer import Answer
from bot.core import Chat
from bot.domain import Incoming, MessageRef, Person, Place, Release, Sampling, Turn
from bot.events import Ended, Event, Events, Text
from bot.generation import Generation
from bot.intake import Intake
from bot.model import Model
from bot.settings import ChatSettings
from bot.store.inbox import Inbox
from bot.store.people import People
from bot.store.turns import Turns
from tests.scripted_model import Piece, ScriptedModel, scripted_model

ANA = Person("slack", "U1", "Ana")
BO = Person("slack", "U2", "Bo")
SYSTEM = "Be brief."
WORKER = "worker-1"
RELEASE = Release("r1", "scripted", SYSTEM, Sampling(0.6, 0.9, 1.1, 64), 1.0)

_number = itertools.count(1)


def asked(
    text: str = "Why?",
    *,
    place: Place = "dm",
    channel: str = "D1",
    author: Person = ANA,
    thread: str | None = None,
    reply_to: str | None = None,
    mentions_bot: bool = False,
    mentions_others: bool = False,
) -> Incoming:
    """A message that no other test has."""
    return Incoming(
        ref=MessageRef("slack", "T1", channel, f"m{next(_number)}"),
        author=author,
        text=text,
        place=place,
        sent_at=1.5,
        thread=thread,
        reply_to=reply_to,
        mentions_bot=mentions_bot,
        mentions_others=mentions_others,
    )


class Gate:
    """A scripted model that waits in mid-answer until it is let go."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.server = ScriptedModel(answer=self._answer)

    def _answer(self, messages: list[dict[str, str]]) -> Sequence[Piece]:
        return ["first ", self.opened.wait, f"to {messages[-1]['content']}"]

    def open(self) -> None:
        self.opened.set()


def text_of(events: list[Event]) -> str:
    return "".join(event.delta for event in events if isinstance(event, Text))


@dataclass
class Bench:
    """A chat core, and all that it stands on."""

    chat: Chat
    inbox: Inbox
    turns: Turns
    people: People
    server: ScriptedModel
    clock: list[float] = field(default_factory=lambda: [1000.0])

    async def taken(self, incoming: Incoming) -> Turn:
        """The turn of a question that is taken in; this process holds it."""
        assert await self.chat.take(incoming) == "new"
        return await self.held(incoming)

    async def held(self, incoming: Incoming) -> Turn:
        """The turn of a question, as this process holds it."""
        await self.inbox.read(incoming.ref.platform, 100)
        turn = await self.turns.of_message(incoming.ref.key)
        assert turn is not None
        return turn

    async def events(self, incoming: Incoming) -> Events:
        """The events of an answer, as they come; none when the message is not a new question."""
        taken = await self.chat.take(incoming)
        if taken == "busy":
            yield Ended("error", "busy")
        elif taken == "new":
            async with aclosing(self.shown(self.chat.answer(await self.held(incoming)))) as events:
                async for event in events:
                    yield event

    async def shown(self, answer: Answer) -> Events:
        """The events of an answer, which is closed at its end; left when it is broken off."""
        ended = None
        try:
            async with aclosing(answer.events()) as events:
                async for event in events:
                    if isinstance(event, Ended):
                        ended = event
                    yield event
            await self.chat.close(answer, ended)
        finally:
            self.chat.leave(answer)

    async def ask(self, incoming: Incoming) -> list[Event]:
        """All events of an answer."""
        async with aclosing(self.events(incoming)) as events:
            return [event async for event in events]

    async def answer(self, incoming: Incoming) -> Turn:
        """The stored turn of a question that is answered whole."""
        events = await self.ask(incoming)
        assert events[-1] == Ended("stop")
        return await self.stored(incoming)

    async def stored(self, incoming: Incoming) -> Turn:
        """The turn of a question, as it is stored."""
        turn = await self.turns.of_message(incoming.ref.key)
        assert turn is not None
        return turn

    def prompts(self) -> list[list[str]]:
        """What the model was told in each request, without the system prompt."""
        return [
            [message["content"] for message in request["messages"][1:]]
            for request in self.server.requests
        ]


@asynccontextmanager
async def chat_bench(
    client: "Redis",
    server: ScriptedModel | None = None,
    *,
    settings: ChatSettings | None = None,
    wait_s: float = 0,
    timeout_s: float = 5,
    release: Release = RELEASE,
    serve: bool = True,
) -> AsyncIterator[Bench]:
    """A chat core; without `serve` the model's server is not up, at the URL that it has."""
    server = server or ScriptedModel()
    async with scripted_model(server):
        if serve:
            async with Model(server.url, timeout_s=timeout_s) as model:
                bench = _bench(client, server, model, settings, wait_s, release)
                await bench.inbox.left("slack")
                yield bench
    if not serve:
        async with Model(server.url, timeout_s=timeout_s) as model:
            bench = _bench(client, server, model, settings, wait_s, release)
            await bench.inbox.left("slack")
            yield bench


def _bench(
    client: "Redis",
    server: ScriptedModel,
    model: Model,
    settings: ChatSettings | None,
    wait_s: float,
    release: Release,
) -> Bench:
    turns, people = Turns(client), People(client)
    clock = [1000.0]
    chat = settings or ChatSettings()
    inbox = Inbox(client, WORKER, total=chat.max_waiting, each=chat.max_waiting_conversation)

    def now() -> float:
        return clock[0]

    generation = Generation(
        turns=turns, model=model, release=release, chat=chat, wait_s=wait_s, clock=now
    )
    core = Chat(
        intake=Intake(inbox, turns, people, release.id, now),
        inbox=inbox,
        turns=turns,
        generation=generation,
        chat=chat,
        clock=now,
    )
    return Bench(core, inbox, turns, people, server, clock)
