"""What a call to Discord outlives, and what it leaves alone."""

import asyncio
import time
from typing import Any

import discord
import pytest
from aiohttp import web
from discord.http import Route

from adapters.discord import calls as calls_module
from adapters.discord.calls import Calls
from adapters.discord.gate import Gate
from adapters.discord.surface import DiscordSurface
from adapters.sandbox.discord import (
    ALL_PERMISSIONS,
    CHANNEL_IDS,
    GUILD_ID,
    Limits,
    Permission,
    Window,
)
from adapters.sandbox.faults import Fault
from adapters.surface import Content
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable
from tests.adapters.discord.connected import connected
from tests.adapters.sandbox.discord_bench import Bot, Served, served
from tests.waiting import until

POST = "POST /channels/{channel_id}/messages"
EDIT = "PATCH /channels/{channel_id}/messages/{message_id}"
DELETE = "DELETE /channels/{channel_id}/messages/{message_id}"
READ = "GET /channels/{channel_id}/messages"
QUESTION = 1


def arm(bench: Served, kind: str, **options: Any) -> int:
    return bench.world.faults.arm(Fault(kind=kind, **options))


def surface_in(calls: Calls, channel: str = "general") -> DiscordSurface:
    return DiscordSurface(calls, CHANNEL_IDS[channel], GUILD_ID, QUESTION, is_reply=False)


def texts(bench: Served, channel: str = "general") -> list[str]:
    return [one.text for one in bench.world.messages(channel=channel, user="alice")]


async def show(surface: DiscordSurface, ref: MessageRef, text: str) -> None:
    await surface.edit(ref, Content(text), turn="t1")


async def unknown(_: MessageRef) -> bool:
    return False


@pytest.fixture
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "PAUSES_S", (0.01, 0.02))


@pytest.mark.parametrize(
    ("kind", "variant"), [("lose_reply", None), ("server_error", "503"), ("server_error", "502")]
)
async def test_each_call_is_repeated_until_it_goes_well_and_done_once(
    kind: str, variant: str | None
) -> None:
    """503 and a broken connection are not repeated by discord.py."""
    async with served() as bench, bench.bot() as bot:
        surface = surface_in(Calls(lambda: bot))
        for route in (POST, EDIT, DELETE, READ):
            arm(bench, kind, on=route, variant=variant)
        first = await surface.post(Content("one"), turn="t1", part=0)
        second = await surface.post(Content("two"), turn="t1", part=1)
        await surface.edit(first, Content("one, longer"), turn="t1")
        assert texts(bench) == ["one, longer", "two"]
        assert await surface.find("two", turn="t1", part=1, known=unknown) == second
        await surface.delete(first)
        assert texts(bench) == ["two"]
        assert bench.world.faults.num_fired == 4


@pytest.mark.usefixtures("_short_pauses")
async def test_a_call_that_keeps_failing_is_given_up() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "server_error", on=POST, variant="503", times=None)
        with pytest.raises(PlatformUnavailable, match="503"):
            await surface_in(Calls(lambda: bot)).post(Content("one"), turn="t1", part=0)
        assert bench.world.faults.num_fired == 3


@pytest.mark.usefixtures("_short_pauses")
async def test_without_a_client_there_is_no_call() -> None:
    async with served():
        for current in (None, Bot()):
            with pytest.raises(PlatformUnavailable, match="no connection"):
                await surface_in(Calls(lambda current=current: current)).post(  # type: ignore[misc]
                    Content("one"), turn="t1", part=0
                )


async def test_a_call_goes_on_through_the_client_that_comes_after() -> None:
    async with served() as bench, bench.bot() as new:
        async with bench.bot() as old:
            current: list[discord.Client] = [old]
            arm(bench, "delay_answer", on=POST, seconds=30.0)
            surface = surface_in(Calls(lambda: current[0]))
            posting = asyncio.create_task(surface.post(Content("one"), turn="t1", part=0))
            await until(lambda: texts(bench) == ["one"])
        current[0] = new
        ref = await asyncio.wait_for(posting, 5)
        await surface.edit(ref, Content("two"), turn="t1")
        assert texts(bench) == ["two"]


async def test_growing_answers_are_kept_by_a_client_that_is_replaced() -> None:
    async with served() as bench, connected() as one:
        surface = surface_in(one.connection.calls)
        ref = await surface.post(Content("one"), turn="t1", part=0)
        [line] = bench.world.gateway._connections
        line.send("{")
        await until(lambda: one.clients[0].is_closed())
        await surface.edit(ref, Content("two"), turn="t1")
        assert len(one.clients) == 2
        assert texts(bench) == ["two"]


@pytest.mark.parametrize("scope", ["user", "shared", "global"])
async def test_many_growing_answers_meet_a_limit_once_and_not_each(scope: str) -> None:
    async with served() as bench, bench.bot() as bot:
        calls = Calls(lambda: bot)
        surfaces = [surface_in(calls) for _ in range(20)]
        refs = [
            await surface.post(Content("…"), turn=f"t{number}", part=0)
            for number, surface in enumerate(surfaces)
        ]
        # From then on discord.py knows the bucket, and lets through what it says.
        await surfaces[0].edit(refs[0], Content("growing"), turn="t1")
        fault = arm(bench, "rate_limit", on=EDIT, variant=scope, seconds=0.4, times=None)
        edits = [
            asyncio.create_task(show(surface, ref, f"answer {number}"))
            for number, (surface, ref) in enumerate(zip(surfaces, refs, strict=True))
        ]
        await asyncio.sleep(1.0)
        bench.world.faults.disarm(fault)
        await asyncio.wait_for(asyncio.gather(*edits), 10)
        assert 1 <= bench.world.faults.num_fired <= 4
        assert texts(bench) == [f"answer {number}" for number in range(20)]


async def test_a_long_limit_is_told_and_nothing_goes_out_in_that_channel_until_it_ends() -> None:
    async with served() as bench, bench.bot() as bot:
        calls = Calls(lambda: bot)
        surface = surface_in(calls)
        ref = await surface.post(Content("one"), turn="t1", part=0)
        bot.http.max_ratelimit_timeout = 30.0  # as our client has it
        arm(bench, "rate_limit", on=EDIT, channel="general", seconds=45.0, times=None)
        for _ in range(5):
            with pytest.raises(PlatformUnavailable) as limited:
                await surface.edit(ref, Content("two"), turn="t1")
            assert limited.value.retry_after_s is not None
            assert 40 < limited.value.retry_after_s <= 45
        assert bench.world.faults.num_fired == 1
        other = surface_in(calls, "random")
        ref = await other.post(Content("one"), turn="t2", part=0)
        await show(other, ref, "two")
        assert texts(bench, "random") == ["two"]


async def test_a_banned_address_is_left_in_peace_in_every_channel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The wall before Discord answers for it, without `Via` and with a page."""
    num_refused = 0

    async def refuse(request: web.Request) -> web.Response:
        nonlocal num_refused
        num_refused += 1
        return web.Response(status=429, text="<html>", headers={"Retry-After": "600"})

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with served() as bench, bench.bot() as bot:
            monkeypatch.setattr(Route, "BASE", f"http://127.0.0.1:{runner.addresses[0][1]}")
            calls = Calls(lambda: bot)
            for channel in ("general", "random"):
                with pytest.raises(PlatformUnavailable) as limited:
                    await surface_in(calls, channel).post(Content("one"), turn="t1", part=0)
                assert limited.value.retry_after_s is not None
                assert 590 < limited.value.retry_after_s <= 600
                with pytest.raises(PlatformUnavailable):
                    await calls.show_typing(CHANNEL_IDS[channel])
            assert num_refused == 1
    finally:
        await runner.cleanup()


async def test_a_call_cancelled_while_it_waits_out_a_global_limit_holds_up_no_other() -> None:
    """discord.py never opens its gate again then."""
    async with served() as bench, connected() as one:
        client = one.clients[0]
        assert isinstance(client.http._global_over, Gate)
        client.http._global_over = Gate(0.8)
        surface = surface_in(one.connection.calls)
        arm(bench, "rate_limit", on=POST, variant="global", seconds=20.0)
        posting = asyncio.create_task(surface.post(Content("one"), turn="t1", part=0))
        await until(lambda: bench.world.faults.num_fired)
        await until(lambda: not client.http._global_over.is_set())
        posting.cancel()
        await asyncio.gather(posting, return_exceptions=True)
        await asyncio.wait_for(surface.post(Content("two"), turn="t2", part=0), 5)
        assert texts(bench) == ["two"]


@pytest.mark.parametrize("scope", ["user", "shared"])
async def test_a_call_that_takes_too_long_leaves_the_channel_usable(
    scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served() as bench, bench.bot() as bot:
        surface = surface_in(Calls(lambda: bot))
        ref = await surface.post(Content("one"), turn="t1", part=0)
        await surface.edit(ref, Content("two"), turn="t1")
        arm(bench, "rate_limit", on=EDIT, variant=scope, seconds=20.0)
        with monkeypatch.context() as patch:
            patch.setattr(calls_module, "CALL_S", 0.3)
            with pytest.raises(PlatformUnavailable, match="too long"):
                await surface.edit(ref, Content("three"), turn="t1")
        began = time.monotonic()
        await asyncio.wait_for(
            asyncio.gather(*(show(surface, ref, f"four {number}") for number in range(5))),
            5,
        )
        assert time.monotonic() - began < 3
        assert texts(bench) == ["four 4"]


async def test_what_repeating_does_not_cure_is_not_repeated() -> None:
    silenced = ALL_PERMISSIONS & ~Permission.SEND_MESSAGES
    async with served(permissions=silenced) as bench, bench.bot() as bot:
        surface = surface_in(Calls(lambda: bot))
        with pytest.raises(MessageGone):
            await surface.post(Content("one"), turn="t1", part=0)
        gone = MessageRef("discord", str(GUILD_ID), str(CHANNEL_IDS["general"]), "5")
        with pytest.raises(MessageGone):
            await surface.edit(gone, Content("two"), turn="t1")


async def test_a_revoked_token_is_a_reason_to_wait_and_not_to_give_an_answer_up() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "revoke_token", on=POST)
        surface = surface_in(Calls(lambda: bot))
        with pytest.raises(PlatformUnavailable, match="token"):
            await surface.post(Content("one"), turn="t1", part=0)
        await surface.post(Content("one"), turn="t1", part=0)
        assert texts(bench) == ["one"]


async def test_a_call_that_discord_does_not_understand_is_our_own_mistake() -> None:
    async with served() as bench, bench.bot() as bot:
        with pytest.raises(discord.HTTPException) as refused:
            await surface_in(Calls(lambda: bot)).post(Content("x" * 2001), turn="t1", part=0)
        assert refused.value.code == 50035


async def test_what_is_kept_of_channels_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls_module, "TYPING_S", 0.0)
    calls = Calls(lambda: None)

    async def nothing(_: discord.Client) -> None:
        pass

    monkeypatch.setattr(calls_module, "PAUSES_S", ())
    for channel in range(3 * calls_module.KEPT):
        with pytest.raises(PlatformUnavailable):
            await calls.do(channel, nothing)
    assert len(calls._channels) <= calls_module.KEPT


async def test_a_call_cancelled_while_discord_py_waits_for_its_bucket_holds_up_no_other() -> None:
    async with (
        served(limits=Limits(routes={EDIT: Window(2, 1.0)})) as bench,
        bench.bot() as bot,
    ):
        surface = surface_in(Calls(lambda: bot))
        ref = await surface.post(Content("one"), turn="t1", part=0)
        for number in range(3):
            edits = [
                asyncio.create_task(show(surface, ref, f"{number}.{step}")) for step in range(4)
            ]
            await asyncio.sleep(0.3)
            for edit in edits:
                edit.cancel()
            await asyncio.gather(*edits, return_exceptions=True)
        await asyncio.wait_for(surface.edit(ref, Content("two"), turn="t1"), 5)
        assert texts(bench) == ["two"]
