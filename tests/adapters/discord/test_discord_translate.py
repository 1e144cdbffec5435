"""Discord's events as ours, as the real client tells them over the loopback Discord."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest

from adapters.discord.standing import of_message
from adapters.discord.translate import emoji_of, incoming, reaction, workspace
from adapters.sandbox.discord import (
    BOT_ROLE_ID,
    BOT_USER_ID,
    CHANNEL_IDS,
    GUILD_ID,
    PEOPLE_IDS,
    PEOPLE_ROLE_ID,
)
from bot.domain import Incoming, MessageRef, Person, Reaction
from tests.adapters.sandbox.discord_bench import Bot, Served, served
from tests.waiting import until

ALICE, BOB = PEOPLE_IDS["alice"], PEOPLE_IDS["bob"]
GENERAL = CHANNEL_IDS["general"]
MENTION = f"<@{BOT_USER_ID}>"


class Ear:
    """The bot's connection, and what people wrote as ours."""

    def __init__(self, bench: Served, bot: Bot) -> None:
        self.bench = bench
        self.world = bench.world
        self.bot = bot

    async def raw(self, text: str, *, channel: str = "general", **where: Any) -> discord.Message:
        """The message that the client was told of when a person wrote."""
        posted = await self.world.post(channel=channel, user="alice", text=text, **where)
        await until(lambda: self.bot.message(posted))
        message = self.bot.message(posted)
        assert message is not None
        return message

    def translated(self, message: discord.Message) -> Incoming | None:
        assert self.bot.user is not None
        return incoming(message, self.bot.user)

    async def heard(self, text: str, *, channel: str = "general", **where: Any) -> Incoming:
        found = self.translated(await self.raw(text, channel=channel, **where))
        assert found is not None
        return found


@asynccontextmanager
async def listening() -> AsyncIterator[Ear]:
    intents = discord.Intents(guilds=True, messages=True, reactions=True, message_content=True)
    async with served() as bench, bench.bot(Bot(intents)) as bot:
        yield Ear(bench, bot)


# Messages


async def test_a_message_in_a_channel_is_translated() -> None:
    async with listening() as ear:
        message = await ear.raw(f"{MENTION} Why?")
        assert ear.translated(message) == Incoming(
            ref=MessageRef("discord", str(GUILD_ID), str(GENERAL), str(message.id)),
            author=Person("discord", str(ALICE), message.author.display_name),
            text="Why?",
            place="channel",
            sent_at=message.created_at.timestamp(),
            mentions_bot=True,
            standing=of_message(message),
        )
        assert of_message(message).is_moderator
        assert message.author.display_name.lower() == "alice"


async def test_a_message_that_mentions_nobody_addresses_nobody() -> None:
    async with listening() as ear:
        found = await ear.heard("Why?")
    assert not found.mentions_bot
    assert not found.mentions_others


async def test_a_direct_message_has_no_guild() -> None:
    async with listening() as ear:
        found = await ear.heard("Why?", channel="dm")
    assert found.place == "dm"
    assert found.ref.workspace == "dm"
    assert found.thread is None


async def test_a_message_in_a_thread_stands_in_that_thread() -> None:
    async with listening() as ear:
        first = await ear.heard("one")
        second = await ear.heard("two", thread=first.ref.message)
    assert second.place == "thread"
    assert second.thread == second.ref.channel == first.ref.message
    assert second.ref.workspace == str(GUILD_ID)


async def test_a_reply_tells_what_it_answers_and_its_ping_is_no_mention() -> None:
    """The client pings whom a reply answers by default: that addresses nobody by itself."""
    async with listening() as ear:
        sent = await (await ear.bot.channel()).send("It is so.")
        found = await ear.heard("Why?", reply_to=str(sent.id))
    assert found.reply_to == str(sent.id)
    assert not found.mentions_bot
    assert not found.mentions_others


async def test_a_message_that_answers_none_has_no_reply() -> None:
    async with listening() as ear:
        assert (await ear.heard("Why?")).reply_to is None


@pytest.mark.parametrize(
    ("text", "bot", "others", "read"),
    [
        (f"{MENTION} Why?", True, False, "Why?"),
        (f"<@!{BOT_USER_ID}> Why?", True, False, "Why?"),
        (f"Why, {MENTION}?", True, False, "Why, ?"),
        (MENTION, True, False, ""),
        (f"<@&{BOT_ROLE_ID}> Why?", True, False, "Why?"),
        (f"<@{BOB}> Why?", False, True, "@bob Why?"),
        (f"<@{BOB}> {MENTION} Why?", True, True, "@bob  Why?"),
        (f"<@&{PEOPLE_ROLE_ID}> Why?", False, True, "@people Why?"),
        ("<@123> Why?", False, True, "@123 Why?"),
        ("<@&123> Why?", False, True, "@123 Why?"),
        (f"in <#{GENERAL}>", False, False, "in #general"),
        ("in <#123>", False, False, "in #123"),
        ("@everyone Why?", False, True, "@everyone Why?"),
        ("1 < 2 && 3 > 2 &amp;", False, False, "1 < 2 && 3 > 2 &amp;"),
        ("<:custom:123> Why?", False, False, "<:custom:123> Why?"),
    ],
)
async def test_who_is_addressed_and_what_is_read(
    text: str, *, bot: bool, others: bool, read: str
) -> None:
    async with listening() as ear:
        found = await ear.heard(text)
    assert (found.mentions_bot, found.mentions_others) == (bot, others)
    assert found.text.lower() == read.lower()


async def test_what_a_bot_writes_is_no_question() -> None:
    async with listening() as ear:
        sent = await (await ear.bot.channel()).send(f"{MENTION} Why?")
        await until(lambda: ear.bot.message(str(sent.id)))
        heard = ear.bot.message(str(sent.id))
        assert heard is not None
        assert heard.author.bot
        assert ear.translated(heard) is None


async def test_what_discord_itself_writes_is_no_question() -> None:
    async with listening() as ear:
        first = await ear.raw("one")
        await ear.raw("two", thread=str(first.id))
        await until(lambda: [one for one in ear.bot.heard if one.type not in SPOKEN])
        notes = [one for one in ear.bot.heard if one.type not in SPOKEN]
        assert [ear.translated(note) for note in notes] == [None] * len(notes)


SPOKEN = {discord.MessageType.default, discord.MessageType.reply}


async def test_without_the_content_intent_a_mention_is_read_and_a_follow_up_is_empty() -> None:
    async with served() as bench, bench.bot() as bot:
        ear = Ear(bench, bot)
        assert (await ear.heard(f"{MENTION} Why?")).text == "Why?"
        assert (await ear.heard("Why?")).text == ""
        assert (await ear.heard("Why?", channel="dm")).text == "Why?"


# Reactions


async def reacted(ear: Ear, emoji: str, *, channel: str = "general", **how: Any) -> Reaction:
    """What the client was told of when a person reacted to an answer."""
    asked = await ear.raw(f"{MENTION} Why?", channel=channel)
    sent = await asked.channel.send("It is so.")
    events = ear.bot.added
    before = len(events)
    await ear.world.react(
        channel=channel, message=str(sent.id), user="alice", emoji=emoji, present=True, **how
    )
    await until(lambda: len(events) > before)
    found = reaction(events[-1], me=BOT_USER_ID, name="Alice", at=2.5)
    assert found.ref.message == str(sent.id)
    return found


async def test_a_reaction_is_translated() -> None:
    async with listening() as ear:
        found = await reacted(ear, "👍")
    assert found == Reaction(
        ref=MessageRef("discord", str(GUILD_ID), str(GENERAL), found.ref.message),
        person=Person("discord", str(ALICE), "Alice"),
        emoji="👍",
        present=True,
        at=2.5,
        kind="normal",
        ours=True,
    )


async def test_a_super_reaction_is_told_from_a_normal_one() -> None:
    async with listening() as ear:
        assert (await reacted(ear, "👍", burst=True)).kind == "burst"


async def test_a_reaction_taken_away_is_absent_and_otherwise_the_same() -> None:
    async with listening() as ear:
        added = await reacted(ear, "👍🏽")
        await ear.world.react(
            channel="general", message=added.ref.message, user="alice", emoji="👍🏽", present=False
        )
        await until(lambda: ear.bot.removed)
        removed = reaction(ear.bot.removed[0], me=BOT_USER_ID, name="Alice", at=2.5)
    assert not removed.present
    assert (removed.ref, removed.person, removed.emoji, removed.kind) == (
        added.ref,
        added.person,
        added.emoji,
        added.kind,
    )


async def test_a_reaction_in_a_direct_message_has_no_guild() -> None:
    async with listening() as ear:
        assert (await reacted(ear, "👍", channel="dm")).ref.workspace == "dm"


def test_a_custom_emoji_is_known_by_its_id() -> None:
    """Anybody may call an emoji `+1`; it is no thumb."""
    data: Any = {
        "user_id": "1",
        "channel_id": "2",
        "message_id": "3",
        "guild_id": "4",
        "emoji": {"id": "77", "name": "+1"},
        "type": 0,
        "burst": False,
    }
    emoji = discord.PartialEmoji.from_dict(data["emoji"])
    event = discord.RawReactionActionEvent(data, emoji, "REACTION_ADD")
    assert reaction(event, me=BOT_USER_ID, name="", at=1.0).emoji == "77"


def test_a_workspace_is_the_guild_or_dm() -> None:
    assert workspace(4) == "4"
    assert workspace(None) == "dm"


@pytest.mark.parametrize(
    ("emoji", "text"),
    [
        ("👍🏽", "👍🏽"),
        (discord.PartialEmoji(name="👎"), "👎"),
        (discord.PartialEmoji(name="+1", id=77), "77"),
    ],
    ids=str,
)
def test_an_emoji_is_its_character_or_its_id(emoji: discord.PartialEmoji | str, text: str) -> None:
    assert emoji_of(emoji) == text


async def test_a_reaction_tells_whose_message_it_is_on_and_its_removal_does_not() -> None:
    """Discord leaves the author out of removals."""
    async with listening() as ear:
        asked = await ear.raw("Why?")
        for present in (True, False):
            await ear.world.react(
                channel="general", message=str(asked.id), user="bob", emoji="👍", present=present
            )
        await until(lambda: ear.bot.removed)
        added, removed = (
            reaction(events[0], me=BOT_USER_ID, name="", at=1.0)
            for events in (ear.bot.added, ear.bot.removed)
        )
    assert (added.ours, removed.ours) == (False, None)
