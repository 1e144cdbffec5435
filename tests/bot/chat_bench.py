"""The chat core over a real Valkey and a scripted model, and people who ask it."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis

from bot import gate as gates
from bot.answer import Answer
from bot.composing import Composer
from bot.context.gathering import Gathering
from bot.core import Chat
from bot.domain import (
    Incoming,
    MessageRef,
    Person,
    Place,
    Platform,
    Release,
    Sampling,
    Turn,
    TurnStatus,
)
from bot.events import Ended, Event, Events, Text
from bot.generation import Generation
from bot.intake import Intake
from bot.model import Model
from bot.platform_settings import AccessSettings
from bot.settings import ChatSettings, ContextSettings
from bot.store.bot_rows import BotRows
from bot.store.inbox import Inbox
from bot.store.materials import Materials
from bot.store.people import People
from bot.store.personas import Personas
from bot.store.places import Places
from bot.store.refusals import Refusals
from bot.store.turns import Turns
from bot.store.wishes import Wishes
from tests.bot.turns_of import WORKER
from tests.scripted_model import Piece, ScriptedModel, scripted_model
from tests.waiting import until

ANA = Person("slack", "U1", "Ana")
BO = Person("slack", "U2", "Bo")
SYSTEM = "Be brief."
RELEASE = Release("r1", "scripted", SYSTEM, Sampling(0.6, 0.9, 1.1, 64), 1.0)

_number = itertools.count(1)


def asked(
    text: str = "Why?",
    *,
    platform: Platform = "slack",
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
        ref=MessageRef(platform, "T1", channel, f"m{next(_number)}"),
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
    model: Model
    clock: list[float] = field(default_factory=lambda: [1000.0])

    async def taken(self, incoming: Incoming) -> Turn:
        """The turn of a question that is taken in; this process holds it."""
        assert await self.chat.take(incoming) == "new"
        return await self.held(incoming)

    async def held(self, incoming: Incoming) -> Turn:
        """The turn of a question, as this process holds it."""
        turn = await self.stored(incoming)
        platform = incoming.ref.platform
        while turn.id not in {entry.turn for entry in await self.inbox.left(platform)}:
            await self.inbox.read(platform, 100)
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

    async def taken_up(self, incoming: Incoming) -> list[Event]:
        """All events of an answer that an earlier process may have begun."""
        answer = self.chat.answer(await self.held(incoming), resumed=True)
        async with aclosing(self.shown(answer)) as events:
            return [event async for event in events]

    async def saves(self, incoming: Incoming, text: str) -> None:
        """Wait until just so much of an answer is saved."""

        async def is_saved() -> bool:
            turn = await self.turns.of_message(incoming.ref.key)
            return turn is not None and turn.answer == text

        await until(is_saved, lambda: f"never saved: {text!r}")

    async def begun(self, incoming: Incoming, saved: str) -> None:
        """Begin an answer and leave it, as a process that is killed does, once so much is saved."""
        answering = asyncio.create_task(self.ask(incoming))
        await self.saves(incoming, saved)
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)

    async def ask(self, incoming: Incoming) -> list[Event]:
        """All events of an answer."""
        async with aclosing(self.events(incoming)) as events:
            return [event async for event in events]

    async def answer(self, incoming: Incoming) -> Turn:
        """The stored turn of a question that is answered whole."""
        events = await self.ask(incoming)
        assert events[-1] == Ended("stop")
        return await self.stored(incoming)

    async def answer_held(self, incoming: Incoming) -> Turn:
        """The stored turn of a question that this process took up and answered whole."""
        events = await self.taken_up(incoming)
        assert events[-1] == Ended("stop")
        return await self.stored(incoming)

    async def stored(self, incoming: Incoming) -> Turn:
        """The turn of a question, as it is stored."""
        turn = await self.turns.of_message(incoming.ref.key)
        assert turn is not None
        return turn

    async def status(self, incoming: Incoming) -> TurnStatus:
        """How the turn of a question stands."""
        return (await self.stored(incoming)).status

    def prompts(self) -> list[list[str]]:
        """What the model was told in each request, without the system prompt and what it began."""
        return [
            [message["content"] for message in messages[1 : len(messages) - bool(half)]]
            for messages, half in (
                (request["messages"], request.get("continue_final_message"))
                for request in self.server.requests
            )
        ]

    def begun_by(self) -> list[str]:
        """The half answer that the model was given in each request, "" where there was none."""
        return [
            request["messages"][-1]["content"] if request.get("continue_final_message") else ""
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
    worker: str = WORKER,
    context: ContextSettings | None = None,
    beside: Bench | None = None,
    access: AccessSettings | None = None,
) -> AsyncIterator[Bench]:
    """A chat core; without `serve` the model's server is not up, at the URL that it has.

    One that is `beside` another has the same model's server.
    """
    server = server or (ScriptedModel() if beside is None else beside.server)
    async with AsyncExitStack() as stack:
        if beside is None:
            async with AsyncExitStack() as up:
                await up.enter_async_context(scripted_model(server))
                if serve:
                    stack.push_async_exit(up.pop_all())
        model = await stack.enter_async_context(Model(server.url, timeout_s=timeout_s))
        chat = settings or ChatSettings()
        inbox = Inbox(client, worker, total=chat.max_waiting, each=chat.max_waiting_conversation)
        rules = access or AccessSettings()
        bench = _bench(
            client,
            inbox,
            server,
            model,
            chat,
            wait_s,
            release,
            rules,
            context or ContextSettings(),
        )
        yield bench


def _bench(
    client: "Redis",
    inbox: Inbox,
    server: ScriptedModel,
    model: Model,
    chat: ChatSettings,
    wait_s: float,
    release: Release,
    access: AccessSettings,
    context: ContextSettings,
) -> Bench:
    turns, people = Turns(client), People(client)
    clock = [1000.0]

    def now() -> float:
        return clock[0]

    personas = Personas(client)
    composer = Composer(
        turns=turns,
        model=model,
        release=release,
        chat=chat,
        personas=personas,
        context=Gathering(Materials(client, keep_s=60), turns, context),
        images=context.images,
    )
    generation = Generation(composer, model, wait_s=wait_s, clock=now)
    gate = gates.Gate(access, Refusals(client), BotRows(client), now)
    core = Chat(
        intake=Intake(inbox, turns, people, release.id, now, gate=gate, personas=personas),
        inbox=inbox,
        turns=turns,
        wishes=Wishes(client, turns, total=chat.max_waiting, each=chat.max_waiting_conversation),
        places=Places(client),
        generation=generation,
        chat=chat,
        clock=now,
    )
    return Bench(core, inbox, turns, people, server, model, clock)
