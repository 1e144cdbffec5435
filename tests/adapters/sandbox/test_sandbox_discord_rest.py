"""The REST border: routes, tokens, error bodies, rate limits, commands."""

import asyncio
import time
from typing import Any

import discord
import pytest
from discord import app_commands

from adapters.sandbox.discord import (
    APPLICATION_ID,
    CHANNEL_IDS,
    GUILD_ID,
    Limits,
    Window,
)
from tests.adapters.sandbox.discord_bench import served
from tests.waiting import until

GENERAL = f"/channels/{CHANNEL_IDS['general']}"
POST_MESSAGE = "POST /channels/{channel_id}/messages"


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/nowhere", 404, {"message": "404: Not Found", "code": 0}),
        ("GET", "/webhooks/1/x/messages/1", 404, {"message": "Unknown Webhook", "code": 10015}),
        ("PUT", "/users/@me", 405, {"message": "405: Method Not Allowed", "code": 0}),
        ("GET", "/channels/1", 404, {"message": "Unknown Channel", "code": 10003}),
        ("GET", GENERAL + "/messages/1", 404, {"message": "Unknown Message", "code": 10008}),
        ("PATCH", GENERAL, 403, {"message": "Missing Permissions", "code": 50013}),
    ],
)
async def test_what_is_unknown_is_answered_as_discord_does(
    method: str, path: str, status: int, body: dict[str, Any]
) -> None:
    async with (
        served() as bench,
        bench.http() as http,
        http.request(method, bench.api + path, json={}) as response,
    ):
        assert response.status == status
        assert response.headers["Content-Type"] == "application/json"
        assert await response.json() == body


async def test_other_versions_of_the_api_are_unknown() -> None:
    async with (
        served() as bench,
        bench.http() as http,
        http.get(f"{bench.url}/discord/api/v9/users/@me") as response,
    ):
        assert response.status == 404
        assert await response.json() == {"message": "404: Not Found", "code": 0}


async def test_requests_without_the_token_are_unauthorized() -> None:
    async with served() as bench:
        for token in ("wrong", "", "é"):
            url = f"{bench.api}/users/@me"
            async with bench.http(token) as http, http.get(url) as response:
                assert response.status == 401
                assert await response.json() == {"message": "401: Unauthorized", "code": 0}


async def test_an_invalid_form_nests_its_errors_by_path() -> None:
    async with served() as bench, bench.http() as http:
        form = {"content": "x", "embeds": [{"title": "t" * 257}, {"fields": [{"name": "n"}]}]}
        async with http.post(f"{bench.api}{GENERAL}/messages", json=form) as response:
            assert response.status == 400
            told = await response.json()
        assert (told["code"], told["message"]) == (50035, "Invalid Form Body")
        title = told["errors"]["embeds"]["0"]["title"]["_errors"][0]
        assert title["code"] == "BASE_TYPE_MAX_LENGTH"
        value = told["errors"]["embeds"]["1"]["fields"]["0"]["value"]["_errors"][0]
        assert value["code"] == "BASE_TYPE_REQUIRED"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("poll", {"question": {"text": "?"}}),
        ("sticker_ids", ["1"]),
        ("flags", 1 << 13),
        ("message_reference", {"type": 1, "message_id": "1"}),
        ("components", [{"type": 10, "content": "no layout flag"}]),
        ("allowed_mentions", {"parse": ["users"], "users": ["1"]}),
        ("allowed_mentions", {"parse": ["nobody"]}),
        ("attachments", [{"id": "0", "filename": "absent.txt"}]),
    ],
)
async def test_what_is_not_modelled_or_not_allowed_is_never_a_success(
    field: str, value: Any
) -> None:
    async with served() as bench, bench.http() as http:
        form = {"content": "x", field: value}
        async with http.post(f"{bench.api}{GENERAL}/messages", json=form) as response:
            assert response.status == 400
            told = await response.json()
        assert told["code"] == 50035
        assert field in told["errors"]
        assert bench.world.messages(channel="general", user="bob") == []


async def test_bodies_that_are_no_json_object_are_refused() -> None:
    async with served() as bench, bench.http() as http:
        url = f"{bench.api}{GENERAL}/messages"
        for data, kind, code in (
            (b"{", "application/json", 50109),
            (b"[]", "application/json", 50035),
            (b"content=x", "application/x-www-form-urlencoded", 50035),
        ):
            headers = {"Content-Type": kind}
            async with http.post(url, data=data, headers=headers) as response:
                assert response.status == 400
                assert (await response.json())["code"] == code


async def test_a_reference_s_id_may_be_a_number_or_a_string_and_comes_back_as_string() -> None:
    async with served() as bench, bench.http() as http:
        posted = await bench.world.post(channel="general", user="alice", text="x")
        for given in (posted, int(posted)):
            form = {"content": "x", "message_reference": {"message_id": given}}
            async with http.post(f"{bench.api}{GENERAL}/messages", json=form) as response:
                assert response.status == 200
                told = await response.json()
            assert told["message_reference"]["message_id"] == posted
            assert told["referenced_message"]["id"] == posted


async def test_typing_answers_without_content() -> None:
    async with (
        served() as bench,
        bench.http() as http,
        http.post(f"{bench.api}{GENERAL}/typing") as response,
    ):
        assert response.status == 204
        assert await response.read() == b""


async def test_every_known_route_publishes_its_rate_limit() -> None:
    limits = Limits(routes={POST_MESSAGE: Window(5, 60.0)})
    async with served(limits=limits) as bench, bench.http() as http:
        found = []
        for name in ("general", "random"):
            url = f"{bench.api}/channels/{CHANNEL_IDS[name]}/messages"
            async with http.post(url, json={"content": "x"}) as response:
                found.append(response.headers)
        assert [headers["X-RateLimit-Remaining"] for headers in found] == ["4", "4"]
        assert found[0]["X-RateLimit-Bucket"] == found[1]["X-RateLimit-Bucket"]
        assert found[0]["X-RateLimit-Limit"] == "5"
        assert 59 < float(found[0]["X-RateLimit-Reset-After"]) <= 60
        assert 0 < float(found[0]["X-RateLimit-Reset"]) - time.time() <= 60
        async with http.get(f"{bench.api}/users/@me") as response:
            assert "X-RateLimit-Bucket" in response.headers


async def test_a_429_carries_what_the_client_needs_to_wait() -> None:
    limits = Limits(routes={POST_MESSAGE: Window(1, 60.0)})
    async with served(limits=limits) as bench, bench.http() as http:
        url = f"{bench.api}{GENERAL}/messages"
        async with http.post(url, json={"content": "x"}) as response:
            assert response.status == 200
        async with http.post(url, json={"content": "x"}) as response:
            assert response.status == 429
            told = await response.json()
            assert response.headers["Via"] == "1.1 google"
            assert response.headers["X-RateLimit-Scope"] == "user"
            assert response.headers["X-RateLimit-Remaining"] == "0"
            assert response.headers["Retry-After"] == "60"
        assert told["message"] == "You are being rate limited."
        assert 59 < told["retry_after"] <= 60
        assert told["global"] is False
        assert len(bench.world.messages(channel="general", user="bob")) == 1


async def test_the_client_waits_for_a_route_s_limit_before_it_asks() -> None:
    limits = Limits(routes={POST_MESSAGE: Window(2, 0.3)})
    async with served(limits=limits) as bench, bench.bot() as bot:
        channel = await bot.channel()
        begun = time.monotonic()
        await asyncio.gather(*(channel.send(f"{number}") for number in range(5)))
        assert time.monotonic() - begun > 0.3
        assert len(bench.world.messages(channel="general", user="bob")) == 5


async def test_the_client_waits_out_the_limit_over_all_routes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    limits = Limits(everything=Window(1, 0.2))
    async with served(limits=limits) as bench, bench.bot() as bot:
        channel = await bot.channel()
        await asyncio.gather(*(channel.send(f"{number}") for number in range(3)))
        assert "Global rate limit has been hit" in caplog.text
        assert len(bench.world.messages(channel="general", user="bob")) == 3


async def test_edits_of_old_messages_have_a_limit_of_their_own() -> None:
    now = [1_700_000_000.0]
    limits = Limits(old_edits=Window(1, 30.0))
    async with served(limits=limits, clock=lambda: now[0]) as bench, bench.http() as http:
        async with http.post(f"{bench.api}{GENERAL}/messages", json={"content": "x"}) as response:
            sent = (await response.json())["id"]
        url = f"{bench.api}{GENERAL}/messages/{sent}"
        for _ in range(2):
            async with http.patch(url, json={"content": "y"}) as response:
                assert response.status == 200
        now[0] += 3601
        async with http.patch(url, json={"content": "z"}) as response:
            assert response.status == 200
        async with http.patch(url, json={"content": "z"}) as response:
            assert response.status == 429
            assert (await response.json())["code"] == 30046
            assert int(response.headers["X-RateLimit-Remaining"]) > 0


async def test_commands_are_stored_with_ids_that_stay() -> None:
    async with served() as bench, bench.bot() as bot:
        tree = app_commands.CommandTree(bot)

        @tree.command(description="Ask")
        async def ask(interaction: discord.Interaction, question: str) -> None:
            raise NotImplementedError

        @tree.context_menu(name="Explain")
        async def explain(interaction: discord.Interaction, message: discord.Message) -> None:
            raise NotImplementedError

        first = await tree.sync()
        assert {(one.name, one.type.value) for one in first} == {("ask", 1), ("Explain", 3)}
        assert {one.application_id for one in first} == {APPLICATION_ID}
        again = await tree.sync()
        assert {one.name: one.id for one in again} == {one.name: one.id for one in first}
        assert {one.id for one in await tree.fetch_commands()} == {one.id for one in first}
        guild = discord.Object(GUILD_ID)
        assert await tree.fetch_commands(guild=guild) == []
        tree.copy_global_to(guild=guild)
        local = await tree.sync(guild=guild)
        assert {one.guild_id for one in local} == {GUILD_ID}
        assert not {one.id for one in local} & {one.id for one in first}


@pytest.mark.parametrize(
    ("scope", "commands", "status", "code"),
    [
        ("1/commands", [], 403, 20012),
        (f"{APPLICATION_ID}/guilds/1/commands", [], 403, 50001),
        (f"{APPLICATION_ID}/commands", [{"name": "x"}], 400, 50035),
        (f"{APPLICATION_ID}/commands", [{"name": "x", "type": 2}] * 2, 400, 50035),
        (
            f"{APPLICATION_ID}/commands",
            [{"name": f"x{number}", "type": 3} for number in range(16)],
            400,
            30032,
        ),
    ],
)
async def test_commands_that_discord_would_refuse_are_refused(
    scope: str, commands: list[Any], status: int, code: int
) -> None:
    async with (
        served() as bench,
        bench.http() as http,
        http.put(f"{bench.api}/applications/{scope}", json=commands) as response,
    ):
        assert response.status == status
        assert (await response.json())["code"] == code


async def test_the_ids_of_new_things_grow() -> None:
    now = [1_700_000_000.0]
    async with served(clock=lambda: now[0]) as bench:
        ids = []
        for step in (0.0, 0.0, -5.0, 7.0):
            now[0] += step
            ids.append(int(await bench.world.post(channel="general", user="bob", text="x")))
        assert ids == sorted(set(ids))
        assert discord.utils.snowflake_time(ids[0]).timestamp() == pytest.approx(1_700_000_000)


async def test_the_bot_is_not_connected_after_it_left() -> None:
    async with served() as bench:
        async with bench.bot():
            assert bench.world.connected()
        await until(lambda: not bench.world.connected())
