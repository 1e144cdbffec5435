"""The control API over real sockets: what it does, and what it refuses with which words."""

import asyncio
import io
import json
from typing import Any

import aiohttp
import pytest

from adapters.sandbox.changes import MAX_LISTENERS
from tests.adapters.sandbox.tiny_platform import serving

HELLO = {"channel": "general", "user": "alice", "text": "@candor hi"}


async def test_a_posted_message_is_read_back_with_all_that_there_is_to_see() -> None:
    async with serving() as world:
        posted = await world.ask("POST", "/control/slack/messages", json=HELLO)
        answer = world.slack.say("Hello", thread=posted["id"])
        world.slack.rewrite(answer, "Hello, alice")
        for user in ("bob", "alice"):
            given = await world.ask(
                "POST",
                "/control/slack/reactions",
                json={"channel": "general", "message": answer, "user": user, "emoji": "👍"},
            )
            assert given == {}
        seen = await world.ask("GET", "/control/slack/messages?channel=general")
    assert seen == [
        {
            "id": posted["id"],
            "user": "alice",
            "bot": False,
            "text": "@candor hi",
            "thread": None,
            "reply_to": None,
            "edited": False,
            "reactions": [],
            "buttons": [],
            "private": False,
        },
        {
            "id": answer,
            "user": "candor",
            "bot": True,
            "text": "Hello, alice",
            "thread": posted["id"],
            "reply_to": None,
            "edited": True,
            "reactions": [{"emoji": "👍", "users": ["bob", "alice"]}],
            "buttons": [],
            "private": False,
        },
    ]


async def test_threads_and_replies_are_handed_to_the_platform() -> None:
    async with serving() as world:
        first = (await world.ask("POST", "/control/discord/messages", json=HELLO))["id"]
        await world.ask(
            "POST",
            "/control/discord/messages",
            json={**HELLO, "user": "dave", "thread": first, "reply_to": first},
        )
        last = (await world.ask("GET", "/control/discord/messages?channel=general"))[-1]
    assert (last["user"], last["thread"], last["reply_to"]) == ("dave", first, first)


async def test_a_reaction_is_taken_back_with_present_false() -> None:
    async with serving() as world:
        message = world.discord.say("Hello")
        reaction = {"channel": "general", "message": message, "user": "bob", "emoji": "👎"}
        await world.ask("POST", "/control/discord/reactions", json=reaction)
        await world.ask("POST", "/control/discord/reactions", json={**reaction, "present": False})
        (seen,) = await world.ask("GET", "/control/discord/messages?channel=general")
    assert seen["reactions"] == []


async def test_a_direct_message_is_one_persons_and_alice_is_the_default() -> None:
    async with serving() as world:
        for user in ("alice", "bob"):
            body = {"channel": "dm", "user": user, "text": f"I am {user}"}
            await world.ask("POST", "/control/slack/messages", json=body)
        for query, text in (("", "I am alice"), ("&user=bob", "I am bob")):
            (seen,) = await world.ask("GET", f"/control/slack/messages?channel=dm{query}")
            assert seen["text"] == text


async def test_the_newest_messages_are_read_alone() -> None:
    async with serving() as world:
        for number in range(5):
            world.slack.say(str(number))
        seen = await world.ask("GET", "/control/slack/messages?channel=general&newest=2")
        assert [one["text"] for one in seen] == ["3", "4"]
        path = "/control/slack/messages?channel=general&newest=0"
        answer = await world.ask("GET", path, status=400)
        assert answer["error"].startswith("newest: Input should be greater than or equal to 1")


async def test_the_state_names_people_channels_connections_and_activity() -> None:
    async with serving() as world:
        world.discord.connect(False)
        world.slack.show_activity("is thinking…", channel="dm:bob")
        world.slack.show_activity("typing", channel="random")
        state = await world.ask("GET", "/control/state")
    assert state == {
        "bot": "candor",
        "people": ["alice", "bob", "carol", "dave"],
        "channels": ["general", "random", "dm"],
        "platforms": [
            {
                "name": "slack",
                "connected": True,
                "activity": [
                    {"channel": "random", "user": None, "text": "typing"},
                    {"channel": "dm", "user": "bob", "text": "is thinking…"},
                ],
            },
            {"name": "discord", "connected": False, "activity": []},
        ],
    }


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"channel": "genral"},
            "channel: 'genral' is unknown; allowed: general, random, dm, elsewhere, group",
        ),
        ({"user": "eve"}, "user: 'eve' is unknown; allowed: alice, bob, carol, dave"),
        ({"user": 7}, "user: Input should be a valid string"),
        ({"text": " \n"}, "text: must hold more than white space"),
        ({"text": "a" * 40_001}, "text: String should have at most 40000 characters"),
        ({"thread": ""}, "thread: String should have at least 1 character"),
        ({"thread": "17"}, "message: '17' is unknown"),
        ({"{x}": 1}, "'{x}': unknown key; allowed: channel, user, text, thread, reply_to"),
    ],
)
async def test_a_wrong_message_is_refused_in_one_line(change: dict[str, Any], line: str) -> None:
    async with serving() as world:
        answer = await world.ask(
            "POST", "/control/slack/messages", status=400, json={**HELLO, **change}
        )
        assert answer == {"error": line}
        assert await world.ask("GET", "/control/slack/messages?channel=general") == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        (b"", "body: Invalid JSON"),
        (b"{", "body: Invalid JSON"),
        (b"\xff\xfe", "body: Invalid JSON"),
        (b"[]", "body: Input should be an object"),
        (b'{"channel": "general", "user": "alice"}', "text: missing"),
    ],
)
async def test_a_body_that_is_no_message_is_refused_in_one_line(body: bytes, line: str) -> None:
    async with serving() as world:
        answer = await world.ask(
            "POST",
            "/control/slack/messages",
            status=400,
            data=body,
            headers={"Content-Type": "application/json"},
        )
    assert answer["error"].startswith(line)
    assert "\n" not in answer["error"]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"message": "nope"}, "message: 'nope' is unknown"),
        ({"present": "yes"}, "present: Input should be a valid boolean"),
        ({"emoji": ""}, "emoji: String should have at least 1 character"),
        ({"present": None}, "present: Input should be a valid boolean"),
    ],
)
async def test_a_wrong_reaction_is_refused_in_one_line(change: dict[str, Any], line: str) -> None:
    async with serving() as world:
        message = world.slack.say("Hello")
        body = {"channel": "general", "message": message, "user": "bob", "emoji": "👍", **change}
        answer = await world.ask("POST", "/control/slack/reactions", status=400, json=body)
    assert answer == {"error": line}


@pytest.mark.parametrize(
    ("query", "line"),
    [
        ("", "channel: missing"),
        (
            "?channel=nope",
            "channel: 'nope' is unknown; allowed: general, random, dm, elsewhere, group",
        ),
        ("?channel=dm&user=eve", "user: 'eve' is unknown; allowed: alice, bob, carol, dave"),
        ("?channel=dm&limit=3", "'limit': unknown key; allowed: channel, user, newest"),
        ("?channel=dm&channel=dm", "query: each key may stand there once"),
    ],
)
async def test_a_wrong_query_is_refused_in_one_line(query: str, line: str) -> None:
    async with serving() as world:
        answer = await world.ask("GET", f"/control/slack/messages{query}", status=400)
    assert answer == {"error": line}


@pytest.mark.parametrize(
    ("method", "path", "status", "line"),
    [
        (
            "GET",
            "/control/teams/messages?channel=general",
            404,
            "platform 'teams' is unknown; allowed: slack, discord",
        ),
        ("GET", "/control/nothing", 404, "Not Found"),
        ("PUT", "/control/slack/messages", 405, "Method Not Allowed"),
        ("OPTIONS", "/control/slack/messages", 405, "Method Not Allowed"),
    ],
)
async def test_what_is_not_there_is_answered_in_json(
    method: str, path: str, status: int, line: str
) -> None:
    async with serving() as world:
        answer = await world.ask(method, path, status=status)
    assert answer["error"].endswith(line)


async def test_a_body_over_a_mebibyte_is_refused() -> None:
    async with serving() as world:
        answer = await world.ask(
            "POST",
            "/control/slack/messages",
            status=413,
            data=io.BytesIO(b" " * (1 << 20) + json.dumps(HELLO).encode()),
            headers={"Content-Type": "application/json"},
        )
    assert "error" in answer


@pytest.mark.parametrize("path", ["/control/state", "/control/changes", "/control/nothing"])
@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil:1"])
async def test_a_foreign_host_header_is_refused(host: str, path: str) -> None:
    async with serving() as world:
        answer = await world.ask("GET", path, status=403, headers={"Host": host})
    assert answer["error"].startswith(f"Host: '{host}' is refused; allowed: 127.0.0.1:")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1", ""])
async def test_a_foreign_origin_is_refused_whatever_it_wants(origin: str) -> None:
    async with serving() as world:
        headers = {"Origin": origin}
        await world.ask("GET", "/control/state", status=403, headers=headers)
        answer = await world.ask(
            "POST", "/control/slack/messages", status=403, headers=headers, json=HELLO
        )
        assert answer["error"].startswith(f"Origin: '{origin}' is refused")
        assert await world.ask("GET", "/control/slack/messages?channel=general") == []


async def test_our_own_origin_is_let_through_under_both_names() -> None:
    async with serving() as world:
        port = world.sandbox.url.rsplit(":", 1)[1]
        for name in (f"127.0.0.1:{port}", f"localhost:{port}"):
            headers = {"Host": name, "Origin": f"http://{name}"}
            await world.ask("POST", "/control/slack/messages", headers=headers, json=HELLO)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
async def test_a_body_that_a_foreign_page_could_send_unasked_is_refused(content_type: str) -> None:
    async with serving() as world:
        answer = await world.ask(
            "POST",
            "/control/slack/messages",
            status=415,
            data=json.dumps(HELLO),
            headers={"Content-Type": content_type},
        )
        assert answer["error"].endswith("is refused; allowed: application/json")
        assert await world.ask("GET", "/control/slack/messages?channel=general") == []


async def _event(stream: aiohttp.ClientResponse) -> list[str]:
    """The lines of the next event, comment or setting."""
    async with asyncio.timeout(5):
        block = await stream.content.readuntil(b"\n\n")
    return block.decode().strip().splitlines()


async def test_a_change_is_told_with_the_platforms_name() -> None:
    async with serving() as world, world.client.get("/control/changes") as stream:
        assert stream.content_type == "text/event-stream"
        assert await _event(stream) == ["retry: 1000"]
        for name in ("discord", "slack"):
            await world.ask("POST", f"/control/{name}/messages", json=HELLO)
            told = await _event(stream)
            assert told == ["event: change", f'data: {{"platform":"{name}"}}']


async def test_a_burst_of_changes_is_told_at_most_ten_times_a_second() -> None:
    async with serving(heartbeat_s=0.2) as world, world.client.get("/control/changes") as stream:
        await _event(stream)
        clock = asyncio.get_running_loop()
        started = clock.time()
        message = world.slack.say("")
        num_edits = 0
        while clock.time() - started < 0.5:
            num_edits += 1
            world.slack.rewrite(message, "word " * num_edits)
            await asyncio.sleep(0.002)
        num_told = 0
        while (await _event(stream))[0] == "event: change":
            num_told += 1
        assert num_edits > 50
        assert 2 <= num_told <= 7


async def test_a_quiet_stream_has_heartbeats() -> None:
    async with (
        serving(heartbeat_s=0.05) as world,
        world.client.get("/control/changes") as stream,
    ):
        await _event(stream)
        assert await _event(stream) == [": heartbeat"]
        assert await _event(stream) == [": heartbeat"]


async def test_readers_that_leave_make_room_for_others() -> None:
    async with serving(heartbeat_s=0.05) as world:
        streams = [await world.client.get("/control/changes") for _ in range(MAX_LISTENERS)]
        answer = await world.ask("GET", "/control/changes", status=503)
        assert answer == {"error": "too many pages are open; close some"}
        for stream in streams:
            stream.close()
        async with asyncio.timeout(5):
            while True:
                async with world.client.get("/control/changes") as stream:
                    if stream.status == 200:
                        break
                await asyncio.sleep(0.05)
