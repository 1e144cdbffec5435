"""Threads: started by the bot and by people, archived, locked, joined."""

import discord
import pytest

from adapters.sandbox.discord import (
    ALL_PERMISSIONS,
    BOT_USER_ID,
    CHANNEL_IDS,
    PEOPLE_IDS,
    Intents,
    Permission,
)
from adapters.sandbox.platform import ControlError
from tests.adapters.sandbox.discord_bench import served
from tests.waiting import until


async def test_a_thread_of_the_bot_has_its_message_s_id_and_carries_talk_both_ways() -> None:
    async with served(privileged_intents=Intents(0)) as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor why?")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="why", auto_archive_duration=60)
        assert thread.id == int(asked)
        assert thread.parent_id == CHANNEL_IDS["general"]
        assert thread.owner_id == BOT_USER_ID
        assert thread.auto_archive_duration == 60
        await thread.send("Because.")
        more = await bench.world.post(
            channel="general", user="alice", text="@candor more", thread=asked
        )
        await until(lambda: bot.message(more))
        heard = bot.message(more)
        assert heard is not None
        assert isinstance(heard.channel, discord.Thread)
        assert heard.channel.id == thread.id
        seen = bench.world.messages(channel="general", user="bob")
        assert [(one.text, one.thread) for one in seen] == [
            ("@candor why?", None),
            ("Because.", asked),
            ("@candor more", asked),
        ]


async def test_a_person_s_thread_is_made_when_needed_and_told_before_its_first_message() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="a topic")
        for text in ("@candor one", "@candor two"):
            await bench.world.post(channel="general", user="bob", text=text, thread=asked)
        await until(lambda: len([one for one in bot.heard if one.content]) == 2)
        (thread,) = bot.threads_created
        assert (thread.id, thread.name) == (int(asked), "a topic")
        assert thread.owner_id == PEOPLE_IDS["bob"]
        parent, starter, first, second = bot.heard
        assert starter.type is discord.MessageType.thread_starter_message
        assert starter.content == ""
        assert first.channel == second.channel == thread
        await until(lambda: bot.edited)
        assert bot.edited[0].message_id == parent.id
        assert bot.edited[0].message.edited_at is None
        assert (await (await bot.channel()).fetch_message(parent.id)).flags.has_thread


async def test_a_thread_s_history_begins_with_a_pointer_to_its_message() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor topic")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="t")
        await thread.send("answer")
        starter, answer = [one async for one in thread.history(oldest_first=True)]
        assert starter.reference is not None
        assert isinstance(starter.reference.resolved, discord.Message)
        assert starter.reference.resolved.id == int(asked)
        assert answer.content == "answer"


async def test_a_message_has_one_thread_and_threads_have_none() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor topic")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="t")
        with pytest.raises(discord.HTTPException) as second:
            await bot.heard[0].create_thread(name="t")
        assert second.value.code == 160004
        inner = await thread.send("inner")
        with pytest.raises(discord.HTTPException) as nested:
            await bot.http.start_thread_with_message(
                thread.id, inner.id, name="n", auto_archive_duration=60
            )
        assert nested.value.code == 50024
        direct = await bench.world.post(channel="dm", user="bob", text="x")
        with pytest.raises(ControlError, match="no threads"):
            await bench.world.post(channel="dm", user="bob", text="x", thread=direct)
        with pytest.raises(ControlError, match="10008"):
            await bench.world.post(channel="general", user="bob", text="x", thread="12345")


async def test_a_thread_of_its_own_is_announced_in_the_channel() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        thread = await channel.create_thread(name="t", type=discord.ChannelType.public_thread)
        await until(lambda: bot.heard)
        assert bot.heard[0].type is discord.MessageType.thread_created
        assert bot.heard[0].channel.id == channel.id
        await bench.world.post(channel="general", user="bob", text="in", thread=str(thread.id))
        assert [one.thread for one in bench.world.messages(channel="general", user="bob")] == [
            str(thread.id)
        ]
        with pytest.raises(discord.HTTPException) as private:
            await channel.create_thread(name="t", type=discord.ChannelType.private_thread)
        assert private.value.code == 50035


async def test_an_archived_thread_takes_no_reaction_or_edit_until_somebody_speaks() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor topic")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="t")
        answer = await thread.send("answer")
        await thread.edit(archived=True)
        for forbidden in (answer.add_reaction("👍"), answer.edit(content="later")):
            with pytest.raises(discord.HTTPException) as archived:
                await forbidden
            assert archived.value.code == 50083
        await bench.world.post(channel="general", user="bob", text="@candor hi", thread=asked)
        await until(lambda: bot.heard[-1].content.endswith("hi"))
        await answer.add_reaction("👍")


async def test_a_locked_thread_is_closed_to_all_without_the_permission() -> None:
    permissions = ALL_PERMISSIONS & ~Permission.MANAGE_THREADS
    async with served(permissions=permissions) as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor topic")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="t")
        with pytest.raises(discord.Forbidden) as lock:
            await thread.edit(locked=True)
        assert lock.value.code == 50013
        assert (await thread.edit(name="renamed")).name == "renamed"
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor topic")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="t")
        await thread.edit(locked=True)
        with pytest.raises(ControlError, match="160005"):
            await bench.world.post(channel="general", user="bob", text="hi", thread=asked)


async def test_the_bot_joins_a_person_s_thread() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="topic")
        await bench.world.post(channel="general", user="alice", text="x", thread=asked)
        await until(lambda: bot.threads_created)
        (thread,) = bot.threads_created
        assert thread.me is None
        await thread.join()
        await until(lambda: thread.me is not None)


async def test_the_missing_permission_to_speak_in_threads_is_forbidden() -> None:
    permissions = ALL_PERMISSIONS & ~Permission.SEND_MESSAGES_IN_THREADS
    async with served(permissions=permissions) as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor topic")
        await until(lambda: bot.message(asked))
        thread = await bot.heard[0].create_thread(name="t")
        with pytest.raises(discord.Forbidden) as refused:
            await thread.send("x")
        assert refused.value.code == 50013
        await bot.heard[0].reply("here then")
