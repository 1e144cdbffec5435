"""Messages as the real client sends, receives, edits and reads them."""

import asyncio
import io

import aiohttp
import discord
import pytest

from adapters.sandbox.discord import BOT_USER_ID, PEOPLE_IDS, Intents
from adapters.sandbox.platform import ControlError
from tests.adapters.sandbox.discord_bench import Bot, served
from tests.waiting import until

ALICE = discord.Object(PEOPLE_IDS["alice"])


async def test_content_comes_only_with_a_mention_without_the_content_intent() -> None:
    async with served() as bench, bench.bot() as bot:
        await bench.world.post(channel="general", user="alice", text="nobody in particular")
        named = await bench.world.post(channel="general", user="bob", text="hello @candor!")
        await until(lambda: bot.message(named))
        blank, full = bot.heard
        assert blank.content == ""
        assert full.content == f"hello <@{BOT_USER_ID}>!"
        assert [one.id for one in full.mentions] == [BOT_USER_ID]
        assert (full.author.id, full.author.name) == (PEOPLE_IDS["bob"], "bob")
        assert isinstance(full.author, discord.Member)


async def test_the_content_intent_shows_all_content() -> None:
    async with served() as bench:
        intents = discord.Intents(guilds=True, messages=True, message_content=True)
        async with bench.bot(Bot(intents)) as bot:
            posted = await bench.world.post(channel="random", user="alice", text="just talk")
            await until(lambda: bot.message(posted))
            assert bot.heard[0].content == "just talk"


@pytest.mark.parametrize(
    ("enabled", "seen"), [(Intents(0), ""), (Intents.MESSAGE_CONTENT, "just talk")]
)
async def test_history_is_blank_unless_the_intent_is_switched_on(
    enabled: Intents, seen: str
) -> None:
    async with served(privileged_intents=enabled) as bench, bench.bot() as bot:
        await bench.world.post(channel="general", user="alice", text="just talk")
        await bench.world.post(channel="general", user="alice", text="@candor you")
        channel = await bot.channel()
        own = await channel.send("mine")
        found = [one.content async for one in channel.history(oldest_first=True)]
        assert found == [seen, f"<@{BOT_USER_ID}> you", "mine"]
        assert (await channel.fetch_message(own.id)).content == "mine"


async def test_a_session_without_the_message_intent_hears_nothing() -> None:
    intents = discord.Intents(guilds=True, reactions=True)
    async with served() as bench, bench.bot(Bot(intents)) as bot:
        posted = await bench.world.post(channel="general", user="alice", text="@candor")
        await bench.world.react(
            channel="general", message=posted, user="bob", emoji="👍", present=True
        )
        await until(lambda: bot.added)
        assert bot.heard == []


async def test_the_bot_replies_and_the_reply_carries_what_it_answers() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor why?")
        await until(lambda: bot.message(asked))
        answer = await bot.heard[0].reply("Because.")
        assert answer.type is discord.MessageType.reply
        assert answer.reference is not None
        assert isinstance(answer.reference.resolved, discord.Message)
        assert answer.reference.resolved.id == int(asked)
        assert [one.name for one in answer.mentions] == ["alice"]
        seen = bench.world.messages(channel="general", user="alice")
        assert [(one.user, one.bot, one.text, one.reply_to) for one in seen] == [
            ("alice", False, "@candor why?", None),
            ("candor", True, "Because.", asked),
        ]


async def test_a_person_s_reply_pings_and_its_chain_is_one_level_deep() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        first = await channel.send("one")
        second = await bench.world.post(
            channel="general", user="alice", text="two", reply_to=str(first.id)
        )
        third = await bench.world.post(
            channel="general", user="bob", text="@candor three", reply_to=second
        )
        await until(lambda: bot.message(third))
        heard = {str(one.id): one for one in bot.heard}
        assert heard[second].content == "two"
        assert [one.id for one in heard[second].mentions] == [BOT_USER_ID]
        inner = heard[third].reference
        assert inner is not None
        assert isinstance(inner.resolved, discord.Message)
        assert inner.resolved.reference is not None
        assert inner.resolved.reference.resolved is None


async def test_a_deleted_question_shows_as_deleted_and_cannot_be_answered() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor why?")
        await until(lambda: bot.message(asked))
        question = bot.heard[0]
        answer = await question.reply("Because.")
        await bench.world.delete(channel="general", message=asked, user="alice")
        await until(lambda: bot.deleted)
        assert bot.deleted[0].message_id == int(asked)
        again = await answer.channel.fetch_message(answer.id)
        assert again.reference is not None
        assert isinstance(again.reference.resolved, discord.DeletedReferencedMessage)
        with pytest.raises(discord.HTTPException) as refused:
            await question.reply("Anybody?")
        assert (refused.value.status, refused.value.code) == (400, 50035)
        with pytest.raises(discord.NotFound) as missing:
            await question.add_reaction("👍")
        assert missing.value.code == 10008
        reference = discord.MessageReference.from_message(question, fail_if_not_exists=False)
        plain = await answer.channel.send("Alone", reference=reference)
        assert plain.type is discord.MessageType.default


async def test_an_edit_is_seen_by_people_and_by_the_bot() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        sent = await channel.send("draft")
        assert not bench.world.messages(channel="general", user="bob")[0].edited
        changed = await sent.edit(content="final")
        assert changed.edited_at is not None
        seen = bench.world.messages(channel="general", user="bob")[0]
        assert (seen.text, seen.edited) == ("final", True)
        await until(lambda: bot.edited)
        assert bot.edited[0].data["content"] == "final"


async def test_a_person_s_edit_and_delete_reach_the_bot() -> None:
    async with served() as bench, bench.bot() as bot:
        posted = await bench.world.post(channel="general", user="alice", text="@candor a")
        await bench.world.edit(channel="general", message=posted, user="alice", text="@candor b")
        await until(lambda: bot.edited)
        assert bot.edited[0].message.content.endswith(" b")
        with pytest.raises(ControlError, match="50005"):
            await bench.world.edit(channel="general", message=posted, user="bob", text="mine")


async def test_the_limits_of_content_are_refused_with_discord_s_codes() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        assert len((await channel.send("x" * 2000)).content) == 2000
        with pytest.raises(discord.HTTPException, match="2000 or fewer") as long:
            await channel.send("x" * 2001)
        assert (long.value.status, long.value.code) == (400, 50035)
        with pytest.raises(discord.HTTPException) as empty:
            await channel.send("  \n ")
        assert (empty.value.status, empty.value.code) == (400, 50006)
        with pytest.raises(discord.HTTPException) as big:
            await channel.send(embeds=[discord.Embed(description="x" * 4000)] * 2)
        assert big.value.code == 50035
        posted = await bench.world.post(channel="general", user="alice", text="@candor hi")
        await until(lambda: bot.message(posted))
        question = bot.message(posted)
        assert question is not None
        with pytest.raises(discord.Forbidden) as others:
            await question.edit(content="mine now")
        assert others.value.code == 50005


async def test_a_person_is_told_what_the_platform_refuses() -> None:
    async with served() as bench:
        post = bench.world.post
        with pytest.raises(ControlError, match=r"50035\): content: .*2000 or fewer"):
            await post(channel="general", user="alice", text="x" * 2001)
        with pytest.raises(ControlError, match="50006"):
            await post(channel="general", user="alice", text="   ")
        with pytest.raises(ControlError, match="channel"):
            await post(channel="nowhere", user="alice", text="hi")
        with pytest.raises(ControlError, match="person"):
            await post(channel="general", user="candor", text="hi")
        with pytest.raises(ControlError, match="message"):
            await post(channel="general", user="alice", text="hi", reply_to="x")
        with pytest.raises(ControlError, match="50035"):
            await post(channel="general", user="alice", text="hi", reply_to="17")
        with pytest.raises(ControlError, match="Unicode"):
            await post(channel="general", user="alice", text="\ud800")
        assert bench.world.messages(channel="general", user="alice") == []


async def test_the_same_nonce_gives_the_first_message_and_makes_no_second() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        first = await channel.send("once", nonce="turn-1-part-0")
        again = await channel.send("once", nonce="turn-1-part-0")
        other = await channel.send("twice", nonce="turn-1-part-1")
        assert again.id == first.id != other.id
        await until(lambda: bot.message(str(other.id)))
        assert [one.nonce for one in bot.heard] == ["turn-1-part-0", "turn-1-part-1"]
        with pytest.raises(discord.HTTPException) as long:
            await channel.send("x", nonce="n" * 26)
        assert long.value.code == 50035


async def test_a_nonce_is_forgotten_after_its_window() -> None:
    now = [1_700_000_000.0]
    async with served(clock=lambda: now[0], nonce_window_s=60.0) as bench, bench.bot() as bot:
        channel = await bot.channel()
        first = await channel.send("once", nonce="n")
        now[0] += 59
        assert (await channel.send("once", nonce="n")).id == first.id
        now[0] += 2
        assert (await channel.send("once", nonce="n")).id != first.id


async def test_a_direct_message_goes_both_ways_and_needs_no_content_intent() -> None:
    async with served(privileged_intents=Intents(0)) as bench, bench.bot() as bot:
        assert bench.world.messages(channel="dm", user="carol") == []
        posted = await bench.world.post(channel="dm", user="carol", text="between us")
        await until(lambda: bot.message(posted))
        heard = bot.heard[0]
        assert heard.guild is None
        assert isinstance(heard.channel, discord.DMChannel)
        assert heard.content == "between us"
        await heard.channel.send("sure")
        seen = bench.world.messages(channel="dm", user="carol")
        assert [one.user for one in seen] == ["carol", "candor"]
        assert [one.text for one in seen] == ["between us", "sure"]
        assert bench.world.messages(channel="dm", user="dave") == []


async def test_the_bot_opens_a_direct_message_and_the_person_finds_it() -> None:
    async with served() as bench, bench.bot() as bot:
        opened = await bot.create_dm(ALICE)
        await opened.send("hello")
        assert [one.text for one in bench.world.messages(channel="dm", user="alice")] == ["hello"]
        with pytest.raises(discord.NotFound) as nobody:
            await bot.create_dm(discord.Object(5))
        assert nobody.value.code == 10013


async def test_a_file_goes_up_and_comes_down_until_its_address_expires() -> None:
    now = [1_700_000_000.0]
    async with served(clock=lambda: now[0], file_life_s=60.0) as bench, bench.bot() as bot:
        channel = await bot.channel()
        body = bytes(range(256)) * 9000
        sent = await channel.send("look", file=discord.File(io.BytesIO(body), "data set.bin"))
        (file,) = sent.attachments
        assert (file.filename, file.size) == ("data_set.bin", len(body))
        assert await file.read() == body
        now[0] += 61
        with pytest.raises(discord.NotFound):
            await file.read()
        (fresh,) = (await channel.fetch_message(sent.id)).attachments
        assert await fresh.read() == body
        async with aiohttp.ClientSession() as session:
            for forged in (fresh.url[:-1], fresh.url.replace("data_set", "other")):
                async with session.get(forged) as response:
                    assert response.status == 404


async def test_a_file_over_ten_mebibytes_is_refused() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        with pytest.raises(discord.HTTPException) as large:
            await channel.send(file=discord.File(io.BytesIO(b"x" * (10 * 2**20 + 1)), "big.bin"))
        assert (large.value.status, large.value.code) == (413, 40005)
        assert bench.world.messages(channel="general", user="bob") == []


async def test_attachments_are_kept_replaced_and_removed_by_an_edit() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        sent = await channel.send("a", file=discord.File(io.BytesIO(b"1"), "one.txt"))
        text = await sent.edit(content="b")
        assert [file.filename for file in text.attachments] == ["one.txt"]
        added = await text.add_files(discord.File(io.BytesIO(b"2"), "two.txt"))
        assert [await file.read() for file in added.attachments] == [b"1", b"2"]
        removed = await added.remove_attachments(added.attachments[0])
        assert [file.filename for file in removed.attachments] == ["two.txt"]
        none = await removed.edit(attachments=[])
        assert none.attachments == []
        with pytest.raises(discord.HTTPException) as empty:
            await none.edit(content=None)
        assert empty.value.code == 50006


async def test_history_pages_by_before_after_and_around() -> None:
    async with served() as bench, bench.bot() as bot:
        ids = [
            int(await bench.world.post(channel="general", user="alice", text=f"{number}"))
            for number in range(7)
        ]
        channel = await bot.channel()

        async def page(**asked: discord.abc.Snowflake | int | None) -> list[int]:
            return [one.id async for one in channel.history(**asked)]  # type: ignore[arg-type]

        assert await page(limit=3) == [*reversed(ids[4:])]
        assert await page(limit=2, before=discord.Object(ids[4])) == [ids[3], ids[2]]
        assert await page(limit=2, after=discord.Object(ids[1])) == [ids[2], ids[3]]
        assert await page(limit=3, around=discord.Object(ids[3])) == [ids[4], ids[3], ids[2]]


async def test_the_bot_deletes_its_own_and_as_moderator_others_messages_but_not_in_a_dm() -> None:
    async with served() as bench, bench.bot() as bot:
        posted = await bench.world.post(channel="general", user="alice", text="@candor x")
        secret = await bench.world.post(channel="dm", user="alice", text="x")
        await until(lambda: bot.message(secret))
        for one in list(bot.heard):
            if str(one.id) == posted:
                await one.delete()
            else:
                with pytest.raises(discord.Forbidden) as refused:
                    await one.delete()
                assert refused.value.code == 50003
        assert bench.world.messages(channel="general", user="alice") == []
        own = await (await bot.channel()).send("mine")
        await own.delete()
        await until(lambda: len(bot.deleted) == 2)


async def test_typing_is_shown_until_the_answer_or_ten_seconds() -> None:
    now = [1_700_000_000.0]
    async with served(clock=lambda: now[0]) as bench:
        intents = discord.Intents(guilds=True, messages=True, typing=True)
        async with bench.bot(Bot(intents)) as bot:
            channel = await bot.channel()
            assert bench.world.activity(channel="general", user="bob") is None
            await channel.typing()
            assert bench.world.activity(channel="general", user="bob") == "typing"
            assert bench.world.activity(channel="random", user="bob") is None
            await until(lambda: bot.typing_seen)
            assert bot.typing_seen[0].user_id == BOT_USER_ID
            now[0] += 10
            assert bench.world.activity(channel="general", user="bob") is None
            await channel.typing()
            await channel.send("there")
            assert bench.world.activity(channel="general", user="bob") is None


async def test_pins_are_listed_newest_first_and_noted_in_the_channel() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        for text in ("one", "two"):
            await (await channel.send(text)).pin()
        assert [one.content async for one in channel.pins()] == ["two", "one"]
        await until(lambda: sum(one.type is discord.MessageType.pins_add for one in bot.heard) == 2)
        async for one in channel.pins():
            await one.unpin()
        assert [one async for one in channel.pins()] == []
        seen = bench.world.messages(channel="general", user="bob")
        assert [(one.text, one.edited) for one in seen] == [("one", False), ("two", False)]


async def test_buttons_and_layouts_come_back_as_they_were_sent() -> None:
    async with served() as bench, bench.bot() as bot:
        channel = await bot.channel()
        view = discord.ui.View(timeout=None)
        view.add_item(discord.ui.Button(label="Why?", custom_id="why"))
        sent = await channel.send("pick", view=view)
        row = (await channel.fetch_message(sent.id)).components[0]
        assert isinstance(row, discord.ActionRow)
        assert [child.custom_id for child in row.children] == ["why"]
        layout = discord.ui.LayoutView()
        layout.add_item(discord.ui.TextDisplay("shown"))
        shown = await channel.send(view=layout)
        assert shown.flags.components_v2
        layout.add_item(discord.ui.TextDisplay("x" * 4000))
        with pytest.raises(discord.HTTPException) as long:
            await channel.send(view=layout)
        assert long.value.code == 50035


async def test_changes_are_told_to_subscribers_until_they_leave() -> None:
    async with served() as bench:
        told: list[int] = []
        leave = bench.world.subscribe(lambda: told.append(1))
        posted = await bench.world.post(channel="general", user="alice", text="hi")
        for _ in range(2):
            await bench.world.react(
                channel="general", message=posted, user="bob", emoji="👍", present=True
            )
        assert len(told) == 2
        leave()
        await bench.world.post(channel="general", user="alice", text="hi")
        await asyncio.sleep(0)
        assert len(told) == 2
