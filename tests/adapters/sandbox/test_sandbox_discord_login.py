"""Logging in, getting ready, and being refused."""

import discord
import pytest

from adapters.sandbox.discord import (
    APPLICATION_ID,
    BOT_ROLE_ID,
    BOT_USER_ID,
    CHANNEL_IDS,
    GUILD_ID,
    Intents,
    Limits,
    Permission,
    Window,
)
from adapters.sandbox.platform import Platform
from tests.adapters.sandbox.discord_bench import TOKEN, Bot, served


async def test_the_client_logs_in_and_finds_the_guild_with_its_channels_and_itself() -> None:
    async with served() as bench:
        platform: Platform = bench.world
        assert platform.name == "discord"
        assert not platform.connected()
        async with bench.bot() as bot:
            assert bot.user is not None
            assert bot.user.id == BOT_USER_ID
            assert bot.application_id == APPLICATION_ID
            guild = bot.get_guild(GUILD_ID)
            assert guild is not None
            assert {one.name: one.id for one in guild.text_channels} == CHANNEL_IDS
            assert guild.me.get_role(BOT_ROLE_ID) is guild.self_role
            assert guild.member_count == 5
            assert bench.world.connected()


async def test_a_wrong_token_is_a_login_failure() -> None:
    async with served():
        bot = Bot()
        with pytest.raises(discord.LoginFailure):
            await bot.start("another-token")
        await bot.close()


async def test_a_privileged_intent_that_is_not_switched_on_is_refused() -> None:
    async with served(privileged_intents=Intents(0)):
        intents = discord.Intents(guilds=True, messages=True, message_content=True)
        bot = Bot(intents)
        with pytest.raises(discord.PrivilegedIntentsRequired):
            await bot.start(TOKEN)
        await bot.close()


async def test_the_channel_permissions_are_those_of_the_bot_s_role() -> None:
    allowed = Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES
    async with served(permissions=allowed) as bench, bench.bot() as bot:
        channel = await bot.channel()
        mine = channel.permissions_for(channel.guild.me)
        assert mine.send_messages
        assert not mine.read_message_history
        assert not mine.manage_messages


async def test_session_starts_are_counted_and_told() -> None:
    limits = Limits(session_starts=Window(7, 3600.0))
    async with served(limits=limits) as bench, bench.http() as http:
        async with bench.bot():
            pass
        async with http.get(f"{bench.api}/gateway/bot") as response:
            told = await response.json()
        assert told["url"] == bench.gateway
        assert told["session_start_limit"]["total"] == 7
        assert told["session_start_limit"]["remaining"] == 6


async def test_the_sharded_client_gets_ready_too() -> None:
    async with served() as bench:

        class Sharded(discord.AutoShardedClient):
            async def on_ready(self) -> None:
                await self.close()

        client = Sharded(intents=discord.Intents(guilds=True), guild_ready_timeout=0.1)
        await client.start(TOKEN)
        assert client.shard_count == 1
        assert not bench.world.connected()


async def test_members_are_chunked_only_with_the_members_intent() -> None:
    async with served(privileged_intents=Intents.GUILD_MEMBERS) as bench:
        intents = discord.Intents(guilds=True, members=True)
        async with bench.bot(Bot(intents)) as bot:
            guild = bot.get_guild(GUILD_ID)
            assert guild is not None
            assert {one.name for one in guild.members} == {
                "candor",
                "alice",
                "bob",
                "carol",
                "dave",
            }
        async with bench.bot() as bot:
            guild = bot.get_guild(GUILD_ID)
            assert guild is not None
            assert [one.id for one in guild.members] == [BOT_USER_ID]
