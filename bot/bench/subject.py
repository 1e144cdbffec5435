"""Who is measured: a server over HTTP, or transformers' batching in a process of its own.

Both answer the same questions, so many in flight, and say when each piece came.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Protocol

from bot.bench.child import Child
from bot.bench.client import Client
from bot.bench.errors import BenchError
from bot.bench.memory import watched
from bot.bench.timing import Answer, Pass
from bot.bench.workload import Question


class Subject(Protocol):
    """An engine under measurement."""

    @property
    def name(self) -> str: ...

    @property
    def pid(self) -> int | None: ...

    async def answer(self, questions: Sequence[Question], chats: int) -> list[Answer]:
        """Answer all, `chats` in flight from the first moment to the last that many are left."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server. `models` are asked in turn, one after the other."""

    name: str
    client: Client
    models: tuple[str, ...]
    pid: int | None

    async def answer(self, questions: Sequence[Question], chats: int) -> list[Answer]:
        turns = cycle(self.models)
        asked = [(question, next(turns)) for question in questions]

        async def ask(number: int, person: str) -> Answer:
            question, model = asked[number]
            return await self.client.complete(question, model=model, user=person)

        return await crowd(ask, len(asked), chats)


@dataclass(frozen=True, slots=True)
class Peer:
    """transformers' continuous batching; see `bot.engine.peer`."""

    name: str
    child: Child

    @property
    def pid(self) -> int | None:
        return self.child.pid

    async def answer(self, questions: Sequence[Question], chats: int) -> list[Answer]:
        if any(isinstance(question.prompt, str) for question in questions):
            raise BenchError("the server tells no token ids, so that the work cannot be the same")
        job = {
            "do": "chats",
            "prompts": [question.prompt for question in questions],
            "new_tokens": [question.new_tokens for question in questions],
            "chats": chats,
        }
        told = (await self.child.ask(job))["answers"]
        answers = [
            Answer(one["sent"], tuple(one["times"]), len(one["times"]), len(question.prompt))
            for one, question in zip(told, questions, strict=True)
        ]
        for answer, question in zip(answers, questions, strict=True):
            if answer.num_tokens != question.new_tokens:
                raise BenchError(f"{answer.num_tokens} tokens in place of {question.new_tokens}")
        return answers


async def crowd(
    ask: Callable[[int, str], Awaitable[Answer]], count: int, chats: int
) -> list[Answer]:
    """`ask(number, person)` for all numbers below `count`: `chats` people ask at once, and each
    asks again as soon as the last answer is whole. The first error ends all."""
    numbers = iter(range(count))
    answers: dict[int, Answer] = {}

    async def sit(person: str) -> None:
        for number in numbers:
            answers[number] = await ask(number, person)

    try:
        async with asyncio.TaskGroup() as people:
            for number in range(min(chats, count)):
                people.create_task(sit(f"bench-{number}"))
    except ExceptionGroup as errors:
        raise _first(errors) from None
    return [answers[number] for number in range(count)]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def measured(subject: Subject, questions: Sequence[Question], chats: int) -> Pass:
    """One pass, with the memory it took."""
    async with watched(subject.pid) as peak:
        answers = await subject.answer(questions, chats)
    return Pass(tuple(answers), peak.num_bytes)
