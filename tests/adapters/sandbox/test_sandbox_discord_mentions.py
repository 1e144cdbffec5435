"""Who is mentioned and pinged, by the text and by `allowed_mentions`."""

from typing import Any

import discord
import pytest

from adapters.sandbox.discord import BOT_ROLE_ID, BOT_USER_ID, PEOPLE_IDS, PEOPLE_ROLE_ID
from adapters.sandbox.people import handles
from tests.adapters.sandbox.discord_bench import served
from tests.waiting import until

ALICE, BOB = PEOPLE_IDS["alice"], PEOPLE_IDS["bob"]
LOUD = f"@everyone <@{ALICE}> <@&{PEOPLE_ROLE_ID}>"
EVERYBODY = frozenset(PEOPLE_IDS[handle] for handle in handles())
NONE = discord.AllowedMentions.none()


@pytest.mark.parametrize(
    ("allowed", "pinged"),
    [
        (None, EVERYBODY),
        (NONE, frozenset()),
        (discord.AllowedMentions(everyone=False, roles=False, users=True), {ALICE}),
        (discord.AllowedMentions(everyone=False, roles=True, users=False), EVERYBODY),
        (
            discord.AllowedMentions(
                everyone=False, roles=False, users=[discord.Object(BOB)], replied_user=False
            ),
            frozenset(),
        ),
    ],
)
async def test_only_what_is_allowed_pings(
    allowed: discord.AllowedMentions | None, pinged: frozenset[int]
) -> None:
    async with served() as bench, bench.bot() as bot:
        options: dict[str, Any] = {} if allowed is None else {"allowed_mentions": allowed}
        sent = await (await bot.channel()).send(LOUD, **options)
        world = bench.world
        assert world.pinged(channel="general", message=str(sent.id), user="bob") == pinged
        assert sent.content == LOUD
        assert sent.mention_everyone == (allowed is None)


@pytest.mark.parametrize(("ping", "mentioned"), [(True, [ALICE]), (False, [])])
async def test_the_reply_s_ping_follows_replied_user(ping: bool, mentioned: list[int]) -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor")
        await until(lambda: bot.message(asked))
        answer = await bot.heard[0].reply(f"<@{BOB}>", allowed_mentions=NONE, mention_author=ping)
        assert [one.id for one in answer.mentions] == mentioned
        pinged = bench.world.pinged(channel="general", message=str(answer.id), user="bob")
        assert pinged == frozenset(mentioned)


async def test_an_edit_mentions_but_pings_nobody() -> None:
    async with served() as bench, bench.bot() as bot:
        sent = await (await bot.channel()).send("quiet")
        edited = await sent.edit(content=f"<@{ALICE}>")
        assert [one.id for one in edited.mentions] == [ALICE]
        assert not bench.world.pinged(channel="general", message=str(sent.id), user="bob")


async def test_mentions_in_code_and_of_everyone_or_a_role_do_not_name_the_bot() -> None:
    async with served() as bench, bench.bot() as bot:
        quiet = (
            "`@candor`",
            "```\n@candor\n```",
            "@everyone",
            f"<@&{BOT_ROLE_ID}>",
            "mail@candor.example",
            "@candors",
        )
        for text in quiet:
            await bench.world.post(channel="general", user="alice", text=text)
        await until(lambda: len(bot.heard) == len(quiet))
        assert [one.mentions for one in bot.heard] == [[]] * len(quiet)
        assert [one.content for one in bot.heard] == [""] * len(quiet)
        assert bot.heard[2].mention_everyone
        assert bot.heard[3].raw_role_mentions == [] != bot.heard[3].role_mentions


async def test_handles_become_mentions_and_are_shown_as_handles_again() -> None:
    async with served() as bench, bench.bot() as bot:
        text = "@candor ask @bob, not @zoe"
        posted = await bench.world.post(channel="general", user="alice", text=text)
        await until(lambda: bot.message(posted))
        assert bot.heard[0].content == f"<@{BOT_USER_ID}> ask <@{BOB}>, not @zoe"
        assert bench.world.messages(channel="general", user="alice")[0].text == text
