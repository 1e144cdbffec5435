"""The tasks of an adapter: owned, awaited, and cancelled in the end."""

import asyncio

import pytest

from adapters.tasks import Tasks


async def test_a_started_task_runs() -> None:
    tasks, done = Tasks(), asyncio.Event()

    async def work() -> None:
        done.set()

    tasks.start(work())
    await asyncio.wait_for(done.wait(), 1)


async def test_finishing_waits_for_what_runs() -> None:
    tasks, done = Tasks(), []

    async def work() -> None:
        await asyncio.sleep(0.02)
        done.append(1)

    tasks.start(work())
    tasks.start(work())
    await tasks.finish(5)
    assert done == [1, 1]


@pytest.mark.parametrize("timeout_s", [0, 0.02])
async def test_what_takes_too_long_is_cancelled_and_awaited(timeout_s: float) -> None:
    tasks, started, ended = Tasks(), asyncio.Event(), []

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append(1)

    tasks.start(work())
    await started.wait()
    await tasks.finish(timeout_s)
    assert ended == [1]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_finishing_without_tasks_is_done_at_once() -> None:
    await asyncio.wait_for(Tasks().finish(3600), 1)


async def test_finishing_twice_cuts_the_first_wait_short() -> None:
    """The first stop gives time; the second one is for at once."""
    tasks = Tasks()

    async def work() -> None:
        await asyncio.Event().wait()

    tasks.start(work())
    first = asyncio.create_task(tasks.finish(3600))
    await asyncio.sleep(0)
    await tasks.finish(0)
    await asyncio.wait_for(first, 1)


async def test_a_task_that_fails_does_not_end_the_others() -> None:
    tasks, done = Tasks(), []

    async def fail() -> None:
        raise KeyError("a bug")

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.append(1)

    tasks.start(fail())
    tasks.start(work())
    await tasks.finish(5)
    assert done == [1]


async def test_a_task_that_starts_while_finishing_is_cancelled_too() -> None:
    tasks, ended = Tasks(), []

    async def late() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("late")

    async def work() -> None:
        tasks.start(late())

    tasks.start(work())
    await tasks.finish(0.05)
    assert ended == ["late"]
    assert asyncio.all_tasks() == {asyncio.current_task()}
