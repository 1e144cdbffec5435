"""Channels, history, paging and files, with the real client."""

import io
from typing import Any

import aiohttp
import pytest

from adapters.sandbox.people import handles
from adapters.sandbox.slack import BOT_USER_ID, CHANNEL_IDS, DEFAULT_SCOPES, IM_IDS, USER_IDS
from tests.adapters.sandbox.slack_bench import BOT_TOKEN, connected_bot, error_of, slack
from tests.waiting import until

GENERAL = CHANNEL_IDS["general"]
EVERYBODY = [USER_IDS[handle] for handle in handles()]


async def test_history_is_paged_newest_first_without_replies() -> None:
    async with slack() as served:
        world, client = served.world, served.client()
        stamps = [
            await world.post(channel="general", user="alice", text=str(number))
            for number in range(5)
        ]
        await world.post(channel="general", user="bob", text="re", thread=stamps[0])
        first = await client.conversations_history(channel=GENERAL, limit=2)
        assert first["has_more"] is True
        await world.post(channel="general", user="alice", text="meanwhile")
        pages = [first]
        while cursor := pages[-1]["response_metadata"]["next_cursor"]:
            page = await client.conversations_history(channel=GENERAL, limit=2, cursor=cursor)
            pages.append(page)
        got = [message["ts"] for page in pages for message in page["messages"]]
        assert got == stamps[::-1]


async def test_history_between_two_moments_leaves_them_out_unless_asked() -> None:
    async with slack() as served:
        stamps = [
            await served.world.post(channel="general", user="alice", text=str(number))
            for number in range(4)
        ]
        client = served.client()
        between: dict[str, Any] = {"channel": GENERAL, "oldest": stamps[0], "latest": stamps[3]}
        answer = await client.conversations_history(**between)
        assert [message["text"] for message in answer["messages"]] == ["2", "1"]
        answer = await client.conversations_history(**between, inclusive=True)
        assert [message["text"] for message in answer["messages"]] == ["3", "2", "1", "0"]


async def test_replies_come_after_their_parent_and_in_pages() -> None:
    async with slack() as served:
        world, client = served.world, served.client()
        parent = await world.post(channel="general", user="alice", text="p")
        for number in range(3):
            await world.post(channel="general", user="bob", text=str(number), thread=parent)
        first = await client.conversations_replies(channel=GENERAL, ts=parent, limit=2)
        cursor = first["response_metadata"]["next_cursor"]
        second = await client.conversations_replies(channel=GENERAL, ts=parent, cursor=cursor)
        texts = [one["text"] for page in (first, second) for one in page["messages"]]
        assert texts == ["p", "0", "1", "2"]
        assert second["has_more"] is False
        lost = client.conversations_replies(channel=GENERAL, ts="1.000000")
        assert await error_of(lost) == "thread_not_found"


async def test_a_broadcast_reply_stands_in_the_channel_too() -> None:
    async with slack() as served:
        parent = await served.world.post(channel="general", user="alice", text="p")
        client = served.client()
        await client.chat_postMessage(
            channel=GENERAL, thread_ts=parent, text="all", reply_broadcast=True
        )
        [broadcast, _] = (await client.conversations_history(channel=GENERAL))["messages"]
        assert (broadcast["subtype"], broadcast["thread_ts"]) == ("thread_broadcast", parent)


async def test_metadata_is_told_when_asked_for() -> None:
    async with slack() as served:
        client = served.client()
        metadata = {"event_type": "turn", "event_payload": {"id": 7}}
        await client.chat_postMessage(channel=GENERAL, text="x", metadata=metadata)
        [plain] = (await client.conversations_history(channel=GENERAL))["messages"]
        assert "metadata" not in plain
        answer = await client.conversations_history(channel=GENERAL, include_all_metadata=True)
        assert answer["messages"][0]["metadata"] == metadata


@pytest.mark.parametrize(
    ("error", "arguments"),
    [
        ("invalid_cursor", {"cursor": "nonsense"}),
        ("invalid_cursor", {"cursor": "bmV4dDo0"}),
        ("invalid_limit", {"limit": 0}),
        ("invalid_limit", {"limit": 1_001}),
        ("channel_not_found", {"channel": "C404"}),
        ("invalid_ts_oldest", {"oldest": "soon"}),
        ("invalid_ts_latest", {"latest": "1.x"}),
    ],
)
async def test_history_that_cannot_be_asked_for_is_refused(
    error: str, arguments: dict[str, Any]
) -> None:
    async with slack() as served:
        call = served.client().conversations_history(**{"channel": GENERAL} | arguments)
        assert await error_of(call) == error


async def test_channels_are_listed_by_type_and_scope() -> None:
    async with slack(scopes=DEFAULT_SCOPES - {"groups:read"}) as served:
        client = served.client()
        answer = await client.conversations_list()
        names = [channel["name"] for channel in answer["channels"]]
        assert names == ["general", "random", "elsewhere"]
        answer = await client.conversations_list(types="im", limit=3)
        assert [channel["user"] for channel in answer["channels"]] == EVERYBODY[:3]
        cursor = answer["response_metadata"]["next_cursor"]
        answer = await client.conversations_list(types="im", cursor=cursor)
        assert len(answer["channels"]) == 1
        assert await error_of(client.conversations_list(types="private_channel")) == (
            "missing_scope"
        )
        assert await error_of(client.conversations_list(types="party")) == "invalid_types"


async def test_a_channel_tells_its_members() -> None:
    async with slack() as served:
        client = served.client()
        info = (await client.conversations_info(channel=GENERAL))["channel"]
        assert (info["name"], info["is_member"], info["is_general"]) == ("general", True, True)
        im = (await client.conversations_info(channel=IM_IDS["bob"]))["channel"]
        assert (im["is_im"], im["user"]) == (True, USER_IDS["bob"])
        members = (await client.conversations_members(channel=GENERAL))["members"]
        assert set(members) == {*EVERYBODY, BOT_USER_ID}


async def test_a_direct_message_is_opened_with_one_person() -> None:
    async with slack(scopes=DEFAULT_SCOPES | {"im:write"}) as served:
        client = served.client()
        answer = await client.conversations_open(users=[USER_IDS["alice"]])
        assert answer["channel"] == {"id": IM_IDS["alice"]}
        answer = await client.conversations_open(channel=IM_IDS["alice"], return_im=True)
        assert answer["channel"]["user"] == USER_IDS["alice"]
        cases: tuple[tuple[str, dict[str, Any]], ...] = (
            ("user_not_found", {"users": "U404"}),
            ("users_list_not_supplied", {"users": ""}),
            ("method_not_supported_for_channel_type", {"users": ",".join(EVERYBODY)}),
            ("method_not_supported_for_channel_type", {"channel": GENERAL}),
        )
        for error, arguments in cases:
            assert await error_of(client.conversations_open(**arguments)) == error


async def test_the_default_scopes_do_not_open_direct_messages() -> None:
    async with slack() as served:
        call = served.client().conversations_open(users=USER_IDS["alice"])
        assert await error_of(call) == "missing_scope"


async def test_a_file_is_uploaded_shared_and_downloaded() -> None:
    async with slack() as served, connected_bot(served):
        client = served.client()
        answer = await client.files_upload_v2(
            channel=GENERAL,
            filename="räport 1.txt",
            title="Report",
            content="the content",
            initial_comment="here",
        )
        file = answer["file"]
        assert (file["title"], file["size"], file["mimetype"]) == ("Report", 11, "text/plain")
        await until(lambda: served.world.deliveries)
        [view] = served.world.messages(channel="general", user="alice")
        assert view.text == "here\n📎 Report"
        history = await client.conversations_history(channel=GENERAL)
        assert history["messages"][0]["subtype"] == "file_share"
        async with aiohttp.ClientSession() as session:
            headers = {"Authorization": f"Bearer {BOT_TOKEN}"}
            async with session.get(file["url_private"], headers=headers) as response:
                assert await response.text() == "the content"
            async with session.get(file["url_private"]) as response:
                assert response.status == 403
            missing = f"{served.base_url}/slack/files/F404/x"
            async with session.get(missing, headers=headers) as response:
                assert response.status == 404


async def test_an_upload_takes_a_form_and_works_once() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        client = served.client()
        answer = await client.files_getUploadURLExternal(filename="a.bin", length=3)
        files = [{"id": answer["file_id"], "title": "A"}]
        early = client.files_completeUploadExternal(files=files, channel_id=GENERAL)
        assert await error_of(early) == "file_not_found"
        form = aiohttp.FormData()
        form.add_field("comment", "not a file")
        form.add_field("file", b"abc", filename="a.bin")
        async with session.post(answer["upload_url"], data=form) as response:
            assert await response.text() == "OK - 3"
        async with session.post(answer["upload_url"], data=b"again") as response:
            assert response.status == 404
        parent = await served.world.post(channel="general", user="alice", text="p")
        done = await client.files_completeUploadExternal(
            files=files, channel_id=GENERAL, thread_ts=parent
        )
        assert done["files"][0]["title"] == "A"
        assert served.world.messages(channel="general", user="bob")[-1].thread == parent


async def test_a_file_that_is_too_large_is_refused_before_and_while_it_is_sent() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        client = served.client()
        size = 16 * 1024 * 1024 + 1
        announced = client.files_getUploadURLExternal(filename="a.bin", length=size)
        assert await error_of(announced) == "file_upload_size_restricted"
        answer = await client.files_getUploadURLExternal(filename="a.bin", length=1)
        async with session.post(answer["upload_url"], data=io.BytesIO(bytes(size))) as response:
            assert response.status == 413
