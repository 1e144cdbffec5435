"""The control API's faults and audit over real sockets: what they do and what they refuse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from adapters.sandbox.discord import CHANNEL_IDS, DiscordWorld
from adapters.sandbox.discord.faults import KINDS as DISCORD_KINDS
from adapters.sandbox.faults import Passing
from adapters.sandbox.platform import Platform
from adapters.sandbox.server import Sandbox
from adapters.sandbox.slack import SlackWorld
from adapters.sandbox.slack.faults import KINDS as SLACK_KINDS
from tests.adapters.sandbox.tiny_platform import serving

DOCS = Path(__file__).parents[3] / "docs" / "sandbox.md"


@asynccontextmanager
async def both_worlds() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a sandbox with the real loopback Slack and Discord."""
    platforms: list[Platform] = [
        SlackWorld(bot_token="xoxb-1", app_token="xapp-1", signing_secret="secret"),
        DiscordWorld(token="token"),
    ]
    async with (
        asyncio.timeout(30),
        Sandbox(platforms=platforms, port=0) as sandbox,
        aiohttp.ClientSession(base_url=sandbox.url) as client,
    ):
        yield client


async def ask(client: aiohttp.ClientSession, method: str, path: str, **request: Any) -> Any:  # JSON
    async with client.request(method, path, **request) as response:
        answer = await response.json()
        assert response.status == 200, answer
        return answer


async def test_a_fault_is_armed_listed_fires_and_stays_in_the_ledger() -> None:
    async with serving() as world:
        fault = {
            "kind": "refuse",
            "on": "update",
            "channel": "general",
            "times": 2,
            "skip": 1,
        }
        armed = await world.ask("POST", "/control/slack/faults", json=fault)
        listed = await world.ask("GET", "/control/slack/faults")
        assert listed == {
            "armed": [
                {
                    **fault,
                    "id": armed["id"],
                    "variant": "softly",
                    "seconds": None,
                    "code": None,
                    "probability": 1.0,
                    "seed": 0,
                    "num_fired": 0,
                }
            ],
            "fired": [],
            "num_fired": 0,
        }
        for _ in range(4):
            world.slack.faults.strike("call", Passing("update", "general"))
        listed = await world.ask("GET", "/control/slack/faults")
        assert (listed["armed"], listed["num_fired"]) == ([], 2)
        assert [one["site"] for one in listed["fired"]] == ["call", "call"]
        assert listed["fired"][0]["at"] > 1_700_000_000
        newest = await world.ask("GET", "/control/slack/faults?newest=1")
        assert newest["fired"] == listed["fired"][1:]
        assert (await world.ask("GET", "/control/slack/faults?newest=0"))["fired"] == []
        assert (await world.ask("GET", "/control/discord/faults"))["num_fired"] == 0


@pytest.mark.parametrize(
    ("given", "times"),
    [
        ({}, 1),
        ({"probability": 1.0}, 1),
        ({"probability": 0.5, "seed": 9}, None),
        ({"probability": 0.5, "times": 4}, 4),
        ({"times": None}, None),
    ],
)
async def test_a_fault_strikes_once_and_one_of_chance_without_end(
    given: dict[str, Any], times: int | None
) -> None:
    async with serving() as world:
        await world.ask("POST", "/control/slack/faults", json={"kind": "delay", **given})
        (one,) = world.slack.faults.armed
        assert one.fault.times == times


async def test_faults_are_taken_back_one_by_one_or_all() -> None:
    async with serving() as world:
        ids = [
            (await world.ask("POST", "/control/slack/faults", json={"kind": "delay"}))["id"]
            for _ in range(3)
        ]
        await world.ask("DELETE", f"/control/slack/faults/{ids[1]}")
        assert [one.id for one in world.slack.faults.armed] == [ids[0], ids[2]]
        for wrong, line in (
            (str(ids[1]), f"fault {ids[1]} is not armed"),
            ("x", "fault: the id must be a number"),
            ("9" * 99, "fault: the id must be a number"),
        ):
            answer = await world.ask("DELETE", f"/control/slack/faults/{wrong}", status=400)
            assert answer == {"error": line}
        await world.ask("DELETE", "/control/slack/faults")
        assert world.slack.faults.armed == ()


async def test_the_kinds_tell_what_they_are_and_what_they_can_be_aimed_at() -> None:
    async with serving() as world:
        kinds = await world.ask("GET", "/control/discord/faults/kinds")
    assert kinds[1:] == [
        {
            "name": "refuse",
            "about": "it is refused",
            "at_once": False,
            "on": ["post", "update"],
            "variants": ["softly", "harshly"],
            "seconds": None,
            "code": None,
        },
        {
            "name": "cut",
            "about": "the line is cut",
            "at_once": True,
            "on": ["message", "reaction", "post", "update"],
            "variants": [],
            "seconds": None,
            "code": 4000,
        },
    ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"kind": "none"}, "kind: 'none' is unknown; allowed: delay, refuse, cut"),
        ({"on": "post"}, "on: delay has no target 'post'"),
        ({"channel": "genral"}, "channel: 'genral' is unknown; allowed: general, random, dm"),
        ({"times": 0}, "times: Input should be greater than or equal to 1"),
        ({"times": True}, "times: Input should be a valid integer"),
        ({"seconds": -1}, "seconds: Input should be greater than or equal to 0"),
        ({"probability": 0}, "probability: Input should be greater than 0"),
        ({"kind": "cut", "code": 1005}, "code: must be a code that may stand in a close frame"),
        ({"kind": "cut", "times": 2}, "on: cut happens at once without it; "),
        ({"often": 2}, "'often': unknown key; allowed: kind, on, channel, variant"),
    ],
)
async def test_a_wrong_fault_is_refused_in_one_line(change: dict[str, Any], line: str) -> None:
    async with serving() as world:
        answer = await world.ask(
            "POST", "/control/slack/faults", status=400, json={"kind": "delay", **change}
        )
        assert answer["error"].startswith(line)
        assert world.slack.faults.armed == ()


async def test_a_foreign_page_takes_no_fault_back() -> None:
    async with serving() as world:
        await world.ask("POST", "/control/slack/faults", json={"kind": "delay"})
        headers = {"Origin": "https://evil.example"}
        await world.ask("DELETE", "/control/slack/faults", status=403, headers=headers)
        assert len(world.slack.faults.armed) == 1


async def test_both_platforms_take_each_of_their_faults() -> None:
    async with both_worlds() as client:
        for name, kinds in (("slack", SLACK_KINDS), ("discord", DISCORD_KINDS)):
            listed = await ask(client, "GET", f"/control/{name}/faults/kinds")
            assert [one["name"] for one in listed] == list(kinds)
            for one in listed:
                body = {"kind": one["name"], "on": next(iter(one["on"]), None)}
                await ask(client, "POST", f"/control/{name}/faults", json=body)
            armed = (await ask(client, "GET", f"/control/{name}/faults"))["armed"]
            assert [one["kind"] for one in armed] == list(kinds)


async def test_an_audit_has_every_message_with_its_metadata_nonce_and_voters() -> None:
    async with both_worlds() as client:
        slack = {"Authorization": "Bearer xoxb-1"}
        discord = {"Authorization": "Bot token"}
        metadata = {"event_type": "answer", "event_payload": {"turn": "t-1"}}
        body = {"channel": "C0RANDOM", "text": "an answer", "metadata": metadata}
        url = "/slack/api/chat.postMessage"
        posted = await ask(client, "POST", url, headers=slack, json=body)
        url = f"/discord/api/v10/channels/{CHANNEL_IDS['general']}/messages"
        sent = await ask(client, "POST", url, headers=discord, json={"content": "x", "nonce": "n"})
        for name, channel, message in (
            ("slack", "random", posted["ts"]),
            ("discord", "general", sent["id"]),
        ):
            dm = {"channel": "dm", "user": "bob", "text": "hello"}
            await ask(client, "POST", f"/control/{name}/messages", json=dm)
            for user, emoji in (("dave", "👍"), ("bob", "👎"), ("bob", "👍")):
                vote = {"channel": channel, "message": message, "user": user, "emoji": emoji}
                await ask(client, "POST", f"/control/{name}/reactions", json=vote)
            seen = await ask(client, "GET", f"/control/{name}/audit")
            answer, asked = sorted(seen, key=lambda one: str(one["channel"]), reverse=True)
            if answer["channel"] == "dm":
                answer, asked = asked, answer
            assert (asked["user"], asked["person"], asked["text"]) == ("bob", "bob", "hello")
            assert (answer["id"], answer["user"], answer["channel"]) == (message, "candor", channel)
            assert answer["person"] is None
            assert {who: sorted(gave) for who, gave in answer["reactions"].items()} == {
                "bob": sorted(("👍", "👎")),
                "dave": ["👍"],
            }
            assert answer["nonce"] == (None if name == "slack" else "n")
            assert answer["metadata"] == (metadata if name == "slack" else None)
            assert (answer["streaming"], answer["edited"]) == (False, False)


def test_the_docs_describe_each_kind_of_fault() -> None:
    text = DOCS.read_text("utf-8")
    for name in {*SLACK_KINDS, *DISCORD_KINDS}:
        assert f"| `{name}` |" in text, name
