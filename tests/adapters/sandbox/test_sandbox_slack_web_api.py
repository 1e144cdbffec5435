"""The Web API with the real client: arguments, tokens, errors, messages, reactions."""

import json
from typing import Any

import aiohttp
import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.models.blocks import (
    ContextActionsBlock,
    FeedbackButtonObject,
    FeedbackButtonsElement,
    MarkdownBlock,
)

from adapters.sandbox.slack import (
    BOT_ID,
    BOT_USER_ID,
    CHANNEL_IDS,
    DEFAULT_SCOPES,
    DOCUMENTED_LIMITS,
    IM_IDS,
    TEAM_ID,
    USER_IDS,
    RateLimit,
)
from adapters.sandbox.slack.settings import Knobs
from tests.adapters.sandbox.slack_bench import BOT_TOKEN, error_of, slack
from tests.waiting import until

GENERAL = CHANNEL_IDS["general"]
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*hello*"}}


async def test_auth_test_tells_who_the_bot_is() -> None:
    async with slack() as served:
        answer = await served.client().auth_test()
        assert answer["user_id"] == BOT_USER_ID
        assert answer["bot_id"] == BOT_ID
        assert answer["team_id"] == TEAM_ID
        assert answer["is_enterprise_install"] is False
        assert set(answer.headers["x-oauth-scopes"].split(",")) == DEFAULT_SCOPES
        assert answer.headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("token", ["xoxb-1-other", "xoxb-1-tes", "nonsense", "ü"])
async def test_a_wrong_token_is_refused(token: str) -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        url = f"{served.base_url}/slack/api/auth.test"
        async with session.post(url, data={"token": token}) as response:
            assert response.status == 200
            assert await response.json() == {"ok": False, "error": "invalid_auth"}


async def test_no_token_is_refused() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        response = await session.get(f"{served.base_url}/slack/api/auth.test")
        assert (await response.json())["error"] == "not_authed"


async def test_a_method_that_does_not_exist_is_unknown() -> None:
    async with slack() as served:
        assert await error_of(served.client().api_call("chat.fly")) == "unknown_method"


async def test_a_missing_scope_names_what_is_needed_and_what_there_is() -> None:
    async with slack(scopes=frozenset({"chat:write", "im:history"})) as served:
        with pytest.raises(SlackApiError) as caught:
            await served.client().users_info(user=BOT_USER_ID)
        answer = caught.value.response
        assert answer["error"] == "missing_scope"
        assert (answer["needed"], answer["provided"]) == ("users:read", "chat:write,im:history")


FORMS: dict[str, dict[str, Any]] = {
    "json": {"json": {"channel": GENERAL, "text": "hi", "blocks": [SECTION], "team_id": "T1"}},
    "form": {"data": {"channel": GENERAL, "text": "hi", "blocks": json.dumps([SECTION])}},
    "query": {"params": {"channel": GENERAL, "text": "hi", "blocks": json.dumps([SECTION])}},
    "query and form": {"params": {"channel": GENERAL}, "data": {"text": "hi", "blocks": "[]"}},
}


@pytest.mark.parametrize("form", FORMS)
async def test_arguments_are_taken_in_every_form(form: str) -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        url = f"{served.base_url}/slack/api/chat.postMessage"
        headers = {"Authorization": f"Bearer {BOT_TOKEN}"}
        async with session.post(url, headers=headers, **FORMS[form]) as response:
            answer = await response.json()
        assert answer["ok"], answer
        assert answer["message"]["text"] == "hi"
        [call] = served.world.calls
        assert (call.method, call.token, call.error) == ("chat.postMessage", "bot", None)
        assert call.arguments["channel"] == GENERAL


async def test_arguments_are_taken_from_a_get_request_and_a_multipart_form() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        url = f"{served.base_url}/slack/api/users.info"
        arguments = {"user": USER_IDS["bob"], "token": BOT_TOKEN}
        async with session.get(url, params=arguments) as response:
            assert (await response.json())["user"]["name"] == "bob"
        with aiohttp.MultipartWriter("form-data") as form:
            for name, value in arguments.items():
                form.append(value).set_content_disposition("form-data", name=name)
        async with session.post(url, data=form) as response:
            assert (await response.json())["user"]["profile"]["display_name"] == "bob"
        assert all("token" not in call.arguments for call in served.world.calls)


@pytest.mark.parametrize(("body", "error"), [("{", "invalid_json"), ("[1]", "json_not_object")])
async def test_a_body_that_is_no_json_object_is_refused(body: str, error: str) -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {BOT_TOKEN}", "Content-Type": "application/json"}
        url = f"{served.base_url}/slack/api/chat.postMessage"
        async with session.post(url, headers=headers, data=body) as response:
            assert (await response.json())["error"] == error


async def test_a_post_an_update_and_a_reply_make_a_thread_with_an_edited_message() -> None:
    async with slack() as served:
        client = served.client()
        posted = await client.chat_postMessage(
            channel=GENERAL,
            text="thinking",
            blocks=[SECTION],
            metadata={"event_type": "turn", "event_payload": {"id": 1}},
        )
        assert posted["message"]["bot_id"] == BOT_ID
        assert posted["message"]["metadata"]["event_type"] == "turn"
        updated = await client.chat_update(channel=GENERAL, ts=posted["ts"], text="done")
        assert updated["text"] == "done"
        assert "blocks" not in updated["message"]
        assert updated["message"]["edited"]["user"] == BOT_USER_ID
        assert updated["message"]["metadata"]["event_type"] == "turn"
        reply = await client.chat_postMessage(channel=GENERAL, text="re", thread_ts=posted["ts"])
        assert float(reply["ts"]) > float(posted["ts"])
        answer = await client.conversations_replies(channel=GENERAL, ts=posted["ts"])
        parent, child = answer["messages"]
        assert (parent["reply_count"], parent["latest_reply"]) == (1, reply["ts"])
        assert parent["thread_ts"] == child["thread_ts"] == posted["ts"]
        view = served.world.messages(channel="general", user="alice")
        assert [(one.text, one.edited, one.thread) for one in view] == [
            ("done", True, None),
            ("re", False, posted["ts"]),
        ]


async def test_blocks_without_text_leave_no_edited_flag_and_neither_keeps_the_blocks() -> None:
    async with slack() as served:
        client = served.client()
        posted = await client.chat_postMessage(channel=GENERAL, text="one", blocks=[SECTION])
        new = {"type": "markdown", "text": "**two**"}
        answer = await client.api_call(
            "chat.update", json={"channel": GENERAL, "ts": posted["ts"], "blocks": [new]}
        )
        assert answer["message"]["blocks"] == [new]
        assert "edited" not in answer["message"]
        answer = await client.api_call(
            "chat.update",
            json={"channel": GENERAL, "ts": posted["ts"], "attachments": [{"text": "a"}]},
        )
        assert answer["message"]["blocks"] == [new]


async def test_buttons_beside_a_markdown_block_are_kept_and_not_read() -> None:
    async with slack() as served:
        buttons = FeedbackButtonsElement(
            action_id="vote",
            positive_button=FeedbackButtonObject(text="Good", value="1"),
            negative_button=FeedbackButtonObject(text="Bad", value="-1"),
        )
        posted = await served.client().chat_postMessage(
            channel=GENERAL,
            text="fallback",
            blocks=[
                MarkdownBlock(text="**hi** <@U0ALICE>"),
                ContextActionsBlock(elements=[buttons]),
            ],
        )
        assert [block["type"] for block in posted["message"]["blocks"]] == [
            "markdown",
            "context_actions",
        ]
        [view] = served.world.messages(channel="general", user="alice")
        assert view.text == "**hi** @alice"


async def test_a_text_beside_blocks_is_for_notifications_only() -> None:
    async with slack() as served:
        await served.client().chat_postMessage(channel=GENERAL, text="unread", blocks=[SECTION])
        [view] = served.world.messages(channel="general", user="alice")
        assert view.text == "*hello*"


async def test_an_overlong_post_is_cut_and_says_so() -> None:
    async with slack() as served:
        answer = await served.client().chat_postMessage(channel=GENERAL, text="x" * 40_001)
        assert answer["warning"] == "message_truncated"
        assert len(answer["message"]["text"]) == 40_000


MANY = [{"type": "divider"}] * 51
LONG_SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_001}}
FULL_SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3_000}}
BAD_POSTS: list[tuple[str, dict[str, Any]]] = [
    ("no_text", {}),
    ("no_text", {"text": " \n"}),
    ("channel_not_found", {"channel": "C404", "text": "x"}),
    ("markdown_text_conflict", {"text": "x", "markdown_text": "x"}),
    ("markdown_text_conflict", {"blocks": [SECTION], "markdown_text": "x"}),
    ("msg_too_long", {"markdown_text": "x" * 12_001}),
    ("invalid_blocks_format", {"blocks": "{"}),
    ("invalid_blocks_format", {"blocks": ["x"]}),
    ("invalid_blocks", {"blocks": [{"type": "nonsense"}]}),
    ("invalid_blocks", {"blocks": [{"type": "section"}]}),
    ("invalid_blocks", {"blocks": [LONG_SECTION]}),
    ("invalid_blocks", {"blocks": [SECTION | {"block_id": "1"}] * 2}),
    ("invalid_blocks", {"blocks": [{"type": "context_actions", "elements": []}]}),
    ("msg_blocks_too_many", {"blocks": MANY}),
    ("msg_blocks_too_long", {"blocks": [{"type": "markdown", "text": "x" * 6_001}] * 2}),
    ("msg_blocks_too_long", {"blocks": [FULL_SECTION] * 5}),
    ("invalid_thread_ts", {"text": "x", "thread_ts": "yesterday"}),
    ("thread_not_found", {"text": "x", "thread_ts": "1700000000.000001"}),
    ("invalid_metadata_format", {"text": "x", "metadata": {"event_type": 1}}),
    ("invalid_arguments", {"text": ["x"]}),
]


@pytest.mark.parametrize(("error", "arguments"), BAD_POSTS)
async def test_what_slack_would_not_post_is_refused(error: str, arguments: dict[str, Any]) -> None:
    async with slack() as served:
        call = served.client().api_call("chat.postMessage", json={"channel": GENERAL} | arguments)
        assert await error_of(call) == error
        assert served.world.messages(channel="general", user="alice") == []
        assert served.world.calls[-1].error == error


async def test_an_invalid_block_is_pointed_at() -> None:
    async with slack() as served:
        with pytest.raises(SlackApiError) as caught:
            await served.client().chat_postMessage(
                channel=GENERAL, text="x", blocks=[SECTION, LONG_SECTION]
            )
        [line] = caught.value.response["response_metadata"]["messages"]
        assert "/blocks/1/text/text" in line


async def test_an_update_of_more_than_4000_characters_is_refused() -> None:
    async with slack() as served:
        client = served.client()
        posted = await client.chat_postMessage(channel=GENERAL, text="x")
        await client.chat_update(channel=GENERAL, ts=posted["ts"], text="y" * 4_000)
        too_long = client.chat_update(channel=GENERAL, ts=posted["ts"], text="z" * 4_001)
        assert await error_of(too_long) == "msg_too_long"
        assert served.world.messages(channel="general", user="bob")[0].text == "y" * 4_000


async def test_what_a_person_wrote_and_what_is_gone_cannot_be_changed() -> None:
    async with slack() as served:
        client = served.client()
        ts = await served.world.post(channel="general", user="alice", text="mine")
        assert await error_of(client.chat_update(channel=GENERAL, ts=ts, text="x")) == (
            "cant_update_message"
        )
        assert await error_of(client.chat_delete(channel=GENERAL, ts=ts)) == "cant_delete_message"
        posted = await client.chat_postMessage(channel=GENERAL, text="x")
        await client.chat_delete(channel=GENERAL, ts=posted["ts"])
        for call in (
            client.chat_delete(channel=GENERAL, ts=posted["ts"]),
            client.chat_update(channel=GENERAL, ts=posted["ts"], text="x"),
        ):
            assert await error_of(call) == "message_not_found"


async def test_a_deleted_parent_leaves_a_tombstone_over_its_thread() -> None:
    async with slack() as served:
        client = served.client()
        posted = await client.chat_postMessage(channel=GENERAL, text="parent")
        await served.world.post(channel="general", user="bob", text="re", thread=posted["ts"])
        await client.chat_delete(channel=GENERAL, ts=posted["ts"])
        answer = await client.conversations_replies(channel=GENERAL, ts=posted["ts"])
        assert answer["messages"][0]["subtype"] == "tombstone"
        assert answer["messages"][1]["text"] == "re"


async def test_a_reply_under_a_reply_is_refused() -> None:
    async with slack() as served:
        parent = await served.world.post(channel="general", user="alice", text="a")
        reply = await served.world.post(channel="general", user="bob", text="b", thread=parent)
        call = served.client().chat_postMessage(channel=GENERAL, text="c", thread_ts=reply)
        assert await error_of(call) == "cannot_reply_to_message"


async def test_a_bot_outside_a_channel_may_not_post_or_read_there() -> None:
    async with slack() as served:
        served.world.set_membership(channel="general", member=False)
        client = served.client()
        for call in (
            client.chat_postMessage(channel=GENERAL, text="x"),
            client.conversations_history(channel=GENERAL),
            client.reactions_add(channel=GENERAL, timestamp="1.000000", name="eyes"),
        ):
            assert await error_of(call) == "not_in_channel"


async def test_a_users_id_stands_for_the_direct_message() -> None:
    async with slack() as served:
        answer = await served.client().chat_postMessage(channel=USER_IDS["bob"], text="hi")
        assert answer["channel"] == IM_IDS["bob"]
        assert [one.text for one in served.world.messages(channel="dm", user="bob")] == ["hi"]


async def test_an_ephemeral_message_is_seen_by_one_person_and_found_by_nobody() -> None:
    async with slack() as served:
        client = served.client()
        answer = await client.chat_postEphemeral(
            channel=GENERAL, user=USER_IDS["alice"], text="only you"
        )
        assert [one.text for one in served.world.messages(channel="general", user="alice")] == [
            "only you"
        ]
        assert served.world.messages(channel="general", user="bob") == []
        assert (await client.conversations_history(channel=GENERAL))["messages"] == []
        gone = client.chat_update(channel=GENERAL, ts=answer["message_ts"], text="x")
        assert await error_of(gone) == "message_not_found"
        stranger = client.chat_postEphemeral(
            channel=IM_IDS["bob"], user=USER_IDS["alice"], text="x"
        )
        assert await error_of(stranger) == "user_not_in_channel"


async def test_a_permalink_leads_to_the_message_in_its_thread() -> None:
    async with slack() as served:
        parent = await served.world.post(channel="general", user="alice", text="a")
        reply = await served.world.post(channel="general", user="bob", text="b", thread=parent)
        answer = await served.client().chat_getPermalink(channel=GENERAL, message_ts=reply)
        assert f"/archives/{GENERAL}/p{reply.replace('.', '')}" in answer["permalink"]
        assert answer["permalink"].endswith(f"?thread_ts={parent}&cid={GENERAL}")


async def test_the_bot_reacts_once_and_takes_it_back_once() -> None:
    async with slack() as served:
        client = served.client()
        ts = await served.world.post(channel="general", user="alice", text="hi")
        reaction = {"channel": GENERAL, "timestamp": ts, "name": "eyes"}
        await client.reactions_add(**reaction)
        assert await error_of(client.reactions_add(**reaction)) == "already_reacted"
        got = await client.reactions_get(channel=GENERAL, timestamp=ts)
        assert got["message"]["reactions"] == [{"name": "eyes", "users": [BOT_USER_ID], "count": 1}]
        await client.reactions_remove(**reaction)
        assert await error_of(client.reactions_remove(**reaction)) == "no_reaction"


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        ("invalid_name", {"name": "👍"}),
        ("invalid_name", {"name": ":eyes:"}),
        ("message_not_found", {"timestamp": "1.000000"}),
        ("channel_not_found", {"channel": "C404"}),
        ("no_item_specified", {"timestamp": ""}),
    ],
)
async def test_a_reaction_that_slack_would_not_take_is_refused(
    error: str, changes: dict[str, str]
) -> None:
    async with slack() as served:
        ts = await served.world.post(channel="general", user="alice", text="hi")
        reaction = {"channel": GENERAL, "timestamp": ts, "name": "eyes"} | changes
        assert await error_of(served.client().reactions_add(**reaction)) == error


async def test_nobody_may_give_a_24th_reaction() -> None:
    async with slack() as served:
        ts = await served.world.post(channel="general", user="alice", text="hi")
        client = served.client()
        for number in range(23):
            await client.reactions_add(channel=GENERAL, timestamp=ts, name=f"custom-{number}")
        one_more = client.reactions_add(channel=GENERAL, timestamp=ts, name="eyes")
        assert await error_of(one_more) == "too_many_reactions"


async def test_a_limited_method_answers_429_with_the_seconds_to_wait() -> None:
    now = 1_800_000_000.0
    knobs = Knobs(rate_limits={"auth.test": RateLimit(calls=1)}, clock=lambda: now)
    async with slack(knobs) as served:
        client = served.client()
        await client.auth_test()
        now += 20.5
        with pytest.raises(SlackApiError) as caught:
            await client.auth_test()
        assert caught.value.response.status_code == 429
        assert caught.value.response["error"] == "ratelimited"
        assert caught.value.response.headers["Retry-After"] == "40"
        now += 39.5
        await client.auth_test()
        assert [call.status for call in served.world.calls] == [200, 429, 200]


async def test_posts_are_limited_by_channel() -> None:
    async with slack(rate_limits=DOCUMENTED_LIMITS, clock=lambda: 1_800_000_000.0) as served:
        client = served.client()
        for _ in range(5):
            await client.chat_postMessage(channel=GENERAL, text="x")
        assert await error_of(client.chat_postMessage(channel=GENERAL, text="x")) == "ratelimited"
        await client.chat_postMessage(channel=CHANNEL_IDS["random"], text="x")


async def test_timestamps_are_unique_and_rise_even_when_the_clock_stands_still() -> None:
    async with slack(clock=lambda: 1_800_000_000.0) as served:
        stamps = [
            await served.world.post(channel="general", user="alice", text=str(number))
            for number in range(5)
        ]
        assert len(set(stamps)) == 5
        assert stamps == sorted(stamps)
        assert all(len(stamp.partition(".")[2]) == 6 for stamp in stamps)


async def test_a_status_is_shown_until_the_reply() -> None:
    async with slack() as served:
        client = served.client()
        ts = await served.world.post(channel="dm", user="alice", text="hi")
        await client.assistant_threads_setStatus(
            channel_id=IM_IDS["alice"],
            thread_ts=ts,
            status="is thinking...",
            loading_messages=["…"],
        )
        assert served.world.activity(channel="dm", user="alice") == "is thinking..."
        assert served.world.activity(channel="dm", user="bob") is None
        await client.chat_postMessage(channel=IM_IDS["alice"], thread_ts=ts, text="hello")
        assert served.world.activity(channel="dm", user="alice") is None


async def test_a_status_ends_by_an_empty_one_or_by_itself() -> None:
    async with slack(status_lifetime=0.2) as served:
        client = served.client()
        ts = await served.world.post(channel="dm", user="alice", text="hi")
        status: dict[str, Any] = {"channel_id": IM_IDS["alice"], "thread_ts": ts}
        await client.assistant_threads_setStatus(**status, status="is thinking...")
        await client.assistant_threads_setStatus(**status, status="")
        assert served.world.activity(channel="dm", user="alice") is None
        await client.assistant_threads_setStatus(**status, status="is thinking...")
        changes: list[str | None] = []
        served.world.subscribe(
            lambda: changes.append(served.world.activity(channel="dm", user="alice"))
        )
        await until(lambda: changes == [None])
        lost = client.assistant_threads_setStatus(
            channel_id=IM_IDS["alice"], thread_ts="1.000000", status="x"
        )
        assert await error_of(lost) == "invalid_thread_ts"


async def test_prompts_for_a_thread_are_dropped_in_silence() -> None:
    async with slack() as served:
        client = served.client()
        ts = await served.world.post(channel="dm", user="alice", text="hi")
        prompts = [{"title": "Ask", "message": "What is new?"}]
        where: dict[str, Any] = {"channel_id": IM_IDS["alice"], "prompts": prompts}
        await client.assistant_threads_setSuggestedPrompts(thread_ts=ts, **where)
        assert served.world.workspace.prompts == {}
        await client.assistant_threads_setSuggestedPrompts(**where)
        assert served.world.workspace.prompts == {IM_IDS["alice"]: tuple(prompts)}
        await client.assistant_threads_setTitle(
            channel_id=IM_IDS["alice"], thread_ts=ts, title="A talk"
        )
        assert served.world.workspace.titles == {(IM_IDS["alice"], ts): "A talk"}


async def test_a_home_view_is_published_against_its_hash() -> None:
    async with slack() as served:
        client = served.client()
        view = {"type": "home", "blocks": [SECTION]}
        first = await client.views_publish(user_id=USER_IDS["alice"], view=view)
        hash_ = first["view"]["hash"]
        again = await client.views_publish(user_id=USER_IDS["alice"], view=view, hash=hash_)
        assert served.world.workspace.homes[USER_IDS["alice"]] == again["view"]
        stale = client.views_publish(user_id=USER_IDS["alice"], view=view, hash=hash_)
        assert await error_of(stale) == "hash_conflict"
        wide = {"type": "home", "blocks": [FULL_SECTION] * 90}
        large = client.views_publish(user_id=USER_IDS["alice"], view=wide)
        assert await error_of(large) == "view_too_large"


async def test_who_is_who_can_be_asked() -> None:
    async with slack(scopes=DEFAULT_SCOPES | {"team:read"}) as served:
        client = served.client()
        alice = (await client.users_info(user=USER_IDS["alice"]))["user"]
        assert (alice["name"], alice["is_bot"]) == ("alice", False)
        assert (await client.users_info(user=BOT_USER_ID))["user"]["is_bot"] is True
        assert (await client.bots_info(bot=BOT_ID))["bot"]["user_id"] == BOT_USER_ID
        assert (await client.team_info())["team"]["id"] == TEAM_ID
        assert await error_of(client.users_info(user="U404")) == "user_not_found"
        assert await error_of(client.bots_info(bot="B404")) == "bot_not_found"
