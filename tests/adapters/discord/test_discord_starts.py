"""When a session may begin."""

import asyncio
import time

import pytest

from adapters.discord import starts as starts_module
from adapters.discord.starts import Standing, Starts, pause_before_start
from adapters.sandbox.discord import Limits, Window
from adapters.sandbox.faults import Fault
from tests.adapters.sandbox.discord_bench import served

DAY_S = 86_400.0


def test_the_first_start_of_a_process_waits_for_nothing() -> None:
    assert pause_before_start(Standing(1000, 900, DAY_S), None) == 0
    assert pause_before_start(None, None) == 0


def test_a_second_start_keeps_its_distance() -> None:
    standing = Standing(1000, 900, DAY_S)
    assert pause_before_start(standing, 2.0) == 3.0
    assert pause_before_start(standing, 60.0) == 0


def test_the_last_starts_are_spread_over_the_rest_of_the_day() -> None:
    assert pause_before_start(Standing(1000, 200, DAY_S), 600.0) == DAY_S / 200
    assert pause_before_start(Standing(1000, 1, 3600.0), None) == 3600.0


def test_with_none_left_it_waits_for_the_new_count() -> None:
    assert pause_before_start(Standing(1000, 0, 1800.0), None) == 1800.0


def test_a_count_that_is_not_known_is_taken_for_a_low_one() -> None:
    assert pause_before_start(None, 10.0) == starts_module.UNKNOWN_S - 10.0
    assert DAY_S / starts_module.UNKNOWN_S < 1000


@pytest.mark.parametrize("restart_s", [3.0, 30.0, 300.0])
def test_a_process_that_crashes_again_and_again_never_uses_the_day_up(restart_s: float) -> None:
    """Each life knows nothing of the last, and Discord counts them all."""
    now, used = 0.0, 0
    while True:
        now += pause_before_start(Standing(1000, 1000 - used, DAY_S - now), None)
        if now >= DAY_S:
            break
        used += 1
        assert used < 1000
        now += restart_s
    assert used >= min(800, DAY_S // restart_s // 2)


async def test_discord_is_asked_how_many_are_left() -> None:
    limits = Limits(session_starts=Window(1, 0.8))
    async with served(limits=limits) as bench, bench.bot() as bot:
        began = time.monotonic()
        await Starts().turn(bot.http)
        assert time.monotonic() - began >= 0.2
        await asyncio.sleep(1.0)
        began = time.monotonic()
        await Starts().turn(bot.http)
        assert time.monotonic() - began < 0.5


async def test_the_first_start_goes_ahead_when_discord_does_not_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(starts_module, "ASK_S", 0.2)
    async with served() as bench, bench.bot() as bot:
        for variant in ("500", "503"):
            bench.world.faults.arm(
                Fault(kind="server_error", on="GET /gateway/bot", variant=variant)
            )
            await asyncio.wait_for(Starts().turn(bot.http), 2)
        assert bench.world.faults.num_fired == 2
