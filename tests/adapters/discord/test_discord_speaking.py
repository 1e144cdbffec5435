"""When the bot speaks on Discord, and whom it refuses: the real adapter at the loopback Discord."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters import wording
from adapters.sandbox.discord import (
    BOT_ROLE_ID,
    BOT_USER_ID,
    CHANNEL_IDS,
    GUILD_ID,
    PEOPLE_IDS,
    PEOPLE_ROLE_ID,
)
from bot.platform_settings import AccessSettings
from tests.adapters.core_bench import Core, core_bench
from tests.adapters.discord.adapted import Adapted, adapted, dispatch
from tests.adapters.sandbox.discord_bench import Served, served
from tests.waiting import until

GENERAL = CHANNEL_IDS["general"]
OTHER_BOT = 1_200_000_000_000_000_001
MENTION = f"<@{BOT_USER_ID}>"

_number = itertools.count(1_400_000_000_000_000_000)


@dataclass
class Town:
    """People at a loopback Discord, and what the bot took in."""

    bench: Served
    core: Core
    adapted: Adapted

    async def say(self, text: str, *, user: str = "alice", **where: str) -> str:
        return await self.bench.world.post(
            **{"channel": "general", "user": user, **where}, text=text
        )

    def by_bot(self, text: str, *, author: int = OTHER_BOT, **fields: Any) -> None:
        """A message of another bot, as the Gateway tells of it."""
        message = {
            "id": str(next(_number)),
            "channel_id": str(GENERAL),
            "guild_id": str(GUILD_ID),
            "author": {
                "id": str(author),
                "username": "robo",
                "discriminator": "0",
                "avatar": None,
                "bot": True,
            },
            "content": text,
            "timestamp": "2026-11-22T10:00:00+00:00",
            "edited_timestamp": None,
            "tts": False,
            "mention_everyone": False,
            "mentions": [],
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "pinned": False,
            "type": 0,
            **fields,
        }
        dispatch(self.bench, "MESSAGE_CREATE", message)

    async def ours(self, text: str) -> str:
        """A message of the bot's own that answers nothing."""
        client = self.adapted.adapter._connection._clients()[0]
        assert client is not None
        return str((await client.get_partial_messageable(GENERAL).send(text)).id)

    async def took(self, *texts: str, **where: str) -> None:
        """Just these were taken in, before a last question that is asked where they were."""
        await self.say(f"{MENTION} the last", **where)
        found: list[str] = []

        async def is_last() -> bool:
            found[:] = await self.core.texts("discord")
            return "the last" in found

        await until(is_last)
        assert found == [*texts, "the last"]

    async def told(self, channel: str = "general") -> list[str]:
        """What the bot said in a channel."""
        seen = self.bench.world.messages(channel=channel, user="alice")
        return [one.text for one in seen if one.bot]


@asynccontextmanager
async def town(client: "Redis", **rules: Any) -> AsyncIterator[Town]:
    access = AccessSettings.model_validate(rules)
    async with (
        served() as bench,
        core_bench(client, access) as core,
        adapted(bench, core) as one,
    ):
        yield Town(bench, core, one)


async def test_it_speaks_where_it_is_addressed_in_a_channel_and_nowhere_else(
    client: "Redis",
) -> None:
    async with town(client) as one:
        await one.say(f"{MENTION} a mention")
        await one.say(f"<@&{BOT_ROLE_ID}> a mention of its role")
        await one.say("@bob @candor to both")
        await one.say(f"@everyone {MENTION} to all and us")
        await one.say("to nobody")
        await one.say("@bob to somebody else")
        await one.say(f"<@&{PEOPLE_ROLE_ID}> to a role")
        await one.say("@everyone to all")
        await one.say("@here to all who are there")
        await one.say(f"`{MENTION}` in code")
        await one.say(f"```\n{MENTION}\n``` in a block of code")
        await one.took(
            "a mention", "a mention of its role", "@Bob  to both", "@everyone  to all and us"
        )


async def test_replies_are_said_to_whom_they_answer(client: "Redis") -> None:
    async with town(client) as one:
        note = await one.ours("Hello.")
        hers = await one.say("to nobody")
        await one.say("a reply to the bot", reply_to=note)
        await one.say("@bob a reply to the bot for somebody else", reply_to=note)
        await one.say("a reply to a person", user="bob", reply_to=hers)
        await one.say(f"{MENTION} a reply to a person for the bot", user="bob", reply_to=hers)
        await one.took("a reply to the bot", "a reply to a person for the bot")


async def test_in_a_thread_that_it_is_in_no_mention_is_needed(client: "Redis") -> None:
    async with town(client) as one:
        root = await one.say("to nobody")
        await one.say("no follow-up yet", thread=root)
        await one.say(f"{MENTION} called in", thread=root)
        said = await one.say("a follow-up", thread=root)
        await one.say("@bob to somebody else", thread=root)
        await one.say("a reply to somebody else", thread=root, user="bob", reply_to=said)
        await one.say("a reply to oneself", thread=root, reply_to=said)
        await one.took("called in", "a follow-up", "a reply to oneself", thread=root)


async def test_a_direct_message_is_always_for_it(client: "Redis") -> None:
    async with town(client) as one:
        await one.say("one", channel="dm")
        await one.say("@bob two", channel="dm")
        await one.took("one", "@Bob two", channel="dm")


async def test_bots_are_answered_only_when_they_are_listed_and_itself_never(
    client: "Redis",
) -> None:
    webhook = OTHER_BOT + 1
    async with town(client, bots=[str(OTHER_BOT), str(webhook), str(BOT_USER_ID)]) as one:
        one.by_bot(f"{MENTION} listed")
        one.by_bot(f"{MENTION} a webhook", author=webhook, webhook_id=str(webhook))
        one.by_bot(f"{MENTION} a stranger", author=OTHER_BOT + 2)
        one.by_bot(f"{MENTION} ourselves", author=BOT_USER_ID)
        one.by_bot("listed, but to nobody")
        one.by_bot(f"{MENTION} a command's answer", type=20)
        await one.took("listed", "a webhook")


async def test_without_a_list_no_bot_is_answered(client: "Redis") -> None:
    async with town(client) as one:
        one.by_bot(f"{MENTION} Why?")
        await one.took()


async def test_two_bots_do_not_talk_for_ever(client: "Redis") -> None:
    async with town(client, bots=[str(OTHER_BOT)], bots_in_a_row=2) as one:
        for number in range(4):
            one.by_bot(f"{MENTION} {number}")
        await one.took("0", "1")


# Refusals


async def test_who_plainly_asked_is_told_once_by_a_reply(client: "Redis") -> None:
    async with town(client, deny_channels=[str(GENERAL)]) as one:
        asked = await one.say(f"{MENTION} Why?")
        await until(lambda: one.bench.world.messages(channel="general", user="alice")[-1].bot)
        await one.say(f"{MENTION} And why?")
        await one.say("to nobody")
        await one.say(f"{MENTION} elsewhere", channel="random")
        await one.took("elsewhere", channel="random")
        assert await one.told() == [wording.not_allowed("channel")]
        [line] = [
            each for each in one.bench.world.messages(channel="general", user="alice") if each.bot
        ]
        assert line.reply_to == asked


async def test_a_thread_of_a_closed_channel_is_closed(client: "Redis") -> None:
    async with town(client, deny_channels=[str(GENERAL)]) as one:
        root = await one.say("to nobody")
        await one.say(f"{MENTION} in a thread", thread=root)
        await until(lambda: one.bench.world.messages(channel="general", user="alice")[-1].bot)
        assert await one.core.texts("discord") == []


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ({"dms": False}, "dm"),
        ({"deny_people": [str(PEOPLE_IDS["alice"])]}, "person"),
        ({"allow_people": [str(PEOPLE_IDS["bob"])]}, "person"),
        ({"allow_workspaces": [str(GUILD_ID)]}, "workspace"),
    ],
)
async def test_the_rules_hold_in_a_direct_message(
    client: "Redis", rules: dict[str, Any], reason: Any
) -> None:
    async with town(client, **rules) as one:
        await one.say("Why?", channel="dm")
        await until(lambda: one.bench.world.messages(channel="dm", user="alice")[-1].bot)
        assert await one.core.texts("discord") == []
        assert await one.told("dm") == [wording.not_allowed(reason)]
