"""How a process is asked to stop."""

import asyncio
import os
import signal

import pytest

from bot.signals import stop_signals, unless


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
async def test_the_first_signal_asks_for_a_stop_and_the_second_for_one_at_once(
    kind: signal.Signals,
) -> None:
    with stop_signals() as stop:
        assert not stop.asked.is_set()
        os.kill(os.getpid(), kind)
        await asyncio.wait_for(stop.asked.wait(), 2)
        assert not stop.at_once.is_set()
        os.kill(os.getpid(), kind)
        await asyncio.wait_for(stop.at_once.wait(), 2)


async def test_two_kinds_of_signal_count_together() -> None:
    with stop_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.asked.wait(), 2)
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.wait_for(stop.at_once.wait(), 2)


async def test_after_the_context_signals_end_the_process_as_they_do_everywhere() -> None:
    with stop_signals() as stop:
        pass
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert not stop.asked.is_set()


async def test_work_that_is_done_first_is_done() -> None:
    event = asyncio.Event()
    work = asyncio.create_task(asyncio.sleep(0))
    assert await unless(event, work)
    assert len(asyncio.all_tasks()) == 1


async def test_work_is_cancelled_when_the_event_comes_first() -> None:
    event, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(work())
    asyncio.get_running_loop().call_soon(event.set)
    assert not await unless(event, task)
    assert task.cancelled()
    assert ended.is_set()
    assert len(asyncio.all_tasks()) == 1


async def test_an_event_that_came_before_leaves_the_work_undone() -> None:
    event = asyncio.Event()
    event.set()
    assert not await unless(event, asyncio.create_task(asyncio.sleep(60)))


async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise KeyError("what went wrong")

    with pytest.raises(KeyError):
        await unless(asyncio.Event(), asyncio.create_task(work()))
    assert len(asyncio.all_tasks()) == 1


async def test_a_cancelled_wait_cancels_the_work() -> None:
    work = asyncio.create_task(asyncio.sleep(60))
    waiting = asyncio.create_task(unless(asyncio.Event(), work))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert work.cancelled()
    assert len(asyncio.all_tasks()) == 1
