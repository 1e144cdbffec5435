"""What is read back from the loopback Slack: what was missed, one message, its reactions."""

import time
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters.sandbox.people import handles
from adapters.sandbox.slack import (
    BOT_USER_ID,
    CHANNEL_IDS,
    DEFAULT_SCOPES,
    IM_IDS,
    TEAM_ID,
    USER_IDS,
)
from adapters.slack import history as history_module
from adapters.slack.history import SlackHistory
from bot.domain import Conversation, MessageRef, Person, Turn
from bot.errors import MessageGone, PlatformUnavailable
from bot.store.inbox import Inbox
from bot.store.places import Places
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.adapted import ref
from tests.adapters.slack.slack_line import arm, calls_of, scripted

DAY_S = 86_400.0


def history_of(served: Served, client: "Redis") -> SlackHistory:
    return SlackHistory(calls_of(served), lambda: (TEAM_ID, BOT_USER_ID), Places(client))


async def missed(history: SlackHistory, since: float | None = None) -> list[str]:
    """The texts of what was missed, without `since` in the last minute."""
    oldest = time.time() - 60 if since is None else since
    return [one.text async for one in history.missed(oldest)]


async def say(served: Served, text: str, *, channel: str = "general", **where: str) -> str:
    return await served.world.post(channel=channel, **{"user": "alice", **where}, text=text)


class Clock:
    """The workspace's clock."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


async def test_what_was_missed_is_read_in_channels_threads_and_direct_messages(
    client: "Redis",
) -> None:
    async with slack() as served:
        root = await say(served, "an old parent")
        seen = await say(served, "seen", thread=root)
        await say(served, "@candor one")
        await say(served, "two", thread=root)
        await say(served, "three", channel="dm")
        await say(served, "four", channel="dm", user="bob")
        await say(served, "five", channel="random")
        history = history_of(served, client)
        found = [one async for one in history.missed(float(seen) + 0.000001)]
    assert [one.text for one in found] == ["one", "two", "five", "three", "four"]
    assert [one.place for one in found] == ["thread", "thread", "thread", "dm", "dm"]
    assert found[0].mentions_bot
    assert found[1].thread == root
    assert found[1].ref == MessageRef(
        "slack", TEAM_ID, CHANNEL_IDS["general"], found[1].ref.message
    )
    assert found[3].ref.channel == IM_IDS["alice"]


async def test_neither_bots_nor_the_platform_ask(client: "Redis") -> None:
    async with slack() as served:
        asked = await say(served, "@candor one")
        answer = {"channel": CHANNEL_IDS["general"], "text": "It is so."}
        await served.client().chat_postMessage(**answer)  # type: ignore[arg-type]
        await served.client().chat_postMessage(**answer, thread_ts=asked)  # type: ignore[arg-type]
        gone = await say(served, "@candor gone")
        await say(served, "a reply", thread=gone)
        await served.world.delete(channel="general", message=gone, user="alice")
        assert await missed(history_of(served, client)) == ["one", "a reply"]


async def test_of_more_than_can_be_looked_at_the_newest_are(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forward pages would end a day before what was missed."""
    monkeypatch.setattr(history_module, "PAGE", 4)
    async with slack() as served:
        for number in range(30):
            await say(served, str(number))
        with capture_logs() as logged:
            found = await missed(history_of(served, client))
    assert found == [str(number) for number in range(10, 30)]
    assert "not all is looked at" in {one["event"] for one in logged}


async def test_a_thread_is_paged(client: "Redis", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "PAGE", 3)
    async with slack() as served:
        root = await say(served, "parent")
        texts = [str(number) for number in range(8)]
        for text in texts:
            await say(served, text, thread=root)
        assert await missed(history_of(served, client)) == ["parent", *texts]


async def accepted(client: "Redis", channel: str, root: str) -> None:
    """A thread in which something was asked."""
    inbox = Inbox(client, "w1", total=100, each=100)
    place = Conversation("slack", TEAM_ID, CHANNEL_IDS[channel], "thread", root)
    question = MessageRef("slack", TEAM_ID, CHANNEL_IDS[channel], root)
    turn = Turn("t1", place, question, Person("slack", "U1"), "Why?", "r1", time.time())
    assert await inbox.accept(turn) == "new"


async def test_a_thread_that_the_bot_is_in_is_looked_at_however_old_its_parent_is(
    client: "Redis",
) -> None:
    clock = Clock()
    clock.ahead_s = -3 * DAY_S
    async with slack(clock=clock) as served:
        known, strange = await say(served, "@candor old"), await say(served, "old too")
        clock.ahead_s = 0.0
        since = time.time() - 1
        await say(served, "a follow-up", thread=known)
        await say(served, "among people", thread=strange)
        assert await missed(history_of(served, client), since) == []
        await accepted(client, "general", known)
        assert await missed(history_of(served, client), since) == ["a follow-up"]


async def test_a_thread_that_is_gone_hides_no_other(client: "Redis") -> None:
    async with slack() as served:
        await accepted(client, "general", "1000000000.000100")
        await say(served, "one")
        assert await missed(history_of(served, client)) == ["one"]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("im:read", ["in general", "in random"]),
        ("channels:read", ["direct"]),
        ("groups:read", ["in general", "in random", "direct"]),
        ("mpim:read", ["in general", "in random", "direct"]),
        ("im:history", ["in general", "in random"]),
        ("channels:history", ["direct"]),
    ],
)
async def test_a_missing_scope_hides_only_what_it_is_for(
    client: "Redis", scope: str, expected: list[str]
) -> None:
    async with slack(scopes=DEFAULT_SCOPES - {scope}) as served:
        await say(served, "in general")
        await say(served, "in random", channel="random")
        await say(served, "direct", channel="dm")
        with capture_logs() as logged:
            assert await missed(history_of(served, client)) == expected
        assert [one for one in logged if one.get("error") == "missing_scope"]


async def test_a_channel_that_the_bot_is_not_in_stops_no_other(client: "Redis") -> None:
    async with slack() as served:
        await say(served, "in general")
        await say(served, "in random", channel="random")
        served.world.set_membership(channel="general", member=False)
        assert await missed(history_of(served, client)) == ["in random"]


async def test_a_slack_that_is_away_is_told(client: "Redis") -> None:
    async with slack() as served:
        arm(served, "server_error", on="conversations.history", times=None)
        with pytest.raises(PlatformUnavailable):
            await missed(SlackHistory(calls_of(served, wait_s=0.1), _who, Places(client)))


def _who() -> tuple[str, str]:
    return TEAM_ID, BOT_USER_ID


async def test_a_malformed_message_hides_no_other(client: "Redis") -> None:
    good = {"type": "message", "user": "U1", "text": "good", "ts": "1795427000.000100"}
    broken: list[Any] = [
        None,
        "text",
        {},
        {"ts": "soon"},
        {"ts": None, "latest_reply": [1]},
        {"ts": ["1795427000.000100"], "user": "U1"},
        {"type": "message", "user": "U1", "ts": "nan", "latest_reply": "never"},
    ]
    async with scripted() as api:
        api.answer = {
            "ok": True,
            "channels": [{"id": "C1"}, {}, "x"],
            "messages": [*broken, good],
        }
        history = SlackHistory(api.calls(wait_s=10.0), _who, Places(client))
        found = await missed(history, 1795426000.0)
    assert found == ["good"] * 4  # once for each kind of channel


# One message


async def test_a_question_is_read_as_it_stands_now(client: "Redis") -> None:
    async with slack() as served:
        history = history_of(served, client)
        root = await say(served, "@candor one")
        asked = await say(served, "two", thread=root)
        await served.world.edit(channel="general", message=asked, user="alice", text="two and half")
        found = await history.question(ref("general", asked))
        assert found is not None
        assert (found.text, found.thread) == ("two and half", root)


@pytest.mark.parametrize("has_replies", [False, True])
async def test_a_deleted_question_is_none(client: "Redis", has_replies: bool) -> None:
    async with slack() as served:
        asked = await say(served, "@candor one")
        if has_replies:
            await say(served, "a reply", thread=asked)
        await served.world.delete(channel="general", message=asked, user="alice")
        assert await history_of(served, client).question(ref("general", asked)) is None


async def test_a_question_that_may_not_be_read_is_not_taken_for_deleted(client: "Redis") -> None:
    async with slack(scopes=DEFAULT_SCOPES - {"reactions:read"}) as served:
        asked = await say(served, "@candor one")
        with pytest.raises(PlatformUnavailable, match="missing_scope"):
            await history_of(served, client).question(ref("general", asked))


async def test_reactions_are_read_person_by_person_without_our_own(client: "Redis") -> None:
    people = handles(30)
    async with slack(people=people) as served:
        place = CHANNEL_IDS["general"]
        root = await say(served, "@candor one")
        answer = (
            await served.client().chat_postMessage(channel=place, thread_ts=root, text="So.")
        )["ts"]
        for handle in people:
            await served.world.react(
                channel="general",
                message=answer,
                user=handle,
                emoji="👍🏽" if handle == "bob" else "👍",
                present=True,
            )
        await served.client().reactions_add(channel=place, timestamp=answer, name="+1")
        found = await history_of(served, client).reactions(ref("general", answer))
    assert {one.person.id for one in found} == {USER_IDS[handle] for handle in people}
    assert len(found) == 30
    assert {one.emoji for one in found if one.person.id == USER_IDS["bob"]} == {"+1::skin-tone-4"}
    assert all(one.present and one.ours and one.ref == ref("general", answer) for one in found)


async def test_a_message_without_reactions_has_none(client: "Redis") -> None:
    async with slack() as served:
        asked = await say(served, "Why?")
        assert list(await history_of(served, client).reactions(ref("general", asked))) == []


async def test_the_reactions_of_a_deleted_message_are_gone(client: "Redis") -> None:
    async with slack() as served:
        asked = await say(served, "Why?")
        await served.world.delete(channel="general", message=asked, user="alice")
        with pytest.raises(MessageGone):
            await history_of(served, client).reactions(ref("general", asked))


@pytest.mark.parametrize("channel", ["general", "dm"])
async def test_one_call_tells_of_the_bot_s_messages_of_a_thread_or_before_one(
    client: "Redis", channel: str
) -> None:
    async with slack() as served:
        root = await say(served, "@candor one", channel=channel)
        thread = root if channel == "general" else ""
        place = CHANNEL_IDS["general"] if channel == "general" else IM_IDS["alice"]
        where: dict[str, Any] = {"thread_ts": thread} if thread else {}
        answers = [
            (await served.client().chat_postMessage(channel=place, text=text, **where))["ts"]
            for text in ("So.", "And so.", "And on.")
        ]
        await served.world.react(
            channel=channel, message=answers[0], user="alice", emoji="👍", present=True
        )
        conversation = Conversation("slack", TEAM_ID, place, "thread" if thread else "dm", thread)
        asked = MessageRef("slack", "", place, answers[1])
        found = dict(await history_of(served, client).beside(asked, conversation))
    assert {one.message for one in found} >= set(answers[:2])
    assert root not in {one.message for one in found}, "a question is not the bot's"
    marked = {one.message: [each.person.id for each in on] for one, on in found.items()}
    assert marked[answers[0]] == [USER_IDS["alice"]]
    assert marked[answers[1]] == []


async def test_reactions_that_may_not_be_read_are_as_good_as_gone(client: "Redis") -> None:
    async with slack(scopes=DEFAULT_SCOPES - {"reactions:read", "channels:history"}) as served:
        asked = ref("general", await say(served, "Why?"))
        history = history_of(served, client)
        with pytest.raises(MessageGone, match="missing_scope"):
            await history.reactions(asked)
        with pytest.raises(MessageGone, match="missing_scope"):
            await history.beside(asked, Conversation("slack", TEAM_ID, asked.channel, "thread", ""))
