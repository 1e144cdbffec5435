"""All that one process sends out, call by call: to the store, the platform and the model.

At any one call the process can be cut, which is what `kill -9` does to it: from then on nothing it
does has an effect. A call can also fail once, before or after its effect, and be the moment at
which something else happens.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final, Literal, TypeVar

from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from adapters.markdown import CodeFile
from adapters.surface import Content, Known
from bot.context.material import Talk
from bot.domain import (
    Attachment,
    Conversation,
    Incoming,
    MessageRef,
    Person,
    Reaction,
    Sampling,
    Turn,
)
from bot.errors import PlatformUnavailable
from bot.model import Delta, Message, Model, Served
from tests.adapters.room import Room

When = Literal["before", "after"]
"""Whether a call has had its effect when its fault comes."""

What = Literal["cut", "fail", "tell"]
"""What happens at a call: the process ends, the call fails, or it is only told of."""

Point = tuple[str, int]
"""A call: what it is, and which of its kind."""

Result = TypeVar("Result")

SCRIPTS: Final = {
    hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest(): path.name
    for path in files("bot.store").iterdir()
    if path.name.endswith(".lua")
}


async def load_scripts(client: "Redis") -> None:
    """Have the store know all scripts, so that each is one call."""
    for path in files("bot.store").iterdir():
        if path.name.endswith(".lua"):
            await client.script_load(path.read_text("utf-8"))


class Cut(BaseException):
    """The process is no more."""


@dataclass
class Wire:
    """What goes out of one process, and the point at which something happens to it."""

    at: Point | None = None
    when: When = "before"
    what: What = "cut"
    number: int | None = None
    """Instead of `at`: the how manieth call of all it is."""
    met: list[Point] = field(default_factory=list)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    _counts: Counter[str] = field(default_factory=Counter)

    async def call(
        self, what: str, effect: Callable[[], Awaitable[Result]], broken: Exception
    ) -> Result:
        """Make a call; `broken` is what its caller sees when it fails."""
        if self.cut.is_set():
            raise Cut
        self._counts[what] += 1
        point = what, self._counts[what]
        self.met.append(point)
        is_there = point == self.at or len(self.met) == self.number
        if is_there and self.what == "tell":
            self.told.set()
        if not is_there or self.what == "tell":
            result = await effect()
            if self.cut.is_set():  # whoever is no more hears of nothing
                raise Cut
            return result
        if self.when == "after":
            await effect()
        if self.what == "cut":
            self.cut.set()
            raise Cut
        raise broken


class WiredRedis(Redis):
    """A client of the store whose commands go over the wire."""

    def __init__(self, client: "Redis", wire: Wire) -> None:
        super().__init__(connection_pool=client.connection_pool)
        self._wire = wire

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        what = f"store {_name(args)}"
        send: Any = super().execute_command
        return await self._wire.call(what, lambda: send(*args, **options), _store_broken())

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Any:
        pipe: Any = super().pipeline(transaction, shard_hint)
        send = pipe.execute

        async def execute(raise_on_error: bool = True) -> list[Any]:
            commands = pipe.command_stack
            what = "store " + " ".join(_name(args) for args, _ in commands)
            return await self._wire.call(what, lambda: send(raise_on_error), _store_broken())

        pipe.execute = execute
        return pipe


def _name(args: Sequence[Any]) -> str:
    """What a command is called: its script's name, or its own with the kind of its key."""
    if args[0] == "EVALSHA":
        return SCRIPTS[args[1]]
    key = str(args[1]).split(":")[1] if len(args) > 1 and ":" in str(args[1]) else ""
    return f"{args[0]} {key}".strip()


def _store_broken() -> Exception:
    return RedisConnectionError("the connection broke")


class WiredRoom:
    """A room reached over the wire."""

    def __init__(self, room: Room, wire: Wire) -> None:
        self._room = room
        self._wire = wire
        self.dialect, self.scope, self.is_discreet = room.dialect, room.scope, room.is_discreet

    @property
    def growth(self) -> Literal["edit", "append"]:
        return self._room.growth

    async def attach(
        self,
        files: Sequence[CodeFile],
        *,
        last: MessageRef,
        begun: str,
        begin: Callable[[str], Awaitable[None]],
    ) -> None:
        await self._call(
            "attach", lambda: self._room.attach(files, last=last, begun=begun, begin=begin)
        )

    async def conclude(self) -> None:
        await self._room.conclude()

    def busy(self) -> AbstractAsyncContextManager[None]:
        return self._room.busy()

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        return await self._call("post", lambda: self._room.post(content, turn=turn, part=part))

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        return await self._call(
            "find", lambda: self._room.find(text, turn=turn, part=part, known=known)
        )

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        await self._call("edit", lambda: self._room.edit(ref, content, turn=turn))

    async def delete(self, ref: MessageRef) -> None:
        await self._call("delete", lambda: self._room.delete(ref))

    async def seed(self, ref: MessageRef) -> None:
        await self._call("seed", lambda: self._room.seed(ref))

    async def tell(self, person: Person, text: str) -> None:
        await self._call("tell", lambda: self._room.tell(person, text))

    async def question(self, ref: MessageRef) -> Incoming | None:
        return await self._call("question", lambda: self._room.question(ref))

    async def talk(self, first: Turn, most: int) -> Talk:
        return await self._call("talk", lambda: self._room.talk(first, most))

    async def fetch(self, question: MessageRef, file: Attachment, most: int) -> bytes:
        return await self._call("fetch", lambda: self._room.fetch(question, file, most))

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        return await self._call("reactions", lambda: self._room.reactions(ref))

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        return await self._call("beside", lambda: self._room.beside(ref, conversation))

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        async def read() -> list[Incoming]:
            return [question async for question in self._room.missed(since)]

        for question in await self._call("missed", read):
            yield question

    async def _call(self, what: str, effect: Callable[[], Awaitable[Result]]) -> Result:
        broken = PlatformUnavailable("the connection broke")
        return await self._wire.call(f"platform {what}", effect, broken)


class WiredModel(Model):
    """A client of the model whose every word goes over the wire."""

    def __init__(self, url: str, wire: Wire) -> None:
        super().__init__(url, timeout_s=5)
        self._wire = wire

    async def served(self, *, fresh: bool = False) -> Served:
        ask = super().served
        return await self._call("served", lambda: ask(fresh=fresh))

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        ask = super().count_tokens
        return await self._call("count", lambda: ask(messages))

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling, *, user: str, begun: str = ""
    ) -> AsyncGenerator[Delta, None]:
        stream = super().stream(messages, sampling, user=user, begun=begun)
        async with aclosing(stream) as deltas:
            while (delta := await self._call("word", lambda: anext(deltas, None))) is not None:
                yield delta

    async def _call(self, what: str, effect: Callable[[], Awaitable[Result]]) -> Result:
        broken = ConnectionError("no fault of the model is tried")
        return await self._wire.call(f"model {what}", effect, broken)
