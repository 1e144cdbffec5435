"""What a bot that was away can read back from the loopback Slack, with slack_sdk."""

from typing import Any

import pytest

from adapters.sandbox.people import handles
from adapters.sandbox.slack import BOT_USER_ID, CHANNEL_IDS, DEFAULT_SCOPES, IM_IDS, USER_IDS
from tests.adapters.sandbox.slack_bench import error_of, slack

GENERAL = CHANNEL_IDS["general"]
ALL_TYPES = "public_channel,private_channel,im,mpim"


async def test_with_oldest_alone_the_pages_go_forward_each_newest_first() -> None:
    async with slack() as bench:
        stamps = [
            await bench.world.post(channel="general", user="alice", text=str(number))
            for number in range(6)
        ]
        client = bench.client()
        first = await client.conversations_history(channel=GENERAL, oldest=stamps[0], limit=2)
        assert [one["ts"] for one in first["messages"]] == [stamps[2], stamps[1]]
        assert first["has_more"] is True
        found: list[str] = []
        cursor = None
        while cursor != "":
            page = await client.conversations_history(
                channel=GENERAL, oldest=stamps[0], limit=2, cursor=cursor
            )
            found += [one["ts"] for one in page["messages"]][::-1]
            cursor = page["response_metadata"]["next_cursor"]
        assert found == stamps[1:]


async def test_one_message_is_found_by_its_ts() -> None:
    async with slack() as bench:
        stamps = [
            await bench.world.post(channel="general", user="alice", text=str(number))
            for number in range(3)
        ]
        for bound in ("oldest", "latest"):
            arguments: dict[str, Any] = {bound: stamps[1], "inclusive": True, "limit": 1}
            answer = await bench.client().conversations_history(channel=GENERAL, **arguments)
            assert [one["ts"] for one in answer["messages"]] == [stamps[1]]


async def test_parents_tell_of_their_replies_and_replies_of_their_parent() -> None:
    async with slack() as bench:
        client = bench.client()
        parent = await bench.world.post(channel="general", user="alice", text="@candor why?")
        metadata = {"event_type": "turn", "event_payload": {"turn": "t1", "part": 0}}
        answer = await client.chat_postMessage(
            channel=GENERAL, thread_ts=parent, text="Because.", metadata=metadata
        )
        more = await bench.world.post(channel="general", user="bob", text="And?", thread=parent)
        (shown,) = (await client.conversations_history(channel=GENERAL))["messages"]
        assert (shown["reply_count"], shown["latest_reply"]) == (2, more)
        assert shown["reply_users"] == [BOT_USER_ID, USER_IDS["bob"]]
        assert shown["thread_ts"] == shown["ts"] == parent
        answer_ts = answer["ts"]
        newer = await client.conversations_replies(channel=GENERAL, ts=parent, oldest=answer_ts)
        assert [one["ts"] for one in newer["messages"]] == [parent, more]
        whole = await client.conversations_replies(
            channel=GENERAL,
            ts=parent,
            oldest=answer_ts,
            inclusive=True,
            include_all_metadata=True,
        )
        assert [one["ts"] for one in whole["messages"]] == [parent, answer_ts, more]
        assert whole["messages"][1]["metadata"] == metadata
        assert [one.get("parent_user_id") for one in whole["messages"]] == [
            None,
            USER_IDS["alice"],
            USER_IDS["alice"],
        ]


async def test_reactions_given_meanwhile_are_read_back_person_by_person() -> None:
    async with slack(people=handles(30)) as bench:
        client = bench.client()
        ts = (await client.chat_postMessage(channel=IM_IDS["alice"], text="answer"))["ts"]
        ts = (await client.chat_postMessage(channel=GENERAL, text="answer"))["ts"]
        for handle in handles(30):
            emoji = "👍🏽" if handle == "bob" else "👍"
            await bench.world.react(
                channel="general", message=ts, user=handle, emoji=emoji, present=True
            )
        expected = [
            {
                "name": "+1",
                "users": [USER_IDS[handle] for handle in handles(30) if handle != "bob"],
                "count": 29,
            },
            {"name": "+1::skin-tone-4", "users": [USER_IDS["bob"]], "count": 1},
        ]
        (shown,) = (await client.conversations_history(channel=GENERAL))["messages"]
        assert shown["reactions"] == expected
        one = await client.reactions_get(channel=GENERAL, timestamp=ts, full=True)
        assert one["message"]["reactions"] == expected
        replies = await client.conversations_replies(channel=GENERAL, ts=ts)
        assert replies["messages"][0]["reactions"] == expected


async def test_the_bot_s_conversations_are_listed_by_type_in_pages() -> None:
    async with slack(people=handles(30)) as bench:
        bench.world.set_membership(channel="random", member=False)
        client = bench.client()
        found: list[str] = []
        cursor = None
        while cursor != "":
            page = await client.users_conversations(types=ALL_TYPES, limit=20, cursor=cursor)
            found += [one["id"] for one in page["channels"]]
            cursor = page["response_metadata"]["next_cursor"]
        assert found == [GENERAL, *(IM_IDS[handle] for handle in handles(30))]
        (public,) = (await client.users_conversations())["channels"]
        assert (public["name"], "is_member" in public) == ("general", False)
        listed = (await client.conversations_list(types=ALL_TYPES, limit=999))["channels"]
        assert len(listed) == 33
        assert [one.get("is_member") for one in listed[:2]] == [True, False]
        (first, *_) = (await client.users_conversations(types="im"))["channels"]
        assert (first["is_im"], first["user"]) == (True, USER_IDS["alice"])
        of_bob = await client.users_conversations(user=USER_IDS["bob"], types=ALL_TYPES)
        assert [one["id"] for one in of_bob["channels"]] == [GENERAL, IM_IDS["bob"]]
        assert await error_of(client.users_conversations(user="U404")) == "user_not_found"
        assert await error_of(client.users_conversations(types="party")) == "invalid_types"


@pytest.mark.parametrize(
    ("kind", "scope"),
    [
        ("public_channel", "channels:read"),
        ("private_channel", "groups:read"),
        ("mpim", "mpim:read"),
        ("im", "im:read"),
    ],
)
async def test_each_type_needs_its_scope(kind: str, scope: str) -> None:
    async with slack(scopes=DEFAULT_SCOPES - {scope}) as bench:
        client = bench.client()
        for call in (client.users_conversations, client.conversations_list):
            assert await error_of(call(types=f"{kind},im")) == "missing_scope"
