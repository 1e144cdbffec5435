"""Each fault of the loopback Discord, as discord.py or a bare client sees it."""

import asyncio
import time
from typing import Any

import aiohttp
import discord
import pytest

from adapters.sandbox.discord import CHANNEL_IDS, GatewaySettings
from adapters.sandbox.errors import ControlError
from adapters.sandbox.faults import Fault
from tests.adapters.sandbox.discord_bench import TOKEN, Bot, Served, served
from tests.adapters.sandbox.discord_line import line
from tests.waiting import until

POST = "POST /channels/{channel_id}/messages"
EDIT = "PATCH /channels/{channel_id}/messages/{message_id}"


def arm(bench: Served, kind: str, **options: Any) -> int:
    return bench.world.faults.arm(Fault(kind=kind, **options))


async def say(bench: Served, text: str, channel: str = "general") -> str:
    return await bench.world.post(channel=channel, user="alice", text=f"@candor {text}")


def texts(bench: Served) -> list[str]:
    """What stands in the channel."""
    return [one.text for one in bench.world.messages(channel="general", user="alice")]


async def test_an_event_comes_again_after_a_resume() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "redeliver", on="MESSAGE_CREATE")
        first = await say(bench, "twice")
        await until(lambda: bot.resumed)
        await until(lambda: len(bot.heard) == 2)
        second = await say(bench, "once")
        await until(lambda: bot.message(second))
        assert [str(one.id) for one in bot.heard] == [first, first, second]
        assert bot.readied == 1


async def test_an_event_is_held_until_the_next_has_gone() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "reorder", on="MESSAGE_CREATE")
        posted = [await say(bench, text) for text in ("first", "second", "third")]
        await until(lambda: len(bot.heard) == 3)
        assert [str(one.id) for one in bot.heard] == [posted[1], posted[0], posted[2]]


async def test_a_held_event_goes_alone_when_nothing_follows() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "reorder", seconds=0.3)
        begun = time.monotonic()
        posted = await say(bench, "alone")
        await until(lambda: bot.message(posted))
        assert time.monotonic() - begun >= 0.3


async def test_an_event_comes_late_and_others_overtake_it() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "delay_event", channel="random", seconds=0.4)
        late = await say(bench, "late", "random")
        prompt = await say(bench, "prompt")
        await until(lambda: len(bot.heard) == 2)
        assert [str(one.id) for one in bot.heard] == [prompt, late]


async def test_nothing_strikes_an_event_while_no_bot_is_connected() -> None:
    async with served() as bench:
        arm(bench, "redeliver")
        await say(bench, "nobody hears")
        assert bench.world.faults.num_fired == 0


@pytest.mark.parametrize("scope", ["user", "shared", "global"])
async def test_a_rate_limit_is_waited_out_by_the_client(scope: str) -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "rate_limit", on=POST, variant=scope, seconds=0.3)
        channel = await bot.channel()
        begun = time.monotonic()
        await channel.send("patient")
        assert time.monotonic() - begun >= 0.3
        assert texts(bench) == ["patient"]


async def test_a_rate_limit_has_discords_body_and_headers() -> None:
    async with served() as bench, bench.http() as http:
        url = f"{bench.api}/channels/{CHANNEL_IDS['general']}/messages"
        arm(bench, "rate_limit", on=POST, seconds=1.5)
        arm(bench, "rate_limit", on=POST, variant="global", seconds=2.0)
        async with http.post(url, json={"content": "x"}) as refused:
            assert refused.status == 429
            body = await refused.json()
            assert (body["retry_after"], body["global"]) == (1.5, False)
            assert refused.headers["Retry-After"] == "2"
            assert refused.headers["X-RateLimit-Scope"] == "user"
            assert refused.headers["X-RateLimit-Remaining"] == "0"
            assert refused.headers["X-RateLimit-Reset-After"] == "1.5"
            assert "Via" in refused.headers
        async with http.post(url, json={"content": "x"}) as refused:
            assert (refused.status, (await refused.json())["global"]) == (429, True)
            assert refused.headers["X-RateLimit-Global"] == "true"
        async with http.post(url, json={"content": "x"}) as accepted:
            assert accepted.status == 200


@pytest.mark.parametrize("status", ["500", "502", "503"])
async def test_a_server_error_comes_before_the_work(status: str) -> None:
    async with served() as bench, bench.http() as http:
        url = f"{bench.api}/channels/{CHANNEL_IDS['general']}/messages"
        arm(bench, "server_error", on=POST, variant=status)
        async with http.post(url, json={"content": "x"}) as refused:
            assert refused.status == int(status)
            html = "<html>" in await refused.text()
            kind = "application/json" if status == "500" else "text/html; charset=utf-8"
            assert (html, refused.headers["Content-Type"]) == (status != "500", kind)
        assert texts(bench) == []


async def test_the_client_repeats_after_502_and_gives_up_at_503() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        arm(bench, "server_error", on=POST, variant="503")
        with pytest.raises(discord.DiscordServerError) as refused:
            await channel.send("lost")
        assert refused.value.status == 503
        arm(bench, "server_error", on=POST, variant="502")
        await channel.send("repeated")
        assert texts(bench) == ["repeated"]


async def test_a_lost_reply_leaves_the_message_and_a_nonce_finds_it_again() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        arm(bench, "lose_reply", on=POST)
        with pytest.raises((aiohttp.ClientError, OSError)):
            await channel.send("said once", nonce="n-1")
        assert texts(bench) == ["said once"]
        again = await channel.send("said once", nonce="n-1")
        (seen,) = bench.world.messages(channel="general", user="alice")
        assert str(again.id) == seen.id


async def test_a_refused_call_does_not_use_up_a_lost_reply() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "lose_reply", on=POST)
        with pytest.raises(discord.HTTPException):
            await (await bot.channel()).send("x" * 2001)
        assert len(bench.world.faults.armed) == 1


async def test_an_answer_comes_late_after_the_work() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        arm(bench, "delay_answer", on=POST, seconds=0.5)
        begun = time.monotonic()
        sending = asyncio.create_task(channel.send("slow"))
        await until(lambda: texts(bench))
        assert not sending.done()
        await sending
        assert time.monotonic() - begun >= 0.5


async def test_the_gateway_breaks_in_the_middle_of_a_stream_of_edits() -> None:
    async with served() as bench, bench.bot() as bot:
        message = await (await bot.channel()).send("0")
        arm(bench, "kill_socket", on=EDIT, skip=2)
        for number in range(1, 5):
            await message.edit(content=str(number))
        asked = await say(bench, "meanwhile")
        await until(lambda: bot.message(asked))
        await until(lambda: bot.resumed == 1)
        (struck,) = bench.world.faults.fired
        assert (struck.kind, struck.site, struck.name) == ("kill_socket", "call", EDIT)
        assert texts(bench)[0] == "4"


async def test_a_close_code_is_what_the_client_gets() -> None:
    async with served() as bench:
        async with line(bench) as opened:
            await opened.identify()
            arm(bench, "close_socket", code=4008)
            assert await opened.closed_with() == 4008
        running = asyncio.create_task((bot := Bot()).start(TOKEN))
        await until(lambda: bot.readied)
        arm(bench, "close_socket", code=4004)
        with pytest.raises(discord.ConnectionClosed) as closed:
            await running
        assert closed.value.code == 4004
        await bot.close()


async def test_a_silent_connection_stays_open_and_answers_nothing() -> None:
    quick = GatewaySettings(heartbeat_s=0.2, grace_s=0.2)
    async with served(gateway=quick) as bench:
        async with line(bench) as opened:
            ready = await opened.identify()
            await opened.event("GUILD_CREATE")
            arm(bench, "silence_socket")
            await say(bench, "unheard")
            await opened.send(1, None)
            await opened.socket.ping()
            # Longer than the gateway's own patience with a client that sends nothing.
            with pytest.raises(TimeoutError):
                await opened.socket.receive(timeout=0.6)
            assert not opened.socket.closed
            assert bench.world.connected()
            async with line(bench) as second:
                session = ready["d"]["session_id"]
                await second.send(6, {"token": TOKEN, "session_id": session, "seq": 2})
                assert (await second.event("MESSAGE_CREATE"))["s"] == 3
        await until(lambda: not bench.world.connected())


async def test_discord_py_leaves_a_silent_gateway_and_resumes() -> None:
    quick = GatewaySettings(heartbeat_s=0.2)
    async with served(gateway=quick) as bench, bench.bot(Bot(heartbeat_timeout=0.6)) as bot:
        arm(bench, "silence_socket")
        asked = await say(bench, "unheard at first")
        await until(lambda: bot.message(asked))
        assert (bot.resumed, bot.readied) == (1, 1)


async def test_a_client_that_asks_for_pongs_notices_the_silence() -> None:
    async with (
        served() as bench,
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{bench.gateway}?v=10&encoding=json", heartbeat=0.1) as socket,
    ):
        await socket.receive()
        await socket.send_json({"op": 2, "d": {"token": TOKEN, "properties": {}, "intents": 1}})
        await until(bench.world.connected)
        arm(bench, "silence_socket")
        while (message := await socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.type is aiohttp.WSMsgType.ERROR


async def test_a_reconnect_and_a_resumable_session_are_resumed() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "reconnect")
        await until(lambda: bot.resumed == 1)
        arm(bench, "invalidate_session", variant="resumable")
        await until(lambda: bot.resumed == 2)
        assert bot.readied == 1


async def test_an_invalid_session_loses_the_event_that_it_struck() -> None:
    async with served() as bench, bench.bot() as bot:
        arm(bench, "invalidate_session", on="MESSAGE_CREATE")
        lost = await say(bench, "lost")
        await until(lambda: bot.readied == 2)
        heard = await say(bench, "heard")
        await until(lambda: bot.message(heard))
        assert (bot.message(lost), bot.resumed) == (None, 0)


async def test_a_revoked_token_is_refused_everywhere_until_it_is_taken_back() -> None:
    async with served() as bench:
        async with bench.bot() as bot:
            fault = arm(bench, "revoke_token", times=None)
            with pytest.raises(discord.HTTPException) as refused:
                await (await bot.channel()).send("x")
            assert refused.value.status == 401
            assert texts(bench) == []
        newcomer = Bot()
        with pytest.raises(discord.LoginFailure):
            await newcomer.start(TOKEN)
        await newcomer.close()
        async with line(bench) as opened:
            await opened.send(2, {"token": TOKEN, "properties": {}, "intents": 1})
            assert await opened.closed_with() == 4004
        bench.world.faults.disarm(fault)
        async with bench.bot():
            pass


async def test_a_message_deleted_while_it_is_answered_is_unknown_to_the_next_edit() -> None:
    async with served() as bench, bench.bot() as bot:
        older = await (await bot.channel()).send("older")
        message = await (await bot.channel()).send("growing")
        arm(bench, "delete_message", channel="general")
        with pytest.raises(discord.NotFound) as gone:
            await message.edit(content="growing further")
        assert gone.value.code == 10008
        await until(lambda: bot.deleted)
        arm(bench, "delete_message", on=EDIT)
        with pytest.raises(discord.NotFound):
            await older.edit(content="older still")
        assert texts(bench) == []


async def test_acts_that_find_nothing_are_refused() -> None:
    async with served() as bench:
        for kind in ("kill_socket", "close_socket", "silence_socket", "reconnect"):
            with pytest.raises(ControlError, match="no bot is connected to the gateway"):
                arm(bench, kind)
        with pytest.raises(ControlError, match="the bot has no message there"):
            arm(bench, "delete_message")


async def test_a_fault_can_be_aimed_at_each_route_and_event_but_at_no_other() -> None:
    async with served() as bench:
        arm(
            bench,
            "server_error",
            on="PUT /channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me",
        )
        arm(bench, "delay_event", on="MESSAGE_REACTION_REMOVE")
        for kind, target in (("server_error", "POST /nowhere"), ("delay_event", POST)):
            with pytest.raises(ControlError, match=f"on: {kind} has no target"):
                arm(bench, kind, on=target)


async def test_faults_in_a_thread_go_by_the_channel_that_it_hangs_under() -> None:
    async with served() as bench, bench.bot() as bot:
        message = await (await bot.channel()).send("root")
        thread = await message.create_thread(name="thread")
        arm(bench, "server_error", on=POST, channel="random", variant="503")
        await thread.send("unharmed")
        arm(bench, "server_error", on=POST, channel="general", variant="503")
        with pytest.raises(discord.DiscordServerError):
            await thread.send("struck")
