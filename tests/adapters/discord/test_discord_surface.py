"""Where an answer grows on Discord, over the loopback Discord."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord
import pytest

from adapters.discord.surface import LIMIT, DiscordSurface
from adapters.markdown import split, utf16_size
from adapters.sandbox.discord import GUILD_ID
from bot.domain import MessageRef
from bot.errors import MessageGone
from tests.adapters.sandbox.discord_bench import Bot, Served, served
from tests.waiting import until


@asynccontextmanager
async def place(channel: str = "general") -> AsyncIterator[tuple[Served, discord.Message]]:
    """A question, and the world that it was asked in."""
    async with served() as bench, bench.bot(Bot()) as bot:
        yield bench, await asked(bench, bot, channel)


async def asked(bench: Served, bot: Bot, channel: str = "general") -> discord.Message:
    posted = await bench.world.post(channel=channel, user="alice", text="@candor Why?")
    await until(lambda: bot.message(posted))
    message = bot.message(posted)
    assert message is not None
    return message


def texts(bench: Served, channel: str = "general") -> list[str]:
    """What the bot wrote."""
    return [one.text for one in bench.world.messages(channel=channel, user="alice") if one.bot]


async def test_the_first_part_is_a_reply_and_the_next_ones_are_not() -> None:
    async with place() as (bench, question):
        surface = DiscordSurface(question)
        first = await surface.post("one", turn="t1", part=0)
        second = await surface.post("two", turn="t1", part=1)
        answers = [one for one in bench.world.messages(channel="general", user="alice") if one.bot]
    assert [(one.id, one.text, one.reply_to) for one in answers] == [
        (first.message, "one", str(question.id)),
        (second.message, "two", None),
    ]
    assert first == MessageRef("discord", str(GUILD_ID), str(question.channel.id), first.message)


async def test_in_a_direct_message_nothing_is_a_reply() -> None:
    async with place("dm") as (bench, question):
        ref = await DiscordSurface(question).post("one", turn="t1", part=0)
        [answer] = [one for one in bench.world.messages(channel="dm", user="alice") if one.bot]
    assert answer.reply_to is None
    assert ref.workspace == "dm"


async def test_an_answer_to_a_question_that_is_deleted_meanwhile_is_posted() -> None:
    async with place() as (bench, question):
        await bench.world.delete(channel="general", message=str(question.id), user="alice")
        await DiscordSurface(question).post("one", turn="t1", part=0)
        assert texts(bench) == ["one"]


async def test_a_part_is_edited() -> None:
    async with place() as (bench, question):
        surface = DiscordSurface(question)
        ref = await surface.post("one", turn="t1", part=0)
        await surface.edit(ref, "two")
        assert texts(bench) == ["two"]


async def test_a_post_that_is_repeated_gives_the_same_message() -> None:
    """Its answer may be lost after Discord took it."""
    async with place() as (bench, question):
        surface = DiscordSurface(question)
        first = await surface.post("one", turn="t1", part=0)
        assert await surface.post("one", turn="t1", part=0) == first
        assert texts(bench) == ["one"]


async def test_two_refused_questions_are_both_told() -> None:
    """A refused question has no turn, and no other question's answer may stand for its own."""
    async with served() as bench, bench.bot(Bot()) as bot:
        for _ in range(2):
            surface = DiscordSurface(await asked(bench, bot))
            await surface.post("_Please ask again in a minute._", turn="", part=0)
        assert len(texts(bench)) == 2


async def test_a_message_that_is_deleted_is_gone() -> None:
    async with place() as (_, question):
        surface = DiscordSurface(question)
        ref = await surface.post("one", turn="t1", part=0)
        assert isinstance(question.channel, discord.TextChannel)
        await question.channel.get_partial_message(int(ref.message)).delete()
        with pytest.raises(MessageGone):
            await surface.edit(ref, "two")


@pytest.mark.parametrize("sign", ["x", "日", "🦊"])
async def test_the_largest_part_is_within_discord_s_limit(sign: str) -> None:
    async with place() as (bench, question):
        surface = DiscordSurface(question)
        [part, *_] = split(sign * LIMIT, surface.limit, surface.measure)
        await surface.post(part, turn="t1", part=0)
        assert texts(bench) == [part]
        assert surface.measure(part) == utf16_size(part) == LIMIT


async def test_edits_are_counted_by_channel() -> None:
    async with place() as (_, question):
        assert DiscordSurface(question).scope == str(question.channel.id)


async def test_typing_is_shown_while_busy() -> None:
    async with place() as (bench, question), DiscordSurface(question).busy():
        assert bench.world.activity(channel="general", user="alice")
