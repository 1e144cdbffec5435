"""What a bot that was away can read back from the loopback Discord, with discord.py."""

import discord
import pytest

from adapters.sandbox.discord import BOT_USER_ID, CHANNEL_IDS, GUILD_ID, PEOPLE_IDS
from adapters.sandbox.people import handles
from tests.adapters.sandbox.discord_bench import Bot, Served, served
from tests.waiting import until


async def asked(bench: Served, text: str, **where: str) -> int:
    return int(
        await bench.world.post(**{"channel": "general", "user": "alice", **where}, text=text)
    )


async def test_questions_asked_meanwhile_are_read_back_page_by_page() -> None:
    async with served() as bench:
        async with bench.bot() as bot:
            seen = await asked(bench, "@candor seen")
            await until(lambda: bot.heard)
        missed = [await asked(bench, f"@candor {number}") for number in range(205)]
        async with bench.bot() as again:
            channel = await again.channel()
            assert channel.last_message_id == missed[-1]
            history = channel.history(after=discord.Object(seen), limit=None, oldest_first=True)
            found = [one async for one in history]
            assert [one.id for one in found] == missed
            assert all(one.content.endswith(str(at)) for at, one in enumerate(found))
            assert all(one.mentions[0].id == BOT_USER_ID for one in found)
            assert again.heard == []


async def test_history_tells_no_nonce_but_the_answer_to_a_post_does() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        sent = await channel.send("answer", nonce="turn-1")
        assert sent.nonce == "turn-1"
        (found,) = [one async for one in channel.history()]
        assert (found.id, found.nonce) == (sent.id, None)
        assert (await channel.fetch_message(sent.id)).nonce is None
        assert bench.world.audit()[0].nonce == "turn-1"


async def test_reactions_given_meanwhile_are_read_back_person_by_person() -> None:
    people = handles(130)
    async with served(people=people) as bench:
        async with bench.bot() as bot:
            answer = await (await bot.channel()).send("answer")
        for handle in people:
            await bench.world.react(
                channel="general", message=str(answer.id), user=handle, emoji="👍", present=True
            )
        await bench.world.react(
            channel="general",
            message=str(answer.id),
            user="bob",
            emoji="👎",
            present=True,
            burst=True,
        )
        async with bench.bot() as again:
            (found,) = [one async for one in (await again.channel()).history()]
            up, down = found.reactions
            assert (up.emoji, up.normal_count, up.burst_count, up.me) == ("👍", 130, 0, False)
            assert (down.emoji, down.normal_count, down.burst_count) == ("👎", 0, 1)
            normal = discord.ReactionType.normal
            assert sorted([one.id async for one in up.users(type=normal)]) == sorted(
                PEOPLE_IDS[handle] for handle in people
            )
            assert [one.id async for one in down.users(type=normal)] == []
            bursts = down.users(type=discord.ReactionType.burst)
            assert [one.id async for one in bursts] == [PEOPLE_IDS["bob"]]


async def test_active_threads_come_with_the_guild_and_on_request_with_their_last_message() -> None:
    async with served() as bench:
        async with bench.bot() as bot:
            sources = [await asked(bench, f"@candor {number}") for number in range(3)]
            await until(lambda: len(bot.heard) == 3)
            threads = [await one.create_thread(name="talk") for one in bot.heard[:2]]
            await threads[0].send("answer")
            await threads[1].edit(archived=True)
        last = await asked(bench, "and more?", thread=str(sources[0]))
        other = await asked(bench, "a thread of people", thread=str(sources[2]))
        async with bench.bot() as again:
            guild = again.get_guild(GUILD_ID)
            assert guild is not None
            known = {one.id: one for one in guild.threads}
            assert set(known) == {sources[0], sources[2]}
            assert known[sources[0]].last_message_id == last
            active = await guild.active_threads()
            assert [one.id for one in active] == [sources[2], sources[0]]
            assert [one.last_message_id for one in active] == [other, last]
            assert [one.me is not None for one in active] == [False, True]
            found = [one.content async for one in known[sources[0]].history(oldest_first=True)]
            assert found[1:] == ["answer", "and more?"]
            with pytest.raises(discord.Forbidden) as elsewhere:
                await again.http.get_active_threads(GUILD_ID + 1)
            assert elsewhere.value.code == 50001


async def test_a_direct_message_is_found_by_opening_the_channel() -> None:
    async with served() as bench:
        secret = await asked(bench, "psst", channel="dm")
        async with bench.bot() as bot:
            assert list(bot.private_channels) == []
            opened = await bot.create_dm(discord.Object(PEOPLE_IDS["alice"]))
            assert [one.id async for one in opened.history(limit=10)] == [secret]
            raw = await bot.http.start_private_message(PEOPLE_IDS["alice"])
            assert raw["last_message_id"] == str(secret)


async def test_the_last_message_s_id_outlives_the_message() -> None:
    async with served() as bench:
        first = await asked(bench, "one")
        gone = await asked(bench, "two")
        await bench.world.delete(channel="general", message=str(gone), user="alice")
        async with bench.bot(Bot()) as bot:
            channel = await bot.channel()
            assert channel.last_message_id == gone
            assert [one.id async for one in channel.history()] == [first]
            quiet = bot.get_channel(CHANNEL_IDS["random"])
            assert isinstance(quiet, discord.TextChannel)
            assert quiet.last_message_id is None
