"""The chat core over a real Valkey and a scripted model, and people who ask it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis

from bot.core import Accepted, Chat, Ended, Event, Text
from bot.domain import Incoming, MessageRef, Person, Place, Release, Sampling, Turn
from bot.model import Model
from bot.settings import ChatSettings
from bot.store.inbox import Inbox
from bot.store.people import People
from bot.store.turns import Turns
from tests.scripted_model import Piece, ScriptedModel, scripted_model

ANA = Person("slack", "U1", "Ana")
BO = Person("slack", "U2", "Bo")
SYSTEM = "Be brief."
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
    turns: Turns
    people: People
    server: ScriptedModel
    clock: list[float] = field(default_factory=lambda: [1000.0])

    async def ask(self, incoming: Incoming) -> list[Event]:
        """All events of an answer."""
        async with aclosing(self.chat.respond(incoming)) as events:
            return [event async for event in events]

    async def answer(self, incoming: Incoming) -> Turn:
        """The stored turn of a question that is answered whole."""
        events = await self.ask(incoming)
        assert isinstance(events[0], Accepted)
        assert events[-1] == Ended("stop")
        turn = await self.turns.get(events[0].turn)
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
                yield _bench(client, server, model, settings, wait_s, release)
    if not serve:
        async with Model(server.url, timeout_s=timeout_s) as model:
            yield _bench(client, server, model, settings, wait_s, release)


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
    chat = Chat(
        inbox=Inbox(client),
        turns=turns,
        people=people,
        model=model,
        release=release,
        chat=settings or ChatSettings(),
        wait_s=wait_s,
        clock=lambda: clock[0],
    )
    return Bench(chat, turns, people, server, clock)
