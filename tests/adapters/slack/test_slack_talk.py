"""What was said in a Slack thread: the last of it, people apart, and other bots left out."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.sandbox.slack import BOT_USER_ID, CHANNEL_IDS, TEAM_ID
from adapters.slack import enclosed
from adapters.slack import talk as talk_module
from adapters.slack.talk import talk_before
from adapters.slack.translate import incoming
from bot.context.material import Line, Talk
from bot.domain import Attachment, Conversation, MessageRef, Person, Quote, Turn
from bot.errors import MessageGone
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.slack_line import calls_of, scripted

GENERAL = CHANNEL_IDS["general"]


def first(root: str, question: str) -> Turn:
    """The first turn of a thread."""
    return Turn(
        id="t1",
        conversation=Conversation("slack", TEAM_ID, GENERAL, "thread", root),
        question=MessageRef("slack", TEAM_ID, GENERAL, question),
        asker=Person("slack", "U1"),
        text="Why?",
        release="r1",
        created_at=1.0,
    )


async def read(served: Served, root: str, question: str, most: int = 100) -> Talk:
    return await talk_before(calls_of(served), first(root, question), most, me=BOT_USER_ID)


async def thread(served: Served, count: int) -> tuple[str, str]:
    """A thread with so many replies and a question."""
    say = served.world.post
    root = await say(channel="general", user="bob", text="root")
    for number in range(count):
        await say(channel="general", user="carol", text=f"reply {number}", thread=root)
    asked = await say(channel="general", user="alice", text="@candor why?", thread=root)
    await say(channel="general", user="bob", text="later", thread=root)
    return root, asked


async def test_the_last_messages_before_the_question_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(talk_module, "PAGE", 3)
    async with slack() as served:
        root, asked = await thread(served, 7)
        talk = await read(served, root, asked, most=4)
        assert [line.text for line in talk.lines] == [f"reply {number}" for number in range(3, 7)]
        assert talk.is_cut
        assert {line.author for line in talk.lines} == {"Carol"}
        whole = await read(served, root, asked)
        assert [line.text for line in whole.lines][:2] == ["root", "reply 0"]
        assert len(whole.lines) == 8
        assert not whole.is_cut


async def test_of_a_very_long_thread_the_end_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk_module, "PAGE", 2)
    monkeypatch.setattr(talk_module, "PAGES", 2)
    async with slack() as served:
        root, asked = await thread(served, 7)
        with capture_logs() as logs:
            talk = await read(served, root, asked)
        assert talk.is_cut
        assert [log["event"] for log in logs] == ["the thread is too long to see its end"]
        assert len(served.world.calls_to("conversations.replies")) == 4


async def test_what_bots_and_the_platform_write_is_left_out() -> None:
    def said(ts: str, **fields: Any) -> dict[str, Any]:
        return {"ts": ts, "user": "U1", "text": f"text {ts}", **fields}

    async with scripted() as api:
        api.answer = {
            "ok": True,
            "user": {"real_name": "Ana <b>"},
            "messages": [
                said("1.0"),
                said("2.0", bot_id="B2", user="U2"),
                said("3.0", subtype="channel_join"),
                said("4.0", bot_id="B1", user="UME"),
                said("5.0", text=""),
                said("6.0", text="hello <@U1> and <@UME>", files=[{"id": "F1", "name": "a.txt"}]),
                said("x"),
                "no message",
                said("9.0"),
            ],
        }
        talk = await talk_before(api.calls(), first("1.0", "9.0"), 100, me="UME")
    file = Attachment("F1", "a.txt", "", 0, "")
    assert talk.lines == (
        Line("Ana <b>", "text 1.0"),
        Line("", "text 4.0", is_ours=True),
        Line("Ana <b>", "hello @Ana <b> and @you\n(file: a.txt)", files=(file,)),
    )


async def test_people_whose_names_are_not_told_go_by_their_ids() -> None:
    async with scripted() as api:
        api.answer = {"ok": True, "messages": [{"ts": "1.0", "user": "U1", "text": "hi"}]}
        talk = await talk_before(api.calls(), first("1.0", "9.0"), 100, me="UME")
    assert talk.lines == (Line("U1", "hi"),)


async def test_a_thread_that_slack_does_not_show_is_gone() -> None:
    async with scripted() as api:
        api.answer = {"ok": False, "error": "missing_scope"}
        with pytest.raises(MessageGone, match="missing_scope"):
            await talk_before(api.calls(), first("1.0", "9.0"), 100, me="UME")


def test_files_come_with_a_message_and_with_what_is_shared_in_it() -> None:
    file = {"id": "F1", "name": "a.txt", "mimetype": "text/plain", "size": 4, "url_private": "u"}
    event = {
        "type": "message",
        "subtype": "file_share",
        "channel": "D1",
        "user": "U1",
        "ts": "1.000001",
        "files": [file, {"id": "F0", "mode": "tombstone"}, 3],
        "attachments": [
            {"is_share": True, "files": [{"id": "F2", "title": "B", "size": "x"}], "text": "<@U2>"},
            {"from_url": "https://example.com", "text": "an unfolded link"},
        ],
    }
    question = incoming(event, team="T1", me="UME")
    assert question is not None
    assert question.attachments == (
        Attachment("F1", "a.txt", "text/plain", 4, "u"),
        Attachment("F2", "B", "", 0, ""),
    )
    assert question.quotes == (Quote("", "@U2"),)
    assert question.text == ""


def test_a_shared_message_of_blocks_alone_is_read_from_them() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Title"}},
        {
            "type": "rich_text",
            "elements": [
                {
                    "type": "rich_text_section",
                    "elements": [
                        {"type": "text", "text": "hello "},
                        {"type": "user", "user_id": "U2"},
                    ],
                }
            ],
        },
    ]
    shared = {
        "is_share": True,
        "author_name": "Bo",
        "message_blocks": [{"message": {"blocks": blocks}}],
    }
    assert enclosed.quotes({"attachments": [shared]}, str) == (Quote("Bo", "Title\nhello <@U2>"),)


def test_blocks_without_end_are_not_followed() -> None:
    deep: dict[str, Any] = {"text": "bottom"}
    for _ in range(5000):
        deep = {"elements": [deep]}
    shared = {"is_share": True, "message_blocks": [{"message": {"blocks": [deep]}}]}
    assert enclosed.quotes({"attachments": [shared]}, str) == ()
