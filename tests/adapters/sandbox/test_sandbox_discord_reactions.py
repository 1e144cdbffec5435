"""Reactions as events and as state, given by people and by the bot."""

import discord
import pytest

from adapters.sandbox.discord import (
    ALL_PERMISSIONS,
    BOT_USER_ID,
    CHANNEL_IDS,
    GUILD_ID,
    PEOPLE_IDS,
    Permission,
)
from adapters.sandbox.platform import ControlError, ReactionView
from tests.adapters.sandbox.discord_bench import Bot, served
from tests.waiting import until


async def test_a_person_s_reaction_is_told_with_all_its_ids_and_taken_back() -> None:
    async with served() as bench, bench.bot() as bot:
        answer = await (await bot.channel()).send("answer")
        vote = {"channel": "general", "message": str(answer.id), "user": "alice", "emoji": "👍"}
        for present in (True, True, False, False):
            await bench.world.react(**vote, present=present)  # type: ignore[arg-type]
        await until(lambda: bot.removed)
        (added,), (removed,) = bot.added, bot.removed
        for event in (added, removed):
            assert event.message_id == answer.id
            assert event.channel_id == CHANNEL_IDS["general"]
            assert event.guild_id == GUILD_ID
            assert event.user_id == PEOPLE_IDS["alice"]
            assert (event.emoji.name, event.emoji.id) == ("👍", None)
            assert event.type is discord.ReactionType.normal
        assert added.message_author_id == BOT_USER_ID
        assert added.member is not None
        assert added.member.name == "alice"
        assert removed.message_author_id is None
        assert removed.member is None


async def test_reactions_in_a_direct_message_carry_no_guild() -> None:
    async with served() as bench:
        intents = discord.Intents(guilds=True, dm_messages=True, dm_reactions=True)
        async with bench.bot(Bot(intents)) as bot:
            opened = await bot.create_dm(discord.Object(PEOPLE_IDS["bob"]))
            answer = await opened.send("answer")
            for present in (True, False):
                await bench.world.react(
                    channel="dm", message=str(answer.id), user="bob", emoji="👎", present=present
                )
            await until(lambda: bot.removed)
            assert bot.added[0].guild_id is None
            assert bot.added[0].member is None
            assert bot.added[0].channel_id == opened.id
            assert bot.removed[0].user_id == PEOPLE_IDS["bob"]


async def test_reactions_in_a_thread_carry_the_thread_as_channel() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="talk")
        answer = await thread.send("answer")
        await bench.world.react(
            channel="general", message=str(answer.id), user="alice", emoji="👍", present=True
        )
        await until(lambda: bot.added)
        assert bot.added[0].channel_id == thread.id == int(asked)
        assert bot.added[0].guild_id == GUILD_ID


async def test_a_super_reaction_counts_beside_the_normal_one() -> None:
    async with served() as bench, bench.bot() as bot:
        answer = await (await bot.channel()).send("answer")
        for burst in (False, True):
            await bench.world.react(
                channel="general",
                message=str(answer.id),
                user="alice",
                emoji="👍",
                present=True,
                burst=burst,
            )
        await until(lambda: len(bot.added) == 2)
        assert [event.type for event in bot.added] == [
            discord.ReactionType.normal,
            discord.ReactionType.burst,
        ]
        assert [event.burst for event in bot.added] == [False, True]
        (reaction,) = (await answer.channel.fetch_message(answer.id)).reactions
        assert (reaction.count, reaction.normal_count, reaction.burst_count) == (2, 1, 1)
        bursts = [one.id async for one in reaction.users(type=discord.ReactionType.burst)]
        assert bursts == [PEOPLE_IDS["alice"]]


async def test_the_bot_s_own_reactions_are_echoed_counted_and_seen() -> None:
    async with served() as bench, bench.bot() as bot:
        answer = await (await bot.channel()).send("answer")
        await answer.add_reaction("👍")
        await answer.add_reaction("👎")
        await bench.world.react(
            channel="general", message=str(answer.id), user="dave", emoji="👍", present=True
        )
        await until(lambda: len(bot.added) == 3)
        assert [event.user_id for event in bot.added[:2]] == [BOT_USER_ID] * 2
        fresh = await answer.channel.fetch_message(answer.id)
        assert [(str(one.emoji), one.count, one.me) for one in fresh.reactions] == [
            ("👍", 2, True),
            ("👎", 1, True),
        ]
        givers = {one.id async for one in fresh.reactions[0].users()}
        assert givers == {BOT_USER_ID, PEOPLE_IDS["dave"]}
        seen = bench.world.messages(channel="general", user="dave")[0].reactions
        assert seen == (ReactionView("👍", ("candor", "dave")), ReactionView("👎", ("candor",)))


async def test_reactions_are_cleared_by_emoji_by_user_and_all_at_once() -> None:
    async with served() as bench, bench.bot() as bot:
        answer = await (await bot.channel()).send("answer")
        for emoji in ("👍", "👎", "🎉"):
            await bench.world.react(
                channel="general", message=str(answer.id), user="bob", emoji=emoji, present=True
            )
        await answer.remove_reaction("👍", discord.Object(PEOPLE_IDS["bob"]))
        await answer.clear_reaction("👎")
        await answer.clear_reactions()
        await until(lambda: bot.cleared)
        assert [event.emoji.name for event in bot.removed] == ["👍"]
        assert [event.emoji.name for event in bot.emoji_cleared] == ["👎"]
        assert bot.cleared[0].message_id == answer.id
        assert bench.world.messages(channel="general", user="bob")[0].reactions == ()


async def test_clearing_others_reactions_needs_the_permission_and_never_works_in_a_dm() -> None:
    permissions = ALL_PERMISSIONS & ~Permission.MANAGE_MESSAGES
    async with served(permissions=permissions) as bench, bench.bot() as bot:
        answer = await (await bot.channel()).send("answer")
        with pytest.raises(discord.Forbidden) as refused:
            await answer.clear_reactions()
        assert refused.value.code == 50013
        opened = await bot.create_dm(discord.Object(PEOPLE_IDS["bob"]))
        secret = await opened.send("answer")
        with pytest.raises(discord.Forbidden) as direct:
            await secret.clear_reactions()
        assert direct.value.code == 50003


async def test_a_message_takes_twenty_different_emoji() -> None:
    async with served() as bench, bench.bot() as bot:
        answer = await (await bot.channel()).send("answer")
        for number in range(20):
            await bench.world.react(
                channel="general",
                message=str(answer.id),
                user="alice",
                emoji=chr(0x1F600 + number),
                present=True,
            )
        with pytest.raises(discord.HTTPException) as full:
            await answer.add_reaction("👍")
        assert (full.value.status, full.value.code) == (400, 30010)
        await answer.add_reaction(chr(0x1F600))
        with pytest.raises(ControlError, match="30010"):
            await bench.world.react(
                channel="general", message=str(answer.id), user="bob", emoji="👎", present=True
            )


@pytest.mark.parametrize("emoji", ["+1", "thumbsup", "name:123", "7", ""])
async def test_what_is_no_emoji_is_refused(emoji: str) -> None:
    async with served() as bench:
        posted = await bench.world.post(channel="general", user="alice", text="x")
        with pytest.raises(ControlError, match="10014"):
            await bench.world.react(
                channel="general", message=posted, user="bob", emoji=emoji, present=True
            )


@pytest.mark.parametrize("emoji", ["👍🏽", "❤️", "1️⃣", "🇩🇪", "👩‍💻", "✅", "©️", "‼️"])
async def test_emoji_of_several_characters_come_through_unchanged(emoji: str) -> None:
    async with served() as bench, bench.bot() as bot:
        answer = await (await bot.channel()).send("answer")
        await answer.add_reaction(emoji)
        await until(lambda: bot.added)
        assert bot.added[0].emoji.name == emoji
        await answer.remove_reaction(emoji, discord.Object(BOT_USER_ID))
        await until(lambda: bot.removed)
