"""Slack's events as ours, and what is written out to Slack."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.markdown import split, utf8_size
from adapters.slack.surface import LIMIT, SlackSurface
from adapters.slack.translate import incoming, plain, reaction
from bot.domain import Incoming, MessageRef, Person, Reaction
from bot.errors import MessageGone, PlatformUnavailable

ME, TEAM = "UBOT", "T1"
TS = "1795427000.000100"


def event(**changes: Any) -> dict[str, Any]:
    """A message event as Slack sends it; a change to None takes a field away."""
    fields = {
        "type": "message",
        "user": "U1",
        "text": "Why?",
        "ts": TS,
        "channel": "C1",
        "channel_type": "channel",
        "team": TEAM,
        "event_ts": TS,
        "client_msg_id": "a7d3",
        "blocks": [],
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def translated(**changes: Any) -> Incoming | None:
    return incoming(event(**changes), team=TEAM, me=ME)


def question(**changes: Any) -> Incoming:
    found = translated(**changes)
    assert found is not None
    return found


# Messages


def test_a_message_in_a_channel_begins_a_thread_of_its_own() -> None:
    assert question(text=f"<@{ME}> Why?") == Incoming(
        ref=MessageRef("slack", TEAM, "C1", TS),
        author=Person("slack", "U1"),
        text="Why?",
        place="thread",
        sent_at=1795427000.0001,
        thread=TS,
        mentions_bot=True,
    )


def test_a_mention_event_is_the_same_message_as_the_message_event() -> None:
    """Slack sends both for one post, and the mention's has no channel type."""
    text = f"<@{ME}> Why?"
    mention = question(type="app_mention", text=text, channel_type=None)
    assert mention == question(text=text)


def test_a_message_in_a_channel_without_a_mention_addresses_nobody() -> None:
    found = question()
    assert not found.mentions_bot
    assert not found.mentions_others


def test_a_message_in_a_thread_stands_in_that_thread() -> None:
    found = question(thread_ts="1795426000.000200")
    assert (found.place, found.thread) == ("thread", "1795426000.000200")


def test_a_direct_message_stands_at_its_top_level() -> None:
    found = question(channel="D1", channel_type="im")
    assert (found.place, found.thread) == ("dm", None)


def test_a_direct_message_in_a_thread_stands_in_that_thread() -> None:
    found = question(channel="D1", channel_type="im", thread_ts="1795426000.000200")
    assert (found.place, found.thread) == ("dm", "1795426000.000200")


def test_a_direct_message_is_known_by_its_channel_where_the_type_is_missing() -> None:
    assert question(channel="D1", channel_type=None).place == "dm"


@pytest.mark.parametrize("kind", ["group", "mpim"])
def test_a_private_channel_and_a_group_are_like_a_channel(kind: str) -> None:
    found = question(channel="G1", channel_type=kind)
    assert (found.place, found.thread) == ("thread", TS)


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast"])
def test_what_a_person_writes_beside_a_file_or_to_the_channel_is_a_message(subtype: str) -> None:
    assert question(subtype=subtype).text == "Why?"


@pytest.mark.parametrize(
    "changes",
    [
        {"subtype": "bot_message", "bot_id": "B9", "user": None},
        {"bot_id": "B9"},
        {"bot_id": "B1", "user": ME, "app_id": "A1"},
        {"user": ME},
        {"subtype": "message_changed", "hidden": True, "message": {"text": "edited"}},
        {"subtype": "message_deleted", "hidden": True, "deleted_ts": TS},
        {"subtype": "message_replied"},
        {"subtype": "channel_join"},
        {"subtype": "channel_topic"},
        {"subtype": "assistant_app_thread"},
        {"subtype": "unheard_of"},
        {"hidden": True},
        {"user": None},
        {"ts": None},
        {"channel": None},
        {"user": ""},
    ],
    ids=str,
)
def test_what_no_person_writes_is_no_question(changes: dict[str, Any]) -> None:
    assert translated(**changes) is None


def test_a_message_without_a_text_is_empty() -> None:
    assert question(text=None, subtype="file_share").text == ""


@pytest.mark.parametrize(
    ("text", "bot", "others"),
    [
        ("Why?", False, False),
        (f"<@{ME}> Why?", True, False),
        (f"<@{ME}|candor> Why?", True, False),
        ("<@U2> Why?", False, True),
        ("<@W2|bo> Why?", False, True),
        (f"<@U2> <@{ME}> Why?", True, True),
        ("<!here> Why?", False, True),
        ("<!channel> Why?", False, True),
        ("<!everyone> Why?", False, True),
        ("<!subteam^S1|@team> Why?", False, True),
        ("<!subteam^S1> Why?", False, True),
        (f"&lt;@{ME}&gt; Why?", False, False),
        ("<#C2|random> Why?", False, False),
        ("<https://example.com/@U2> Why?", False, False),
        ("mail a@b.example", False, False),
        ("<!date^1392734382^{date}|February 18> Why?", False, False),
    ],
)
def test_who_is_addressed_is_told_by_the_mentions(text: str, bot: bool, others: bool) -> None:
    found = question(text=text)
    assert (found.mentions_bot, found.mentions_others) == (bot, others)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"<@{ME}> Why?", "Why?"),
        (f"Why, <@{ME}>?", "Why, ?"),
        (f"<@{ME}>", ""),
        ("ask <@U2>", "ask @U2"),
        ("ask <@U2|bo>", "ask @bo"),
        ("in <#C2|random>", "in #random"),
        ("in <#C2>", "in #C2"),
        ("in <#C2|>", "in #C2"),
        ("in <#G2|private>", "in #private"),
        ("<!here> all", "@here all"),
        ("<!subteam^S1|@team> all", "@team all"),
        ("<!subteam^S1> all", "@S1 all"),
        ("see <https://a.example/x>", "see https://a.example/x"),
        ("see <https://a.example|https://a.example>", "see https://a.example"),
        ("see <https://a.example|the page>", "see the page (https://a.example)"),
        ("<https://a.example/?a=1&amp;b=2>", "https://a.example/?a=1&b=2"),
        ("write <mailto:a@b.example|a@b.example>", "write a@b.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("&amp;copy;", "&copy;"),
        ("```if a &lt; b:\n    pass```", "```if a < b:\n    pass```"),
        ("  spaced \n", "spaced"),
        ("<not a link>", "<not a link>"),
        ("<!date^1392734382^{date}|February 18>", "February 18"),
    ],
)
def test_a_text_is_read_as_people_read_it(text: str, read: str) -> None:
    assert plain(text, ME) == read


def test_a_mention_that_a_person_typed_as_text_is_kept_as_text() -> None:
    assert plain("&lt;@U2&gt; and &lt;!here&gt;", ME) == "<@U2> and <!here>"


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert isinstance(plain(text, ME), str)


# Reactions


def reaction_event(**changes: Any) -> dict[str, Any]:
    return {
        "type": "reaction_added",
        "user": "U1",
        "reaction": "+1",
        "item": {"type": "message", "channel": "C1", "ts": TS},
        "item_user": ME,
        "event_ts": "1795427009.000500",
        **changes,
    }


def test_a_reaction_is_translated() -> None:
    assert reaction(reaction_event(), team=TEAM) == Reaction(
        ref=MessageRef("slack", TEAM, "C1", TS),
        person=Person("slack", "U1"),
        emoji="+1",
        present=True,
        at=1795427009.0005,
    )


def test_a_reaction_taken_away_is_absent() -> None:
    found = reaction(reaction_event(type="reaction_removed"), team=TEAM)
    assert found is not None
    assert not found.present


def test_a_reaction_keeps_its_skin_tone() -> None:
    found = reaction(reaction_event(reaction="+1::skin-tone-3"), team=TEAM)
    assert found is not None
    assert found.emoji == "+1::skin-tone-3"


def test_a_reaction_without_a_time_has_the_message_s() -> None:
    found = reaction(reaction_event(event_ts=None), team=TEAM)
    assert found is not None
    assert found.at == float(TS)


@pytest.mark.parametrize(
    "item", [{"type": "file", "file": "F1"}, {"type": "file_comment"}, {}, None]
)
def test_a_reaction_on_what_is_no_message_is_none(item: dict[str, str] | None) -> None:
    assert reaction(reaction_event(item=item), team=TEAM) is None


# The surface, over a real client and a server on loopback


@dataclass
class Api:
    """Two methods of Slack's Web API, which keep what they are told."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=lambda: {"ok": True, "ts": "9.1"})
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""

    async def call(self, request: web.Request) -> web.Response:
        self.told.append((request.match_info["method"], await request.json()))
        return web.json_response(self.answer, status=self.status, headers=self.headers)

    def client(self) -> AsyncWebClient:
        return AsyncWebClient(token="xoxb-1", base_url=self.url, timeout=5, retry_handlers=[])


@asynccontextmanager
async def slack() -> AsyncIterator[Api]:
    api = Api()
    app = web.Application(client_max_size=10**8)
    app.router.add_post("/api/{method}", api.call)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        api.url = f"http://127.0.0.1:{runner.addresses[0][1]}/api/"
        yield api
    finally:
        await runner.cleanup()


async def posted(text: str, asked: Incoming | None = None) -> dict[str, Any]:
    """What Slack is told when a text is posted."""
    async with slack() as api:
        surface = SlackSurface(api.client(), asked or question())
        await surface.post(text, turn="t1", part=0)
        [(method, body)] = api.told
    assert method == "chat.postMessage"
    return body


async def test_a_part_is_posted_in_the_thread_of_its_question() -> None:
    body = await posted("It is **so**.")
    assert body["channel"] == "C1"
    assert body["thread_ts"] == TS
    assert body["text"] == "It is **so**."
    assert body["blocks"] == [{"type": "markdown", "text": "It is **so**."}]
    assert body["metadata"]["event_payload"] == {"turn": "t1", "part": 0}
    assert not body["unfurl_links"]


async def test_an_answer_to_a_direct_message_stands_at_its_top_level() -> None:
    body = await posted("It is so.", question(channel="D1", channel_type="im"))
    assert "thread_ts" not in body


async def test_a_posted_part_is_known_by_its_ts() -> None:
    async with slack() as api:
        surface = SlackSurface(api.client(), question())
        ref = await surface.post("It is so.", turn="t1", part=0)
        assert ref == MessageRef("slack", TEAM, "C1", "9.1")
        await surface.edit(ref, "It was so.")
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
        assert written.replace("\u2060", "") == text


@pytest.mark.parametrize("text", ["1 < 2", "<b>bold</b>", "<https://a.example|x>", "a <- b"])
async def test_other_angle_brackets_are_left_alone(text: str) -> None:
    assert (await posted(text))["text"] == text


@pytest.mark.parametrize(
    "sign", ["x", "ü", "日", "🦊", "<", "<!", "<@", "&", "*", "`", "\n", "<!channel>", "a b"]
)
async def test_the_largest_part_is_within_slack_s_limits(sign: str) -> None:
    """12,000 characters of markdown blocks, and 4,000 of text in chat.update."""
    surface = SlackSurface(AsyncWebClient(), question())
    for part in split(sign * LIMIT, surface.limit, surface.measure)[:2]:
        body = await posted(part)
        assert len(body["blocks"][0]["text"]) <= 12_000
        assert len(body["text"]) <= 4_000


def test_a_surface_measures_bytes_and_is_edited_within_its_workspace_s_budget() -> None:
    surface = SlackSurface(AsyncWebClient(), question())
    assert surface.limit == LIMIT
    assert surface.measure("naïve 日本") == utf8_size("naïve 日本")
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
        (200, "invalid_auth", SlackApiError),
    ],
)
async def test_a_refusal_is_told_by_its_kind(status: int, code: str, kind: type[Exception]) -> None:
    async with slack() as api:
        api.status, api.answer = status, {"ok": False, "error": code}
        surface = SlackSurface(api.client(), question())
        with pytest.raises(kind):
            await surface.post("It is so.", turn="t1", part=0)
        with pytest.raises(kind):
            await surface.edit(MessageRef("slack", TEAM, "C1", "9.1"), "It was so.")


async def test_how_long_to_wait_is_told() -> None:
    async with slack() as api:
        api.status, api.answer = 429, {"ok": False, "error": "ratelimited"}
        api.headers = {"Retry-After": "7"}
        with pytest.raises(PlatformUnavailable) as caught:
            await SlackSurface(api.client(), question()).post("It is so.", turn="t1", part=0)
    assert caught.value.retry_after_s == 7


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
            await SlackSurface(client, question()).post("It is so.", turn="t1", part=0)


async def test_a_slack_that_is_not_there_is_unavailable() -> None:
    client = AsyncWebClient(
        token="xoxb-1", base_url="http://127.0.0.1:1/api/", timeout=5, retry_handlers=[]
    )
    with pytest.raises(PlatformUnavailable):
        await SlackSurface(client, question()).post("It is so.", turn="t1", part=0)


async def test_showing_that_an_answer_comes_needs_no_call() -> None:
    async with slack() as api:
        async with SlackSurface(api.client(), question()).busy():
            pass
        assert api.told == []
