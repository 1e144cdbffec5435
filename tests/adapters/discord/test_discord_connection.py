"""What the connection to Discord outlives, against the loopback Discord and its faults."""

import asyncio
import socket
import time
from typing import Any

import pytest
import yarl
from aiohttp import web
from discord.gateway import DiscordWebSocket
from discord.http import Route

from adapters.discord import gateway as gateway_module
from adapters.sandbox.discord import GatewaySettings, Intents, Limits, Window
from adapters.sandbox.faults import Fault
from bot.errors import PlatformError
from tests.adapters.discord.connected import Connected, connected, connecting, say
from tests.adapters.sandbox.discord_bench import Served, served
from tests.waiting import until


def arm(bench: Served, kind: str, **options: Any) -> int:
    return bench.world.faults.arm(Fault(kind=kind, **options))


async def hears(bench: Served, one: Connected) -> None:
    """Events arrive."""
    await until(bench.world.connected)
    posted = await say(bench)
    await until(lambda: posted in one.heard)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_a_first_connection_that_is_refused_is_made_as_soon_as_the_gateway_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """discord.py's own loop raises AttributeError here."""
    async with served() as bench:
        port = free_port()
        nowhere = yarl.URL(f"ws://127.0.0.1:{port}/")
        monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", nowhere)
        async with connecting() as one:
            await until(lambda: one.clients and one.clients[0].user)
            await asyncio.sleep(0.3)
            assert not one.running.done()
            monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(bench.gateway))
            await one.sessions(1)
            await hears(bench, one)
            assert len(one.clients) == 1


async def test_a_login_that_finds_nobody_is_repeated_with_a_new_client(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with served() as bench:
        monkeypatch.setattr(Route, "BASE", f"http://127.0.0.1:{free_port()}/discord/api/v10")
        async with connecting() as one:
            await until(lambda: one.clients and one.clients[0].is_closed())
            monkeypatch.setattr(Route, "BASE", bench.api)
            await one.sessions(1)
            await hears(bench, one)
            assert len(one.clients) >= 2


async def test_a_gateway_that_hangs_up_at_once_is_not_stormed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    num_opened = 0

    async def hang_up(request: web.Request) -> web.WebSocketResponse:
        nonlocal num_opened
        num_opened += 1
        line = web.WebSocketResponse()
        await line.prepare(request)
        await line.close(code=4000)
        return line

    app = web.Application()
    app.router.add_get("/", hang_up)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with served() as bench:
            port = runner.addresses[0][1]
            monkeypatch.setattr(
                DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(f"ws://127.0.0.1:{port}/")
            )
            async with connecting() as one:
                await asyncio.sleep(2.0)
                assert 2 <= num_opened <= 5
                monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(bench.gateway))
                await one.sessions(1)
                assert len(one.clients) == 1
    finally:
        await runner.cleanup()


async def test_a_connection_that_is_killed_is_resumed_and_nothing_is_lost() -> None:
    async with served() as bench, connected() as one:
        for kind in ("kill_socket", "reconnect", "close_socket"):
            arm(bench, kind)
            await until(lambda: not bench.world.connected())
            missed = await say(bench)
            await until(lambda missed=missed: missed in one.heard)  # type: ignore[misc]
        assert (one.fresh, len(one.clients)) == (1, 1)
        assert len(one.heard) == len(set(one.heard)) == 3
        await until(lambda: one.told == ["fresh", *["lost", "resumed"] * 3], lambda: str(one.told))


async def test_a_lost_session_is_told_of_and_begun_anew_by_the_same_client() -> None:
    async with served() as bench, connected() as one:
        arm(bench, "invalidate_session")
        await one.sessions(2)
        assert one.told == ["fresh", "lost", "fresh"]
        await hears(bench, one)
        assert len(one.clients) == 1


async def test_sessions_are_begun_at_intervals() -> None:
    """A second IDENTIFY within five seconds is an invalid session again."""
    async with served() as bench, connected(spacing_s=1.0) as one:
        began = time.monotonic()
        arm(bench, "invalidate_session")
        await one.sessions(2)
        # From READY to "ready" takes half a second; the spacing counts from IDENTIFY.
        assert 0.9 <= time.monotonic() - began + 0.5 <= 3.0


async def test_the_first_session_of_a_process_is_not_waited_for() -> None:
    async with served(), connecting(spacing_s=60.0) as one:
        await one.sessions(1, within_s=3.0)


async def test_a_silent_gateway_is_noticed_by_its_missing_heartbeats_and_resumed() -> None:
    """discord.py would take 60 s, whatever heartbeat Discord asked for."""
    gateway = GatewaySettings(heartbeat_s=0.8)
    async with served(gateway=gateway) as bench, connected() as one:
        arm(bench, "silence_socket")
        missed = await say(bench)
        await until(lambda: missed in one.heard, within_s=8.0)
        assert (one.fresh, len(one.clients)) == (1, 1)


async def test_a_quiet_gateway_is_not_taken_for_a_dead_one() -> None:
    gateway = GatewaySettings(heartbeat_s=0.4)
    async with served(gateway=gateway) as bench, connected() as one:
        line = one.clients[0].ws
        await asyncio.sleep(1.6)
        assert one.clients[0].ws is line
        await hears(bench, one)


async def test_an_event_that_cannot_be_parsed_is_skipped_and_the_session_lives_on() -> None:
    async with served() as bench, connected() as one:
        [session] = bench.world.gateway._sessions
        session.dispatch("MESSAGE_CREATE", {"id": "no number", "channel_id": "1"})
        session.dispatch("GUILD_ROLE_CREATE", {"guild_id": None, "role": {}})
        line = one.clients[0].ws
        await hears(bench, one)
        assert one.clients[0].ws is line
        assert (one.fresh, len(one.clients)) == (1, 1)


async def test_a_frame_that_is_no_event_at_all_ends_in_a_new_client() -> None:
    async with served() as bench, connected() as one:
        [line] = bench.world.gateway._connections
        line.send("{")
        await one.sessions(2)
        await hears(bench, one)
        assert len(one.clients) == 2
        assert one.clients[0].is_closed()


async def test_a_token_that_is_taken_back_ends_the_run() -> None:
    async with served() as bench, connected() as one:
        arm(bench, "revoke_token", times=None)
        arm(bench, "close_socket", code=4004)
        with pytest.raises(PlatformError, match=r"discord\.token"):
            await asyncio.wait_for(one.running, 5)


async def test_a_token_that_is_taken_back_with_its_session_ends_the_run() -> None:
    async with served() as bench, connected() as one:
        arm(bench, "revoke_token", times=None)
        arm(bench, "invalidate_session")
        with pytest.raises(PlatformError, match=r"discord\.token"):
            await asyncio.wait_for(one.running, 5)


async def test_a_wrong_token_ends_the_start() -> None:
    async with served() as bench:
        arm(bench, "revoke_token", times=None)
        async with connecting() as one:
            with pytest.raises(PlatformError, match=r"discord\.token"):
                await asyncio.wait_for(one.running, 5)


@pytest.mark.parametrize("code", [4010, 4011, 4012, 4013])
async def test_a_refusal_that_would_come_again_ends_the_run(code: int) -> None:
    async with served() as bench, connected() as one:
        arm(bench, "close_socket", code=code)
        with pytest.raises(PlatformError):
            await asyncio.wait_for(one.running, 5)


async def test_without_the_content_intent_the_bot_goes_on_without_it() -> None:
    async with served(privileged_intents=Intents(0)) as bench, connected() as one:
        await hears(bench, one)
        assert [client.intents.message_content for client in one.clients] == [True, False]


async def test_intents_that_are_refused_without_content_end_the_run() -> None:
    async with served() as bench, connected(content=False) as one:
        arm(bench, "close_socket", code=4014)
        with pytest.raises(PlatformError, match="intents"):
            await asyncio.wait_for(one.running, 5)


async def test_the_last_starts_of_a_day_are_spread_over_what_is_left_of_it() -> None:
    """With none left an IDENTIFY would cost the token: the sandbox closes with 4004."""
    limits = Limits(session_starts=Window(3, 3.0))
    async with served(limits=limits) as bench, connected() as one:
        began = time.monotonic()
        for count in range(2, 5):
            arm(bench, "invalidate_session")
            await one.sessions(count, within_s=10.0)
        assert len(one.clients) == 1
        assert time.monotonic() - began >= 2.0
        await hears(bench, one)


async def test_a_stop_does_not_wait_for_a_silent_gateway() -> None:
    async with served() as bench, connected() as one:
        arm(bench, "silence_socket")
        began = time.monotonic()
        one.running.cancel()
        await asyncio.gather(one.running, return_exceptions=True)
        assert time.monotonic() - began < 4.0
        assert one.clients[0].is_closed()


async def test_a_gateway_that_never_says_hello_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway_module, "OPEN_S", 0.2)

    async def mute(request: web.Request) -> web.WebSocketResponse:
        line = web.WebSocketResponse()
        await line.prepare(request)
        await line.receive()
        return line

    app = web.Application()
    app.router.add_get("/", mute)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with served() as bench:
            port = runner.addresses[0][1]
            monkeypatch.setattr(
                DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(f"ws://127.0.0.1:{port}/")
            )
            async with connecting() as one:
                await until(lambda: runner.server and runner.server.requests_count >= 2)
                monkeypatch.setattr(DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(bench.gateway))
                await one.sessions(1)
    finally:
        await runner.cleanup()
