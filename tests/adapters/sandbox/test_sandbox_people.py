"""As many people as asked: on both platforms, in the control API, and by the settings."""

import aiohttp
import discord
import pytest

from adapters.sandbox.discord import CHANNEL_IDS, PEOPLE_IDS
from adapters.sandbox.people import FIRST_HANDLES, MAX_PEOPLE, handles, named
from adapters.sandbox.platform import ControlError
from adapters.sandbox.server import Sandbox
from adapters.sandbox.slack import IM_IDS, USER_IDS
from adapters.stand_in import stand_in
from bot.platform_settings import SandboxSettings
from bot.settings import Settings
from tests.adapters.sandbox.discord_bench import served
from tests.adapters.sandbox.slack_bench import connected_bot, error_of, slack
from tests.adapters.sandbox.tiny_platform import TinyPlatform, serving
from tests.process import Seat
from tests.waiting import until


def test_the_four_have_names_and_the_others_numbers() -> None:
    assert handles() == FIRST_HANDLES == ("alice", "bob", "carol", "dave")
    assert handles(6) == (*FIRST_HANDLES, "person5", "person6")
    assert handles(2) == ("alice", "bob")
    assert len(set(handles(MAX_PEOPLE))) == MAX_PEOPLE
    for refused in (0, MAX_PEOPLE + 1):
        with pytest.raises(ValueError, match="allowed: 1 to 200"):
            handles(refused)


def test_no_two_ids_are_the_same() -> None:
    assert len({*PEOPLE_IDS.values(), *CHANNEL_IDS.values()}) == MAX_PEOPLE + len(CHANNEL_IDS)
    assert len({*USER_IDS.values(), *IM_IDS.values()}) == 2 * MAX_PEOPLE


def test_many_people_are_named_in_a_short_line() -> None:
    assert named(handles(5)) == "alice, bob, carol, dave, person5"
    assert named(handles(30)) == "alice, bob, carol, dave, person5 … person30"


def test_a_sandbox_and_its_platforms_have_the_same_people() -> None:
    with pytest.raises(ValueError, match="people"):
        Sandbox(platforms=[TinyPlatform("slack", handles(5))], people=handles(6))


async def test_a_thirtieth_person_asks_and_is_mentioned_on_discord() -> None:
    async with served(people=handles(30)) as bench, bench.bot() as bot:
        text = "@candor and @person5, and @person31"
        asked = await bench.world.post(channel="general", user="person30", text=text)
        await until(lambda: bot.message(asked))
        heard = bot.heard[0]
        assert heard.author.id == PEOPLE_IDS["person30"]
        assert [one.id for one in heard.mentions][1:] == [PEOPLE_IDS["person5"]]
        assert heard.content.endswith("@person31")
        assert heard.guild is not None
        assert heard.guild.member_count == 31
        opened = await bot.create_dm(discord.Object(PEOPLE_IDS["person30"]))
        await opened.send("psst")
        (seen,) = bench.world.messages(channel="dm", user="person30")
        assert seen.text == "psst"
        with pytest.raises(ControlError, match="no such person: 'person31'"):
            await bench.world.post(channel="general", user="person31", text="hi")
        with pytest.raises(discord.HTTPException) as unknown:
            await bot.create_dm(discord.Object(PEOPLE_IDS["person31"]))
        assert unknown.value.code == 10013


async def test_a_thirtieth_person_asks_and_is_mentioned_on_slack() -> None:
    async with slack(people=handles(30)) as bench, connected_bot(bench) as bot:
        text = "@candor and @person5, and @person31"
        await bench.world.post(channel="general", user="person30", text=text)
        await until(lambda: bot.events("app_mention"))
        (event,) = bot.events("app_mention")
        assert event["user"] == USER_IDS["person30"]
        assert event["text"].endswith(f"and <@{USER_IDS['person5']}>, and @person31")
        members = (await bench.client().conversations_members(channel=event["channel"]))["members"]
        assert len(members) == 31
        await bench.client().chat_postMessage(channel=USER_IDS["person30"], text="psst")
        (seen,) = bench.world.messages(channel="dm", user="person30")
        assert seen.text == "psst"
        with pytest.raises(ControlError, match="no person 'person31'"):
            await bench.world.post(channel="general", user="person31", text="hi")
        unknown = bench.client().users_info(user=USER_IDS["person31"])
        assert await error_of(unknown) == "user_not_found"
        unknown = bench.client().chat_postMessage(channel=USER_IDS["person31"], text="hi")
        assert await error_of(unknown) == "channel_not_found"


async def test_the_control_api_knows_the_people_there_are() -> None:
    async with serving(people=handles(6)) as world:
        state = await world.ask("GET", "/control/state")
        assert state["people"] == list(handles(6))
        body = {"channel": "dm", "user": "person6", "text": "hi"}
        await world.ask("POST", "/control/slack/messages", json=body)
        (seen,) = await world.ask("GET", "/control/slack/messages?channel=dm&user=person6")
        assert seen["user"] == "person6"
        body["user"] = "person7"
        answer = await world.ask("POST", "/control/slack/messages", status=400, json=body)
        assert answer["error"] == (
            "user: 'person7' is unknown; allowed: alice, bob, carol, dave, person5 … person6"
        )


async def test_the_settings_say_how_many_people_there_are() -> None:
    settings = Settings(sandbox=SandboxSettings(port=0, people=7))
    async with stand_in(settings) as sandbox, aiohttp.ClientSession() as session:
        async with session.get(f"{sandbox.url}/control/state") as response:
            assert (await response.json())["people"] == list(handles(7))
        for platform in ("slack", "discord"):
            await Seat(sandbox.url, session).write(platform, "general", "person7", "hello")
