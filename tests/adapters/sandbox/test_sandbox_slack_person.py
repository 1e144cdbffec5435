"""What a person can do and see in the loopback Slack."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.sandbox.platform import ControlError, Platform, ReactionView
from adapters.sandbox.slack import BOT_USER_ID, CHANNEL_IDS, USER_IDS, SlackWorld
from adapters.sandbox.slack.emoji import is_valid_name, name_of, shown_as
from adapters.sandbox.slack.text import compose, shown
from tests.adapters.sandbox.slack_bench import APP_TOKEN, BOT_TOKEN, slack


def as_platform(world: SlackWorld) -> Platform:
    """Type-checked proof that the world is a Platform."""
    return world


def test_a_world_is_a_platform() -> None:
    world = SlackWorld(bot_token=BOT_TOKEN, app_token=APP_TOKEN, signing_secret="s")
    assert as_platform(world).name == "slack"
    assert not world.connected()


async def test_people_read_what_they_typed() -> None:
    typed = "@candor and @alice: <b> & x@alice.org, see https://example.com/?a=1&b=2. @here"
    async with slack() as served:
        await served.world.post(channel="general", user="bob", text=typed)
        [view] = served.world.messages(channel="general", user="carol")
        assert view.text == typed
        assert (view.user, view.bot, view.thread, view.reply_to) == ("bob", False, None, None)
        answer = await served.client().conversations_history(channel=CHANNEL_IDS["general"])
        assert answer["messages"][0]["text"] == (
            f"<@{BOT_USER_ID}> and <@{USER_IDS['alice']}>: &lt;b&gt; &amp; x@alice.org, "
            "see <https://example.com/?a=1&amp;b=2>. <!here>"
        )


@settings(deadline=None, database=None)
@given(st.text(alphabet="ab @candor<>&|!#;lt\nhttps://.", max_size=60))
def test_whatever_is_typed_is_read_back(typed: str) -> None:
    stored, elements = compose(typed, {USER_IDS["alice"], BOT_USER_ID})
    assert shown(stored) == typed
    assert "".join(map(_element_text, elements)) == typed


def _element_text(element: dict[str, Any]) -> str:
    match element["type"]:
        case "user":
            return shown(f"<@{element['user_id']}>")
        case "broadcast":
            return f"@{element['range']}"
        case "link":
            return str(element["url"])
        case _:
            return str(element["text"])


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        ("<https://a.b|a link> and <https://c.d>", "a link and https://c.d"),
        ("<#C0GENERAL|x> <#C9|other> <!channel>", "#general #other @channel"),
        ("<@U404> <@U404|old>", "@U404 @old"),
        ("&amp;lt; 1 &lt; 2", "&lt; 1 < 2"),
        ("*bold* stays", "*bold* stays"),
    ],
)
def test_references_are_read_as_their_names(stored: str, read: str) -> None:
    assert shown(stored) == read


@pytest.mark.parametrize(
    ("emoji", "name"),
    [
        ("👍", "+1"),
        ("👎", "-1"),
        ("👍🏽", "+1::skin-tone-4"),
        ("❤️", "heart"),
        ("❤", "heart"),
        ("🎉", "tada"),
        ("thumbsup", "thumbsup"),
        ("wave::skin-tone-6", "wave::skin-tone-6"),
        ("our_own-logo", "our_own-logo"),
        ("🦭", None),
        ("wave::skin-tone-7", None),
        ("Thumbs", None),
        ("", None),
    ],
)
def test_an_emoji_has_slacks_name(emoji: str, name: str | None) -> None:
    assert name_of(emoji) == name


@pytest.mark.parametrize(
    ("name", "character"),
    [
        ("+1", "👍"),
        ("thumbsup", "👍"),
        ("-1::skin-tone-2", "👎🏻"),
        ("our_own-logo", ":our_own-logo:"),
    ],
)
def test_a_name_is_shown_as_its_character(name: str, character: str) -> None:
    assert is_valid_name(name)
    assert shown_as(name) == character


async def test_reactions_keep_the_order_of_their_givers() -> None:
    async with slack() as served:
        world = served.world
        ts = await world.post(channel="general", user="alice", text="hi")
        for user, emoji in (("bob", "👍"), ("carol", "eyes"), ("alice", "+1"), ("bob", "👍")):
            await world.react(channel="general", message=ts, user=user, emoji=emoji, present=True)
        [view] = world.messages(channel="general", user="dave")
        assert view.reactions == (
            ReactionView("👍", ("bob", "alice")),
            ReactionView("👀", ("carol",)),
        )
        for user, emoji in (("carol", "👀"), ("bob", "+1"), ("dave", "👍")):
            await world.react(channel="general", message=ts, user=user, emoji=emoji, present=False)
        [view] = world.messages(channel="general", user="dave")
        assert view.reactions == (ReactionView("👍", ("alice",)),)


async def test_threads_are_listed_with_their_channel_in_order_of_time() -> None:
    async with slack() as served:
        world = served.world
        one = await world.post(channel="random", user="alice", text="one")
        await world.post(channel="random", user="bob", text="two")
        first = await world.post(channel="random", user="bob", text="re one", thread=one)
        await world.post(channel="random", user="carol", text="re re one", thread=first)
        views = world.messages(channel="random", user="alice")
        assert [(view.text, view.thread) for view in views] == [
            ("one", None),
            ("two", None),
            ("re one", one),
            ("re re one", one),
        ]


async def test_direct_messages_are_between_one_person_and_the_bot() -> None:
    async with slack() as served:
        await served.world.post(channel="dm", user="alice", text="psst")
        assert len(served.world.messages(channel="dm", user="alice")) == 1
        assert served.world.messages(channel="dm", user="bob") == []


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"channel": "nowhere"}, "no channel 'nowhere'"),
        ({"user": "candor"}, "no person 'candor'"),
        ({"thread": "1.000000"}, "no message '1.000000'"),
        ({"reply_to": "1.000000"}, "thread"),
        ({"text": " "}, "empty"),
        ({"text": "x" * 40_001}, "longer"),
    ],
)
async def test_a_post_that_cannot_be_is_refused(changes: dict[str, str], line: str) -> None:
    async with slack() as served:
        arguments = {"channel": "general", "user": "alice", "text": "hi"} | changes
        with pytest.raises(ControlError, match=line):
            await served.world.post(**arguments)
        assert served.world.pending_events == 0


async def test_a_reaction_that_cannot_be_is_refused() -> None:
    async with slack() as served:
        ts = await served.world.post(channel="general", user="alice", text="hi")
        for changes in ({"emoji": "🦭"}, {"message": "1.000000"}, {"user": "eve"}):
            arguments: dict[str, Any] = {"message": ts, "user": "bob", "emoji": "👍"} | changes
            with pytest.raises(ControlError):
                await served.world.react(channel="general", present=True, **arguments)


async def test_subscribers_hear_of_each_change_until_they_leave() -> None:
    async with slack() as served:
        heard = 0

        def count() -> None:
            nonlocal heard
            heard += 1

        leave = served.world.subscribe(count)
        ts = await served.world.post(channel="general", user="alice", text="hi")
        assert heard == 1
        reaction = {"channel": "general", "message": ts, "user": "bob", "emoji": "👍"}
        await served.world.react(**reaction, present=True)
        await served.world.react(**reaction, present=True)
        assert heard == 2
        leave()
        leave()
        await served.world.react(**reaction, present=False)
        assert heard == 2


async def test_a_closed_world_sends_nothing_and_closes_twice() -> None:
    async with slack() as served:
        await served.world.post(channel="dm", user="alice", text="one")
        await served.world.close()
        await served.world.close()
        await served.world.post(channel="dm", user="alice", text="two")
        assert served.world.pending_events == 0
