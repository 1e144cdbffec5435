"""Where an answer grows on Discord, over the loopback Discord."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import discord
import pytest

from adapters.discord.calls import Calls
from adapters.discord.dialect import LIMIT
from adapters.discord.surface import LOOK_BACK, DiscordSurface, after_which
from adapters.markdown import render, utf16_size
from adapters.sandbox.discord import CHANNEL_IDS, GUILD_ID
from adapters.sandbox.faults import Fault
from adapters.surface import Content
from bot.domain import MessageRef
from bot.errors import MessageGone
from tests.adapters.sandbox.discord_bench import Bot, Served, served
from tests.bot.turns_of import turn
from tests.waiting import until


@asynccontextmanager
async def place(channel: str = "general") -> AsyncIterator[tuple[Served, DiscordSurface]]:
    """The place under a question, and the world that it was asked in."""
    async with served() as bench, bench.bot(Bot()) as bot:
        yield bench, surface_of(bot, await asked(bench, bot, channel))


def surface_of(bot: Bot, question: discord.Message, after: int = 0) -> DiscordSurface:
    return DiscordSurface(
        Calls(lambda: bot),
        question.channel.id,
        question.guild.id if question.guild else None,
        question.id,
        isinstance(question.channel, discord.abc.GuildChannel),
        after,
    )


async def asked(bench: Served, bot: Bot, channel: str = "general") -> discord.Message:
    posted = await bench.world.post(channel=channel, user="alice", text="@candor Why?")
    await until(lambda: bot.message(posted))
    message = bot.message(posted)
    assert message is not None
    return message


def texts(bench: Served, channel: str = "general") -> list[str]:
    """What the bot wrote."""
    return [one.text for one in bench.world.messages(channel=channel, user="alice") if one.bot]


def questions(bench: Served, channel: str = "general") -> list[str]:
    """The ids of what people wrote."""
    return [one.id for one in bench.world.messages(channel=channel, user="alice") if not one.bot]


async def unknown(_: MessageRef) -> bool:
    """What a store says that never heard of any message."""
    return False


async def test_the_first_part_is_a_reply_and_the_next_ones_are_not() -> None:
    async with place() as (bench, surface):
        first = await surface.post(Content("one"), turn="t1", part=0)
        second = await surface.post(Content("two"), turn="t1", part=1)
        answers = [one for one in bench.world.messages(channel="general", user="alice") if one.bot]
        [question] = questions(bench)
    assert [(one.id, one.text, one.reply_to) for one in answers] == [
        (first.message, "one", question),
        (second.message, "two", None),
    ]
    assert first == MessageRef("discord", str(GUILD_ID), str(CHANNEL_IDS["general"]), first.message)


async def test_in_a_direct_message_nothing_is_a_reply() -> None:
    async with place("dm") as (bench, surface):
        ref = await surface.post(Content("one"), turn="t1", part=0)
        [answer] = [one for one in bench.world.messages(channel="dm", user="alice") if one.bot]
    assert answer.reply_to is None
    assert ref.workspace == "dm"


async def test_an_answer_to_a_question_that_is_deleted_meanwhile_is_posted() -> None:
    async with place() as (bench, surface):
        [question] = questions(bench)
        await bench.world.delete(channel="general", message=question, user="alice")
        await surface.post(Content("one"), turn="t1", part=0)
        assert texts(bench) == ["one"]


async def test_a_part_is_edited() -> None:
    async with place() as (bench, surface):
        ref = await surface.post(Content("one"), turn="t1", part=0)
        await surface.edit(ref, Content("two"), turn="t1")
        assert texts(bench) == ["two"]


async def test_a_post_that_is_repeated_gives_the_same_message() -> None:
    """Its answer may be lost after Discord took it."""
    async with place() as (bench, surface):
        first = await surface.post(Content("one"), turn="t1", part=0)
        assert await surface.post(Content("one"), turn="t1", part=0) == first
        assert texts(bench) == ["one"]


async def test_two_refused_questions_are_both_told() -> None:
    """A refused question has no turn, and no other question's answer may stand for its own."""
    async with served() as bench, bench.bot(Bot()) as bot:
        for _ in range(2):
            surface = surface_of(bot, await asked(bench, bot))
            await surface.post(Content("_Please ask again in a minute._"), turn="", part=0)
        assert len(texts(bench)) == 2


async def test_a_message_that_is_deleted_is_gone() -> None:
    async with place() as (_, surface):
        ref = await surface.post(Content("one"), turn="t1", part=0)
        await surface.delete(ref)
        with pytest.raises(MessageGone):
            await surface.edit(ref, Content("two"), turn="t1")


async def test_a_part_that_is_deleted_twice_is_deleted() -> None:
    async with place() as (bench, surface):
        ref = await surface.post(Content("one"), turn="t1", part=0)
        await surface.delete(ref)
        await surface.delete(ref)
        assert texts(bench) == []


@pytest.mark.parametrize("sign", ["x", "日", "🦊"])
async def test_the_largest_part_is_within_discord_s_limit(sign: str) -> None:
    async with place() as (bench, surface):
        [part, *_] = render(sign * LIMIT, surface.dialect).parts
        await surface.post(Content(part), turn="t1", part=0)
        assert texts(bench) == [part]
        assert surface.dialect.measure(part) == utf16_size(part) == LIMIT


async def test_edits_are_counted_by_channel() -> None:
    async with place() as (_, surface):
        assert surface.scope == str(CHANNEL_IDS["general"])


async def test_typing_is_shown_while_busy() -> None:
    async with place() as (bench, surface), surface.busy():
        await until(lambda: bench.world.activity(channel="general", user="alice"))


async def test_typing_is_asked_for_once_by_all_answers_of_a_channel() -> None:
    async with place() as (bench, surface), surface.busy():
        await until(lambda: bench.world.activity(channel="general", user="alice"))
        # A second call would fail, and the fault would be used up.
        fault = Fault(kind="server_error", on="POST /channels/{channel_id}/typing", variant="503")
        bench.world.faults.arm(fault)
        async with surface.busy():
            await surface.post(Content("one"), turn="t1", part=0)
        assert bench.world.faults.num_fired == 0


async def test_typing_that_fails_does_not_hurt_the_answer() -> None:
    async with place() as (bench, surface):
        bench.world.faults.arm(
            Fault(kind="server_error", on="POST /channels/{channel_id}/typing", variant="503")
        )
        async with surface.busy():
            await until(lambda: bench.world.faults.num_fired)
            await surface.post(Content("one"), turn="t1", part=0)
        assert texts(bench) == ["one"]


@pytest.mark.parametrize("channel", ["general", "dm"])
async def test_a_post_whose_answer_was_lost_is_found(channel: str) -> None:
    """Discord trims a text as it stores it."""
    async with place(channel) as (bench, surface):
        first = await surface.post(Content("one\n"), turn="t1", part=0)
        second = await surface.post(Content("two"), turn="t1", part=1)
        assert await surface.find("one\n", turn="t1", part=0, known=unknown) == first
        assert await surface.find("two", turn="t1", part=1, known=unknown) == second
        assert len(texts(bench, channel)) == 2


async def test_nothing_else_is_found_in_its_place() -> None:
    """Neither another text, nor a person's, nor an answer to somebody else, nor an older one."""
    async with served() as bench, bench.bot(Bot()) as bot:
        channel = await bot.channel()
        await channel.send("four")
        question = await asked(bench, bot)
        surface = surface_of(bot, question)
        other = surface_of(bot, await asked(bench, bot))
        await surface.post(Content("one, and more"), turn="t1", part=0)
        await bench.world.post(channel="general", user="bob", text="two", reply_to=str(question.id))
        await other.post(Content("three"), turn="t2", part=0)
        await channel.send("five")
        for text in ("one", "two", "three", "four", "five"):
            assert await surface.find(text, turn="t1", part=0, known=unknown) is None
        assert await surface.find("three", turn="t1", part=1, known=unknown) is None


async def test_a_message_that_is_known_is_not_found_again() -> None:
    """Two answers may say the same."""
    async with place() as (_, surface):
        first = await surface.post(Content("same"), turn="t1", part=1)
        second = await surface.post(Content("same"), turn="t2", part=1)

        async def known(ref: MessageRef) -> bool:
            return ref == first

        assert await surface.find("same", turn="t2", part=1, known=known) == second


async def test_a_lost_post_is_found_behind_others_but_not_at_any_distance() -> None:
    async with place() as (bench, surface):
        for number in range(LOOK_BACK - 1):
            await bench.world.post(channel="general", user="bob", text=str(number))
        ref = await surface.post(Content("last"), turn="t1", part=0)
        assert await surface.find("last", turn="t1", part=0, known=unknown) == ref
        await surface.post(Content("one too far"), turn="t1", part=1)
        assert await surface.find("one too far", turn="t1", part=1, known=unknown) is None


async def test_both_thumbs_are_put_under_a_part_once() -> None:
    async with place() as (bench, surface):
        ref = await surface.post(Content("one"), turn="t1", part=0)
        await surface.seed(ref)
        await surface.seed(ref)
        [part] = [one for one in bench.world.messages(channel="general", user="alice") if one.bot]
        assert [(one.emoji, one.users) for one in part.reactions] == [
            ("👍", ("candor",)),
            ("👎", ("candor",)),
        ]
        await surface.delete(ref)
        with pytest.raises(MessageGone):
            await surface.seed(ref)


async def test_a_part_is_looked_for_behind_what_is_known() -> None:
    """Which may be long after its question, with many messages in between."""
    async with served() as bench, bench.bot(Bot()) as bot:
        question = await asked(bench, bot)
        ref = await surface_of(bot, question).post(Content("one"), turn="t1", part=0)
        for after, found in ((int(ref.message) - 1, ref), (int(ref.message), None)):
            surface = surface_of(bot, question, after)
            assert await surface.find("one", turn="t1", part=0, known=unknown) == found


def test_a_lost_part_is_behind_those_that_are_known_or_behind_the_wish_for_another_try() -> None:
    """A notice that the store is away is older than its turn, so of others nothing is assumed."""
    first = replace(turn(), created_at=1_795_427_000.0)
    part = replace(first.question, message="77")
    assert after_which(first) == 0
    assert after_which(replace(first, parts=(part,))) == 77
    again = after_which(replace(first, retry_of="t0"))
    asked_at = discord.utils.snowflake_time(again).timestamp()
    assert asked_at == pytest.approx(first.created_at - 60)
