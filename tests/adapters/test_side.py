"""One platform's side of the process: what runs together, and the order of its stop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from redis.asyncio import Redis

from adapters.side import Side
from bot.domain import Conversation, Incoming, MessageRef, Reaction, Turn
from bot.errors import PlatformError
from bot.store.inbox import Inbox
from bot.worker import Worker
from tests.adapters.core_bench import Core, Loud, core_bench
from tests.bot.chat_bench import asked
from tests.waiting import until


class Nothing:
    """A platform on which nothing has happened."""

    async def question(self, ref: MessageRef) -> Incoming | None:
        return None

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        return []

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        return ()

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        nothing: tuple[Incoming, ...] = ()
        for incoming in nothing:
            yield incoming


@dataclass
class Line:
    """An adapter whose answers last until they are let go; it writes down what it is told."""

    log: list[str] = field(default_factory=list)
    history: Nothing = field(default_factory=Nothing)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    breaks: asyncio.Event = field(default_factory=asyncio.Event)
    comes_up: bool = True

    async def run(self) -> None:
        try:
            if self.comes_up:
                self.up.set()
            await self.breaks.wait()
            raise PlatformError("the token was refused")
        finally:
            self.log.append("gone")

    async def ready(self) -> None:
        await self.up.wait()

    async def take(self, incoming: Incoming) -> None:
        raise AssertionError("nothing was missed")

    async def answer(self, turn: Turn, resumed: bool) -> None:
        self.log.append(f"begins {turn.text}")
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.log.append(f"leaves {turn.text}")
            raise
        self.log.append(f"ends {turn.text}")

    def refuse(self) -> None:
        self.log.append("refuses")


@dataclass
class Run:
    """A side that runs, with a question in hand."""

    side: Side
    line: Line
    core: Core
    task: asyncio.Task[None]
    before: set[asyncio.Task[object]]

    async def ends(self) -> None:
        """It has ended, and no task of it is left."""
        await asyncio.wait({self.task}, timeout=5)
        assert self.task.done()
        await until(lambda: not self.left(), lambda: str(self.left()), within_s=2)

    def left(self) -> list[str]:
        names = (task.get_coro().__qualname__ for task in asyncio.all_tasks() - self.before)  # type: ignore[union-attr]
        own = ("Worker.", "Line.", "Rereads.", "CatchUp.", "Border.", "Side.")
        return [name for name in names if name.startswith(own)]


async def begun(client: "Redis", core: Core) -> Run:
    line = Line()
    worker = Worker(
        Inbox(client, "worker-1", total=10, each=10), core.turns, "slack", line.answer, room=5
    )
    side = Side(line, core.border, worker, Loud("slack", core))
    before = asyncio.all_tasks()
    task = asyncio.create_task(side.run())
    await side.ready()
    return Run(side, line, core, task, before)


async def in_hand(run: Run, text: str = "one") -> None:
    assert await run.core.border._chat.take(asked(text)) == "new"
    await until(lambda: f"begins {text}" in run.line.log)


async def test_an_orderly_stop_refuses_first_and_lets_answers_end(client: "Redis") -> None:
    async with core_bench(client) as core:
        run = await begun(client, core)
        await in_hand(run)
        stopping = asyncio.create_task(run.side.stop(5))
        await until(lambda: "refuses" in run.line.log)
        assert await core.border._chat.take(asked("two", channel="D2")) == "new"
        await asyncio.sleep(0.05)
        run.line.go_on.set()
        await stopping
        assert run.line.log == ["begins one", "refuses", "ends one"], "two is the next process's"
        assert not core.border.is_hurried
        run.task.cancel()
        await run.ends()


async def test_an_answer_that_does_not_end_in_time_is_left(client: "Redis") -> None:
    async with core_bench(client) as core:
        run = await begun(client, core)
        await in_hand(run)
        await run.side.stop(0.05)
        assert run.line.log == ["begins one", "refuses", "leaves one"]
        assert not core.border.is_hurried, "its person is told that it goes on"
        run.task.cancel()
        await run.ends()


async def test_a_stop_at_once_waits_for_nothing_and_says_nothing(client: "Redis") -> None:
    async with core_bench(client) as core:
        run = await begun(client, core)
        await in_hand(run)
        stopping = asyncio.create_task(run.side.stop(60))
        await until(lambda: "refuses" in run.line.log)
        stopping.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        await run.side.stop_at_once()
        assert run.line.log[-1] == "leaves one"
        assert core.border.is_hurried
        run.task.cancel()
        await run.ends()


async def test_a_fatal_error_of_the_adapter_ends_it_and_leaves_no_task(client: "Redis") -> None:
    async with core_bench(client) as core:
        run = await begun(client, core)
        await in_hand(run)
        run.line.breaks.set()
        await run.ends()
        with pytest.raises(ExceptionGroup) as raised:
            run.task.result()
        assert raised.value.subgroup(PlatformError) is not None
        assert "leaves one" in run.line.log


async def test_a_fatal_error_before_it_is_ready_ends_it(client: "Redis") -> None:
    line = Line(comes_up=False)
    line.breaks.set()
    async with core_bench(client) as core:
        inbox = Inbox(client, "worker-1", total=10, each=10)
        worker = Worker(inbox, core.turns, "slack", line.answer, room=5)
        side = Side(line, core.border, worker, Loud("slack", core))
        with pytest.raises(ExceptionGroup) as raised:
            await asyncio.wait_for(side.run(), 5)
    assert raised.value.subgroup(PlatformError) is not None


@pytest.mark.parametrize("is_busy", [False, True])
async def test_a_cancelled_side_leaves_no_task(client: "Redis", is_busy: bool) -> None:
    async with core_bench(client) as core:
        run = await begun(client, core)
        if is_busy:
            await in_hand(run)
        run.task.cancel()
        await run.ends()
        assert "gone" in run.line.log
