"""What people send besides text: files and forwarded messages, on both platforms."""

import base64
from pathlib import Path

import aiohttp
import discord
import pytest
from playwright.async_api import expect

from adapters.sandbox.platform import ControlError, Upload
from adapters.sandbox.slack import USER_IDS
from tests.adapters.sandbox.discord_bench import served
from tests.adapters.sandbox.slack_bench import BOT_TOKEN, connected_bot, slack
from tests.adapters.sandbox.tiny_platform import serving
from tests.browser import page_at
from tests.waiting import until

FILE = Upload("my notes.txt", b"teal")
WHERE = {"channel": "general", "user": "alice"}


async def test_a_file_on_slack_is_a_file_share_that_the_token_alone_opens() -> None:
    async with slack() as bench, connected_bot(bench) as bot:
        await bench.world.upload(channel="general", user="alice", text="@candor read", files=[FILE])
        await until(lambda: bot.events("app_mention") and bot.events("message"))
        (event,) = bot.events("message")
        (file,) = event["files"]
        assert (event["subtype"], file["user"]) == ("file_share", USER_IDS["alice"])
        assert (file["name"], file["mimetype"], file["size"]) == ("my notes.txt", "text/plain", 4)
        async with aiohttp.ClientSession() as session:
            async with session.get(file["url_private"]) as answer:
                assert answer.status == 403
            headers = {"Authorization": f"Bearer {BOT_TOKEN}"}
            async with session.get(file["url_private"], headers=headers) as answer:
                assert await answer.read() == b"teal"
        (view,) = bench.world.messages(channel="general", user="bob")
        assert view.text == "@candor read\n📎 my notes.txt"


async def test_a_file_on_discord_is_read_by_its_signed_address() -> None:
    async with served() as bench, bench.bot() as bot:
        sent = await bench.world.upload(channel="dm", user="alice", text="", files=[FILE])
        await until(lambda: bot.message(sent))
        message = bot.message(sent)
        assert message is not None
        (file,) = message.attachments
        assert (file.filename, file.content_type, file.size) == ("my_notes.txt", "text/plain", 4)
        assert await file.read() == b"teal"
        (view,) = bench.world.messages(channel="dm", user="alice")
        assert view.text == "📎 my_notes.txt"


async def test_a_message_forwarded_on_discord_is_a_snapshot_without_its_author() -> None:
    async with served() as bench, bench.bot() as bot:
        said = await bench.world.upload(channel="general", user="bob", text="so", files=[FILE])
        sent = await bench.world.forward(channel="general", message=said, user="alice", to="dm")
        again = await bench.world.forward(channel="dm", message=sent, user="alice", to="dm")
        await until(lambda: bot.message(again))
        for message in (bot.message(sent), bot.message(again)):
            assert message is not None
            assert message.reference is not None
            assert message.reference.type is discord.MessageReferenceType.forward
            assert message.type is discord.MessageType.default
            (snapshot,) = message.message_snapshots
            assert (message.content, snapshot.content) == ("", "so")
            assert await snapshot.attachments[0].read() == b"teal"
        views = bench.world.messages(channel="dm", user="alice")
        assert views[0].text == "↪ so\n📎 my_notes.txt"


async def test_a_message_shared_on_slack_is_an_attachment_with_its_author() -> None:
    async with slack() as bench, connected_bot(bench) as bot:
        said = await bench.world.upload(channel="general", user="bob", text="so", files=[FILE])
        await bench.world.forward(channel="general", message=said, user="alice", to="dm")
        await until(lambda: len(bot.events("message")) == 2)
        shared = bot.events("message")[1]
        (attachment,) = shared["attachments"]
        assert shared["text"] == ""
        assert attachment["is_share"]
        assert (attachment["author_name"], attachment["text"]) == ("Bob", "so")
        assert attachment["files"][0]["name"] == "my notes.txt"
        (view,) = bench.world.messages(channel="dm", user="alice")
        assert view.text == "↪ so"


async def test_no_more_is_taken_than_the_platforms_take() -> None:
    async with served() as discord_bench, slack() as slack_bench:
        for world in (discord_bench.world, slack_bench.world):
            with pytest.raises(ControlError):
                await world.upload(channel="general", user="alice", text="", files=[FILE] * 11)
            with pytest.raises(ControlError):
                await world.upload(channel="nowhere", user="alice", text="", files=[FILE])
            with pytest.raises(ControlError):
                await world.forward(channel="general", message="1", user="alice", to="dm")


async def test_files_and_forwards_go_over_the_control_api() -> None:
    async with serving() as world, aiohttp.ClientSession(world.sandbox.url) as session:
        files = [{"name": "a.txt", "data": base64.b64encode(b"teal").decode()}]
        url = "/control/slack/uploads"
        async with session.post(url, json={**WHERE, "text": "", "files": files}) as answer:
            sent = (await answer.json())["id"]
        forward = {**WHERE, "message": sent, "to": "random"}
        async with session.post("/control/slack/forward", json=forward) as answer:
            assert answer.status == 200
        (view,) = world.slack.messages(channel="random", user="bob")
        assert view.text == "↪ \na.txt: teal"
        for wrong in (
            {"text": "no files"},
            {"text": "no files", "files": []},
            {"text": "", "files": [{"name": "a.txt", "data": "no base64!"}]},
            {"text": "", "files": [{"name": "", "data": ""}]},
            {"text": "x", "files": files, "reply_to": sent},
        ):
            async with session.post(url, json={**WHERE, **wrong}) as answer:
                assert answer.status == 400


@pytest.mark.browser
async def test_a_person_attaches_files_on_the_page(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"text of {name}")
    async with serving() as world, page_at(world.sandbox.url) as page:
        side = page.locator("#discord")
        async with page.expect_file_chooser() as chosen:
            await side.get_by_role("button", name="Attach files").click()
        chooser = await chosen.value
        await chooser.set_files([tmp_path / "a.txt", tmp_path / "b.txt"])
        await side.get_by_role("button", name="Leave out b.txt").click()
        await expect(side.get_by_role("button", name="Leave out")).to_have_count(1)
        await side.get_by_role("button", name="Send").click()
        shown = side.locator(".message[data-user=alice] .text")
        await expect(shown).to_have_text("a.txt: text of a.txt")
        await expect(side.get_by_role("button", name="Leave out")).to_have_count(0)
