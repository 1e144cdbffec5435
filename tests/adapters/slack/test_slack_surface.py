"""What is written out to Slack, and what is found there again."""

import asyncio
import html
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.markdown import render, utf8_size
from adapters.sandbox.slack import CHANNEL_IDS, IM_IDS
from adapters.slack.calls import Calls
from adapters.slack.dialect import LIMIT, SLACK
from adapters.slack.errors import TokenRefused
from adapters.slack.surface import PAGE, PAGES, SlackSurface
from adapters.surface import Content
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.slack_line import arm, calls_of, scripted

TEAM = "T1"
TS = "1795427000.000100"
IM, GENERAL = IM_IDS["alice"], CHANNEL_IDS["general"]


def place(
    calls: Calls, *, channel: str = "C1", thread: str | None = TS, question: str = TS
) -> SlackSurface:
    return SlackSurface(calls, channel=channel, workspace=TEAM, thread=thread, question=question)


async def unknown(_: MessageRef) -> bool:
    return False


async def posted(text: str, **where: Any) -> dict[str, Any]:
    """What Slack is told when a text is posted."""
    async with scripted() as api:
        surface = place(api.calls(), **where)
        await surface.post(Content(text), turn="t1", part=0)
        [(method, body)] = api.told
    assert method == "chat.postMessage"
    return body


async def test_a_part_is_posted_in_the_thread_of_its_question() -> None:
    body = await posted("It is **so**.")
    assert body["channel"] == "C1"
    assert body["thread_ts"] == TS
    assert body["text"] == "It is so."
    assert body["blocks"] == [{"type": "markdown", "text": "It is **so**."}]
    assert body["metadata"]["event_payload"] == {"turn": "t1", "part": 0}
    assert not body["unfurl_links"]


async def test_an_answer_to_a_direct_message_stands_at_its_top_level() -> None:
    body = await posted("It is so.", channel="D1", thread=None)
    assert "thread_ts" not in body


async def test_a_posted_part_is_known_by_its_ts() -> None:
    async with scripted() as api:
        surface = place(api.calls())
        ref = await surface.post(Content("It is so."), turn="t1", part=0)
        assert ref == MessageRef("slack", TEAM, "C1", "9.1")
        await surface.edit(ref, Content("It was so."), turn="t1")
    method, body = api.told[-1]
    assert method == "chat.update"
    assert (body["channel"], body["ts"]) == ("C1", "9.1")
    assert body["blocks"] == [{"type": "markdown", "text": "It was so."}]


@pytest.mark.parametrize(
    "text",
    ["<!channel> look", "<!here|here>", "<@U2> look", "<!subteam^S1>", "<#C2>", "a<!everyone>b"],
)
async def test_what_a_model_writes_pings_nobody(text: str) -> None:
    body = await posted(text)
    for written in (body["text"], body["blocks"][0]["text"]):
        assert not any(control in written for control in ("<!", "<@", "<#"))
        assert html.unescape(written).replace("\u2060", "") == text


@pytest.mark.parametrize("text", ["1 < 2", "<b>bold</b>", "<https://a.example|x>", "a <- b"])
async def test_other_angle_brackets_are_left_alone(text: str) -> None:
    body = await posted(text)
    assert body["blocks"][0]["text"] == text
    assert "<" not in body["text"], "as a link it would hide its address"


@pytest.mark.parametrize(
    "sign", ["x", "ü", "日", "🦊", "<", "<!", "<@", "&", "*", "`", "\n", "<!channel>", "a b"]
)
async def test_the_largest_part_is_within_slack_s_limits(sign: str) -> None:
    """12,000 characters of markdown blocks, and 4,000 of text in chat.update."""
    surface = place(Calls(AsyncWebClient()))
    for part in render(sign * LIMIT, surface.dialect).parts[:2]:
        body = await posted(part)
        assert len(body["blocks"][0]["text"]) <= 12_000
        assert len(body["text"]) <= 4_000


def test_a_surface_measures_bytes_and_is_edited_within_its_workspace_s_budget() -> None:
    surface = place(Calls(AsyncWebClient()))
    assert surface.dialect is SLACK
    assert SLACK.measure("naïve 日本") == utf8_size("naïve 日本")
    assert surface.scope == TEAM


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (200, "channel_not_found", MessageGone),
        (200, "is_archived", MessageGone),
        (200, "message_not_found", MessageGone),
        (200, "not_in_channel", MessageGone),
        (200, "ratelimited", PlatformUnavailable),
        (429, "ratelimited", PlatformUnavailable),
        (200, "internal_error", PlatformUnavailable),
        (500, "", PlatformUnavailable),
        (503, "service_unavailable", PlatformUnavailable),
        (200, "invalid_blocks", SlackApiError),
        (200, "invalid_auth", TokenRefused),
        (200, "token_revoked", TokenRefused),
        (200, "account_inactive", TokenRefused),
    ],
)
async def test_a_refusal_is_told_by_its_kind(status: int, code: str, kind: type[Exception]) -> None:
    async with scripted() as api:
        api.status, api.answer = status, {"ok": False, "error": code}
        surface = place(api.calls())
        with pytest.raises(kind):
            await surface.post(Content("It is so."), turn="t1", part=0)
        with pytest.raises(kind):
            await surface.edit(
                MessageRef("slack", TEAM, "C1", "9.1"), Content("It was so."), turn="t1"
            )


async def test_how_long_to_wait_is_told() -> None:
    async with scripted() as api:
        api.status, api.answer = 429, {"ok": False, "error": "ratelimited"}
        api.headers = {"Retry-After": "7"}
        with pytest.raises(PlatformUnavailable) as caught:
            await place(api.calls()).post(Content("It is so."), turn="t1", part=0)
    assert caught.value.retry_after_s == pytest.approx(7, abs=0.5)


async def test_an_error_page_in_place_of_an_answer_is_unavailable() -> None:
    async def page(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = b"<html>Bad Gateway</html>"
        writer.write(
            b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        writer.close()

    async with await asyncio.start_server(page, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api/"
        client = AsyncWebClient(token="xoxb-1", base_url=url, timeout=5, retry_handlers=[])
        with pytest.raises(PlatformUnavailable):
            await place(Calls(client, wait_s=0.3)).post(Content("It is so."), turn="t1", part=0)


async def test_a_slack_that_is_not_there_is_unavailable() -> None:
    client = AsyncWebClient(
        token="xoxb-1", base_url="http://127.0.0.1:1/api/", timeout=5, retry_handlers=[]
    )
    with pytest.raises(PlatformUnavailable):
        await place(Calls(client, wait_s=0.3)).post(Content("It is so."), turn="t1", part=0)


async def test_showing_that_an_answer_comes_needs_no_call() -> None:
    async with scripted() as api:
        async with place(api.calls()).busy():
            pass
        assert api.told == []


# Against the loopback Slack


async def asked(served: Served, channel: str = "general") -> str:
    return await served.world.post(channel=channel, user="alice", text="Why?")


async def lost(served: Served, surface: SlackSurface, *, turn: str = "t1", part: int = 0) -> None:
    """Post a part, and never hear of it."""
    arm(served, "lose_reply", on="chat.postMessage")
    with pytest.raises(PlatformUnavailable):
        await surface.post(Content("It is so."), turn=turn, part=part)


@pytest.mark.parametrize("where", ["a thread", "a direct message"])
async def test_a_part_whose_reply_was_lost_is_found_again(where: str) -> None:
    async with slack() as served:
        threaded = where == "a thread"
        ts = await asked(served, "general" if threaded else "dm")
        surface = place(
            calls_of(served),
            channel=GENERAL if threaded else IM,
            thread=ts if threaded else None,
            question=ts,
        )
        assert await surface.find("", turn="t1", part=0, known=unknown) is None
        await lost(served, surface)
        await lost(served, surface, part=1)
        first, second = (
            await surface.find("", turn="t1", part=0, known=unknown),
            await surface.find("", turn="t1", part=1, known=unknown),
        )
        assert first is not None
        assert second is not None
        assert [one.view.id for one in served.world.audit() if one.metadata] == [
            first.message,
            second.message,
        ]
        assert await surface.find("", turn="t2", part=0, known=unknown) is None
        await surface.edit(first, Content("It was so."), turn="t1")
        assert await surface.find("", turn="t1", part=0, known=unknown) == first


async def test_a_part_from_before_the_question_is_not_found() -> None:
    async with slack() as served:
        await lost(served, place(calls_of(served), channel=IM, thread=None))
        later = await asked(served, "dm")
        surface = place(calls_of(served), channel=IM, thread=None, question=later)
        assert await surface.find("", turn="t1", part=0, known=unknown) is None


async def test_a_part_far_down_a_thread_is_found() -> None:
    async with slack() as served:
        ts = await asked(served)
        surface = place(calls_of(served), channel=GENERAL, thread=ts, question=ts)
        for number in range(PAGE):
            await served.world.post(channel="general", user="bob", text=f"{number}", thread=ts)
        await lost(served, surface)
        assert await surface.find("", turn="t1", part=0, known=unknown) is not None
        assert len(served.world.calls_to("conversations.replies")) == 2


async def test_looking_for_a_part_ends() -> None:
    async with scripted() as api:
        api.answer = {"ok": True, "messages": [], "response_metadata": {"next_cursor": "more"}}
        assert (
            await place(api.calls(wait_s=60.0)).find("", turn="t1", part=0, known=unknown) is None
        )
    assert len(api.told) == PAGES


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"event_type": "other", "event_payload": {"turn": "t1", "part": 0}}],
    ids=str,
)
async def test_messages_that_are_no_parts_are_passed_over(metadata: Any) -> None:
    async with scripted() as api:
        late = "1795427001.000100"
        part = {"event_type": "candor_part", "event_payload": {"turn": "t1", "part": 0}}
        parent = {"ts": TS, "metadata": part}
        api.answer = {"ok": True, "messages": [parent, {"ts": late, "metadata": metadata}]}
        assert await place(api.calls()).find("", turn="t1", part=0, known=unknown) is None
        api.answer["messages"].append({"ts": late, "metadata": part})
        assert await place(api.calls()).find("", turn="t1", part=0, known=unknown) == MessageRef(
            "slack", TEAM, "C1", late
        )


async def test_a_deleted_part_is_gone_and_deleting_it_again_is_fine() -> None:
    async with slack() as served:
        ts = await asked(served)
        surface = place(calls_of(served), channel=GENERAL, thread=ts, question=ts)
        ref = await surface.post(Content("It is so."), turn="t1", part=0)
        arm(served, "lose_reply", on="chat.delete")
        await surface.delete(ref)
        await surface.delete(ref)
        assert [one.view.text for one in served.world.audit()] == ["Why?"]
        with pytest.raises(MessageGone):
            await surface.edit(ref, Content("It was so."), turn="t1")


async def test_both_thumbs_are_put_under_a_part_once() -> None:
    async with slack() as served:
        ts = await asked(served)
        surface = place(calls_of(served), channel=GENERAL, thread=ts, question=ts)
        ref = await surface.post(Content("It is so."), turn="t1", part=0)
        await surface.seed(ref)
        await surface.seed(ref)
        [part] = [one.view for one in served.world.audit() if one.view.id == ref.message]
        assert [(one.emoji, one.users) for one in part.reactions] == [
            ("👍", ("candor",)),
            ("👎", ("candor",)),
        ]
        await surface.delete(ref)
        with pytest.raises(MessageGone):
            await surface.seed(ref)


async def test_an_app_that_may_put_no_reactions_is_told_of() -> None:
    async with scripted() as api:
        api.answer.update(ok=False, error="missing_scope")
        with pytest.raises(PlatformUnavailable, match="missing_scope"):
            await place(api.calls()).seed(MessageRef("slack", TEAM, "C1", TS))
