"""The sandbox's journal of what a bot showed and called, and the limits that it can be put to."""

from typing import Any

import aiohttp
import pytest

from adapters.sandbox.discord import DiscordWorld
from adapters.sandbox.people import handles
from adapters.sandbox.server import Sandbox
from adapters.sandbox.slack import DOCUMENTED_LIMITS, SlackWorld
from adapters.sandbox.slack.rates import RateLimit, RateLimiter

BOT, APP, DISCORD = "xoxb-1", "xapp-1", "d-token"


class Bench:
    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.url, self.session = sandbox.url, session

    async def control(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        async with self.session.request(
            method, f"{self.url}/control/{path}", json=body
        ) as response:
            return response.status, await response.json()

    async def slack(self, method: str, **arguments: Any) -> int:
        async with self.session.post(
            f"{self.url}/slack/api/{method}",
            json=arguments,
            headers={"Authorization": f"Bearer {BOT}"},
        ) as response:
            answer = await response.json()
            assert response.status == 429 or answer["ok"], answer
            self.ts = answer.get("ts")
            return response.status


@pytest.fixture
async def bench() -> Any:
    sandbox = Sandbox(
        platforms=(
            SlackWorld(bot_token=BOT, app_token=APP, signing_secret="s", people=handles()),
            DiscordWorld(token=DISCORD, people=handles()),
        ),
        port=0,
    )
    async with sandbox, aiohttp.ClientSession() as session:
        yield Bench(sandbox, session)


async def test_a_journal_keeps_what_was_shown_and_called_since_it_was_begun(bench: Bench) -> None:
    await bench.slack("chat.postMessage", channel="C0GENERAL", text="before")
    assert (await bench.control("POST", "slack/journal", {}))[0] == 200
    await bench.slack("chat.postMessage", channel="C0GENERAL", text="It")
    await bench.slack("chat.update", channel="C0GENERAL", ts=bench.ts, text="It is so.")
    _, kept = await bench.control("GET", "slack/journal")
    assert [one["text"] for one in kept["versions"]] == ["It", "It is so."]
    assert kept["num_versions"] == 2
    assert kept["calls"] == {"chat.postMessage": 1, "chat.update": 1}
    assert kept["limited"] == {}


async def test_what_people_write_is_not_in_the_journal(bench: Bench) -> None:
    await bench.control("POST", "slack/journal", {})
    body = {"channel": "general", "user": "alice", "text": "Hello"}
    assert (await bench.control("POST", "slack/messages", body))[0] == 200
    assert (await bench.control("GET", "slack/journal"))[1]["versions"] == []


async def test_limits_are_put_on_and_refusals_are_counted(bench: Bench) -> None:
    await bench.control("POST", "slack/journal", {})
    assert (await bench.control("POST", "slack/limits", {"name": "window"}))[0] == 200
    said = [await bench.slack("chat.postMessage", channel="C0GENERAL", text="x") for _ in range(6)]
    assert said == [200] * 5 + [429]
    assert (await bench.control("POST", "slack/limits", {"name": "none"}))[0] == 200
    assert await bench.slack("chat.postMessage", channel="C0GENERAL", text="x") == 200
    _, kept = await bench.control("GET", "slack/journal")
    assert kept["limited"] == {"chat.postMessage": 1}


async def test_discord_s_limits_are_put_on_and_taken_off(bench: Bench) -> None:
    _, state = await bench.control("GET", "state")
    assert state["people"]
    url = f"{bench.url}/discord/api/v10/channels/{_general()}/messages"
    headers = {"Authorization": f"Bot {DISCORD}"}

    async def post() -> int:
        async with bench.session.post(url, json={"content": "x"}, headers=headers) as response:
            return response.status

    await bench.control("POST", "discord/journal", {})
    await bench.control("POST", "discord/limits", {"name": "observed"})
    assert [await post() for _ in range(6)] == [200] * 5 + [429]
    await bench.control("POST", "discord/limits", {"name": "none"})
    assert await post() == 200
    _, kept = await bench.control("GET", "discord/journal")
    assert len(kept["versions"]) == 6
    assert kept["limited"] == {"POST /channels/{channel_id}/messages": 1}


@pytest.mark.parametrize("platform", ["slack", "discord"])
async def test_limits_that_do_not_exist_are_refused(bench: Bench, platform: str) -> None:
    status, answer = await bench.control("POST", f"{platform}/limits", {"name": "strange"})
    assert status == 400
    assert "none" in answer["error"]


def test_a_bucket_holds_a_fifth_of_a_minute_and_is_refilled_all_the_time() -> None:
    limiter = RateLimiter(DOCUMENTED_LIMITS, "bucket")
    taken = [limiter.retry_after("chat.update", "", 100.0) for _ in range(11)]
    assert taken == [None] * 10 + [2]
    assert limiter.retry_after("chat.update", "", 101.3) is None
    assert limiter.retry_after("chat.update", "", 101.4) is not None


def test_a_small_bucket_holds_something_and_a_short_window_all() -> None:
    assert RateLimit(20).bucket == 4
    assert RateLimit(1).bucket == 1
    assert RateLimit(5, 5.0).bucket == 5


def _general() -> int:
    from adapters.sandbox.discord.ids import CHANNEL_IDS

    return CHANNEL_IDS["general"]
