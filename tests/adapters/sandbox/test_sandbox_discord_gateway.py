"""The gateway's connections and sessions: loss, resume, close codes, packing."""

import sys
from typing import Any

import aiohttp
import pytest

from adapters.sandbox.discord import GUILD_ID, GatewaySettings, Intents, Limits, Window
from adapters.sandbox.discord.sessions import KEPT_EVENTS
from tests.adapters.sandbox.discord_bench import TOKEN, served
from tests.adapters.sandbox.discord_line import ALL_BUT_PRIVILEGED, identify, line
from tests.waiting import until


@pytest.mark.parametrize("code", [4000, 1012, None])
async def test_events_missed_during_a_cut_are_replayed_in_order(code: int | None) -> None:
    async with served() as bench, bench.bot() as bot:
        bench.world.gateway.cut(code)
        posted = [
            await bench.world.post(channel="general", user="alice", text=f"@candor {number}")
            for number in range(5)
        ]
        await until(lambda: bot.resumed)
        await until(lambda: len(bot.heard) == 5)
        assert [str(one.id) for one in bot.heard] == posted
        assert bot.readied == 1
        later = await bench.world.post(channel="general", user="alice", text="@candor")
        await until(lambda: bot.message(later))
        assert len(bot.heard) == 6


async def test_a_reconnect_request_is_followed_by_a_resume() -> None:
    async with served() as bench, bench.bot() as bot:
        bench.world.gateway.ask_to_reconnect()
        await until(lambda: bot.resumed)
        assert bot.readied == 1


async def test_an_invalid_session_is_identified_anew_and_what_was_between_is_lost() -> None:
    async with served() as bench, bench.bot() as bot:
        bench.world.gateway.invalidate(resumable=False)
        lost = await bench.world.post(channel="general", user="alice", text="@candor lost")
        await until(lambda: bot.readied == 2)
        heard = await bench.world.post(channel="general", user="alice", text="@candor heard")
        await until(lambda: bot.message(heard))
        assert bot.message(lost) is None
        assert bot.resumed == 0


async def test_a_session_invalidated_but_resumable_is_resumed() -> None:
    async with served() as bench, bench.bot() as bot:
        bench.world.gateway.invalidate(resumable=True)
        await until(lambda: bot.resumed)


async def test_a_session_away_for_too_long_cannot_be_resumed() -> None:
    now = [1_700_000_000.0]
    async with served(clock=lambda: now[0], resume_s=60.0) as bench:
        async with line(bench) as first:
            ready = await first.identify()
            bench.world.gateway.cut(None)
            await until(lambda: not bench.world.connected())
        now[0] += 61
        async with line(bench) as second:
            wish = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 1}
            await second.send(6, wish)
            frame = await second.frame()
            assert (frame["op"], frame["d"]) == (9, False)
            assert (await second.identify())["s"] == 1


async def test_a_normal_close_ends_the_session() -> None:
    async with served() as bench:
        async with line(bench) as first:
            ready = await first.identify()
            await first.socket.close(code=1000)
        async with line(bench) as second:
            wish = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 1}
            await second.send(6, wish)
            assert (await second.frame())["op"] == 9


async def test_the_sequence_grows_without_gaps_and_resume_replays_exactly_what_was_missed() -> None:
    async with served() as bench:
        async with line(bench) as first:
            ready = await first.identify()
            guild = await first.event("GUILD_CREATE")
            assert (ready["s"], guild["s"]) == (1, 2)
            assert ready["d"]["resume_gateway_url"] == bench.gateway
            bench.world.gateway.cut(None)
            await until(lambda: not bench.world.connected())
        for _ in range(3):
            await bench.world.post(channel="random", user="bob", text="x")
        async with line(bench) as second:
            wish = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 3}
            await second.send(6, wish)
            frames = [await second.frame() for _ in range(3)]
            assert [frame["s"] for frame in frames] == [4, 5, 6]
            assert [frame["t"] for frame in frames] == ["MESSAGE_CREATE"] * 2 + ["RESUMED"]
            assert isinstance(frames[-1]["d"], dict)


@pytest.mark.parametrize(
    ("op", "data", "code"),
    [
        (2, identify(token="wrong"), 4004),
        (2, identify(intents=1 << 17), 4013),
        (2, identify(intents=-1), 4013),
        (2, identify(intents=1 << 1), 4014),
        (2, identify(shard=[1, 1]), 4010),
        (2, {"token": TOKEN}, 4002),
        (6, {"token": "wrong", "session_id": "x", "seq": 1}, 4004),
        (3, {"status": "online"}, 4003),
        (8, {"guild_id": str(GUILD_ID)}, 4003),
        (4, {}, 4001),
        (99, None, 4001),
        (2, identify(presence={"status": "x" * 5000}), 4002),
    ],
)
async def test_a_faulty_payload_closes_with_its_code(op: int, data: Any, code: int) -> None:
    async with served() as bench, line(bench) as opened:
        await opened.send(op, data)
        assert await opened.closed_with() == code


async def test_other_faults_of_a_client_close_with_their_codes() -> None:
    async with served(limits=Limits(gateway_sends=Window(5, 60.0))) as bench:
        async with line(bench) as twice:
            await twice.identify()
            await twice.send(2, identify())
            assert await twice.closed_with() == 4005
        async with line(bench) as garbled:
            await garbled.socket.send_str("{")
            assert await garbled.closed_with() == 4002
        async with line(bench) as hasty:
            for _ in range(6):
                await hasty.send(1, None)
            assert await hasty.closed_with() == 4008
        async with line(bench) as ahead:
            ready = await ahead.identify()
            bench.world.gateway.cut(4000)
            assert await ahead.closed_with() == 4000
        async with line(bench) as beyond:
            wish = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 99}
            await beyond.send(6, wish)
            assert await beyond.closed_with() == 4007


async def test_a_client_without_heartbeats_is_closed_and_one_with_them_is_answered() -> None:
    settings = GatewaySettings(heartbeat_s=0.1, grace_s=0.2)
    async with served(gateway=settings) as bench:
        async with line(bench) as silent:
            assert await silent.closed_with() == 4009
        async with line(bench) as beating:
            for _ in range(4):
                await beating.send(1, None)
                assert (await beating.frame())["op"] == 11


async def test_identify_over_the_concurrency_is_an_invalid_session() -> None:
    limits = Limits(identify=Window(1, 60.0))
    async with served(limits=limits) as bench, line(bench) as first, line(bench) as second:
        await first.identify()
        await second.send(2, identify())
        frame = await second.frame()
        assert (frame["op"], frame["d"]) == (9, False)


async def test_the_handshake_refuses_what_is_not_served() -> None:
    async with served() as bench, aiohttp.ClientSession() as session:
        for query in ("v=10&encoding=etf", "v=10&encoding=json&compress=brotli"):
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(f"{bench.gateway}?{query}")
            assert refused.value.status == 400
        async with session.ws_connect(f"{bench.gateway}?v=9&encoding=json") as socket:
            await socket.receive(timeout=3)
            assert socket.close_code == 4012


async def test_zlib_stream_shares_one_context_per_connection() -> None:
    query = "v=10&encoding=json&compress=zlib-stream"
    async with served() as bench, line(bench, query) as packed:
        await packed.identify()
        await packed.event("GUILD_CREATE")
        await bench.world.post(channel="general", user="alice", text="x")
        assert (await packed.event("MESSAGE_CREATE"))["s"] == 3


async def test_guild_and_direct_events_go_to_the_shard_that_they_belong_to() -> None:
    async with served() as bench, line(bench) as zero, line(bench) as one:
        home = (GUILD_ID >> 22) % 2
        for opened, shard in ((zero, 0), (one, 1)):
            assert (await opened.identify(shard=[shard, 2]))["d"]["shard"] == [shard, 2]
        await bench.world.post(channel="general", user="alice", text="x")
        await bench.world.post(channel="dm", user="alice", text="y")
        guild_line, other = (zero, one) if home == 0 else (one, zero)
        assert "guild_id" in (await guild_line.event("MESSAGE_CREATE"))["d"]
        direct = (await zero.event("MESSAGE_CREATE"))["d"]
        assert "guild_id" not in direct
        if other is one:
            with pytest.raises(TimeoutError):
                await one.socket.receive(timeout=0.1)


async def test_each_session_gets_the_content_that_its_own_intents_allow() -> None:
    async with served() as bench, line(bench) as blind, line(bench) as seeing:
        await blind.identify()
        await seeing.identify(intents=ALL_BUT_PRIVILEGED | Intents.MESSAGE_CONTENT)
        await bench.world.post(channel="general", user="alice", text="talk")
        assert (await blind.event("MESSAGE_CREATE"))["d"]["content"] == ""
        assert (await seeing.event("MESSAGE_CREATE"))["d"]["content"] == "talk"


async def test_a_client_that_missed_more_than_is_kept_cannot_resume() -> None:
    async with served() as bench:
        async with line(bench) as first:
            ready = await first.identify()
            bench.world.gateway.cut(None)
            await until(lambda: not bench.world.connected())
        for _ in range(KEPT_EVENTS):
            await bench.world.post(channel="random", user="bob", text="x")
        async with line(bench) as second:
            wish = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 1}
            await second.send(6, wish)
            assert (await second.frame())["op"] == 9


async def test_a_resume_takes_the_session_over_from_the_older_connection() -> None:
    async with served() as bench, line(bench) as first, line(bench) as second:
        ready = await first.identify()
        await first.event("GUILD_CREATE")
        wish = {"token": TOKEN, "session_id": ready["d"]["session_id"], "seq": 2}
        await second.send(6, wish)
        assert (await second.frame())["t"] == "RESUMED"
        assert await first.closed_with() == 4000
        await bench.world.post(channel="random", user="bob", text="x")
        assert (await second.event("MESSAGE_CREATE"))["s"] == 4


async def test_the_starts_of_a_day_are_spent_at_their_limit() -> None:
    limits = Limits(session_starts=Window(1, 3600.0))
    async with served(limits=limits) as bench, line(bench) as first, line(bench) as second:
        await first.identify()
        await second.send(2, identify())
        assert await second.closed_with() == 4004


async def test_zstd_stream_is_refused_without_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zstandard", None)
    async with served() as bench, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await session.ws_connect(f"{bench.gateway}?v=10&encoding=json&compress=zstd-stream")
        assert refused.value.status == 400


async def test_closing_the_world_leaves_no_connection() -> None:
    async with served() as bench, line(bench) as opened:
        await opened.identify()
        await bench.world.close()
        assert await opened.closed_with() == 1001
        assert not bench.world.connected()


async def test_the_client_survives_a_second_loss_while_resuming() -> None:
    async with served() as bench, bench.bot() as bot:
        for number in range(1, 4):
            bench.world.gateway.cut(None)
            posted = await bench.world.post(channel="general", user="bob", text="@candor")
            await until(lambda posted=posted: bot.message(posted))  # type: ignore[misc]
            assert len(bot.heard) == number


async def test_the_page_is_told_when_a_bot_connects_and_when_it_leaves() -> None:
    async with served() as bench:
        seen: list[bool] = []
        bench.world.subscribe(lambda: seen.append(bench.world.connected()))
        async with line(bench) as client:
            await client.identify()
            assert seen == [True]
        await until(lambda: seen == [True, False])


async def test_a_heartbeat_is_acknowledged() -> None:
    async with served() as bench, line(bench) as client:
        await client.send(1, None)
        assert (await client.frame())["op"] == 11
