"""What becomes of events when the bot is killed before, while and after they are delivered."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from adapters.sandbox.discord.sessions import KEPT_AWAY
from tests.adapters.sandbox.discord_bench import TOKEN, served
from tests.adapters.sandbox.discord_line import identify, line
from tests.adapters.sandbox.slack_bench import APP_TOKEN, Served, connected_bot, slack
from tests.waiting import until

# A client that prints each frame and acknowledges none unless it is told to.
CLIENT = """
import asyncio, json, sys, aiohttp
url, first, acknowledges = sys.argv[1:]
async def main():
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        if first:
            await socket.send_str(first)
        async for message in socket:
            frame = json.loads(message.data)
            if acknowledges and "envelope_id" in frame:
                await socket.send_json({"envelope_id": frame["envelope_id"]})
            print(json.dumps(frame), flush=True)
asyncio.run(main())
"""


class Client:
    """A process that listens at a socket until it is killed."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def frame(self) -> Any:
        """The next frame that it got."""
        assert self._process.stdout is not None
        async with asyncio.timeout(20):
            raw = await self._process.stdout.readline()
        return json.loads(raw)

    async def kill(self) -> None:
        """SIGKILL."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def client(url: str, *, first: str = "", acknowledges: bool = False) -> AsyncIterator[Client]:
    arguments = (url, first, "yes" if acknowledges else "")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CLIENT, *arguments, stdout=PIPE
    )
    running = Client(process)
    try:
        yield running
    finally:
        await running.kill()


async def ticket(bench: Served) -> str:
    answer = await bench.client(APP_TOKEN).apps_connections_open(app_token=APP_TOKEN)
    return str(answer["url"])


async def test_slack_keeps_what_happens_before_the_next_socket() -> None:
    async with slack() as bench:
        async with client(await ticket(bench)) as killed:
            assert (await killed.frame())["type"] == "hello"
            await killed.kill()
        await until(lambda: not bench.world.connected())
        asked = await bench.world.post(channel="dm", user="alice", text="hi")
        async with client(await ticket(bench), acknowledges=True) as again:
            assert (await again.frame())["type"] == "hello"
            frame = await again.frame()
            assert frame["payload"]["event"]["ts"] == asked
            assert frame["retry_attempt"] == 0


async def test_slack_sends_again_what_a_killed_bot_did_not_acknowledge() -> None:
    async with slack(ack_timeout=0.3) as bench:
        async with client(await ticket(bench)) as killed:
            await killed.frame()
            await bench.world.post(channel="dm", user="alice", text="hi")
            first = await killed.frame()
            await killed.kill()
        await until(lambda: not bench.world.connected())
        async with client(await ticket(bench), acknowledges=True) as again:
            await again.frame()
            second = await again.frame()
            assert second["payload"]["event_id"] == first["payload"]["event_id"]
            assert second["envelope_id"] != first["envelope_id"]
            assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")
            await until(lambda: bench.world.pending_events == 0)


async def test_slack_never_sends_again_what_was_acknowledged_before_the_kill() -> None:
    async with slack(ack_timeout=0.3) as bench:
        async with client(await ticket(bench), acknowledges=True) as killed:
            await killed.frame()
            await bench.world.post(channel="dm", user="alice", text="hi")
            await killed.frame()
            await until(lambda: bench.world.pending_events == 0)
            await killed.kill()
        async with connected_bot(bench) as bot:
            later = await bench.world.post(channel="dm", user="alice", text="later")
            await until(lambda: bench.world.pending_events == 0)
            assert [event["ts"] for event in bot.events("message")] == [later]


async def test_slack_gives_up_an_event_that_finds_no_socket() -> None:
    async with slack(offline_patience=0.2) as bench:
        await bench.world.post(channel="dm", user="alice", text="hi")
        await until(lambda: bench.world.pending_events == 0)
        (lost,) = bench.world.deliveries
        assert (lost.number, lost.outcome.failure) == (0, "connection_failed")


@pytest.mark.parametrize("got_it", [True, False])
async def test_discord_tells_a_new_process_nothing_of_what_was(got_it: bool) -> None:
    hello = json.dumps({"op": 2, "d": identify()})
    async with served() as bench:
        url = f"{bench.gateway}?v=10&encoding=json"
        async with client(url, first=hello) as killed:
            while (await killed.frame())["t"] != "GUILD_CREATE":
                pass
            if got_it:
                await bench.world.post(channel="general", user="alice", text="@candor hi")
                assert (await killed.frame())["t"] == "MESSAGE_CREATE"
            await killed.kill()
        await until(lambda: not bench.world.connected())
        await bench.world.post(channel="general", user="alice", text="@candor missed")
        async with line(bench) as again:
            await again.identify()
            guild = await again.event("GUILD_CREATE")
            assert guild["d"]["channels"][0]["last_message_id"] is not None
            later = await bench.world.post(channel="general", user="alice", text="@candor later")
            assert (await again.event("MESSAGE_CREATE"))["d"]["id"] == later


async def test_hundreds_of_killed_clients_leave_a_few_sessions_behind() -> None:
    async with served() as bench:
        ids: list[str] = []
        for _ in range(KEPT_AWAY + 5):
            async with line(bench) as opened:
                ids.append((await opened.identify())["d"]["session_id"])
                bench.world.gateway.cut(None)
                await until(lambda: not bench.world.connected())
        for session, is_kept in ((ids[0], False), (ids[4], False), (ids[5], True), (ids[-1], True)):
            async with line(bench) as again:
                await again.send(6, {"token": TOKEN, "session_id": session, "seq": 1})
                frame = await again.frame()
                assert frame["op"] == (0 if is_kept else 9)
