"""What people change afterwards: edits, deletions and cleared reactions, on both platforms."""

from typing import Any

import aiohttp
import discord
import pytest

from adapters.sandbox.faults import Fault
from adapters.sandbox.platform import ControlError
from adapters.sandbox.slack import BOT_USER_ID, CHANNEL_IDS, IM_IDS, USER_IDS
from adapters.stand_in import stand_in
from bot.platform_settings import SandboxSettings
from bot.settings import Settings
from tests.adapters.sandbox.discord_bench import served
from tests.adapters.sandbox.slack_bench import connected_bot, slack
from tests.adapters.sandbox.tiny_platform import serving
from tests.process import Seat
from tests.waiting import until

GENERAL = CHANNEL_IDS["general"]


async def test_an_edit_on_discord_is_told_with_its_time_and_the_whole_message() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor a")
        await bench.world.edit(channel="general", message=asked, user="alice", text="@candor b")
        await until(lambda: bot.edited)
        event = bot.edited[0]
        assert str(event.message_id) == asked
        assert event.message.edited_at is not None
        assert event.message.content.endswith(" b")
        (view,) = bench.world.messages(channel="general", user="bob")
        assert (view.text, view.edited) == ("@candor b", True)


async def test_an_edit_on_slack_is_told_with_what_was_before_and_the_mention_again() -> None:
    async with slack() as bench, connected_bot(bench) as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor a")
        await bench.world.post(channel="general", user="bob", text="well", thread=asked)
        await bench.world.edit(channel="general", message=asked, user="alice", text="@candor b")
        await bench.world.edit(channel="general", message=asked, user="alice", text="@candor b")
        await until(lambda: len(bot.events("app_mention")) == 2)
        await until(lambda: bench.world.pending_events == 0)
        (changed,) = [one for one in bot.events("message") if "subtype" in one]
        assert (changed["subtype"], changed["hidden"]) == ("message_changed", True)
        assert changed["channel"] == GENERAL
        before, after = changed["previous_message"], changed["message"]
        assert before["text"] == f"<@{BOT_USER_ID}> a"
        assert (after["text"], after["ts"]) == (f"<@{BOT_USER_ID}> b", asked)
        assert after["edited"]["user"] == after["user"] == USER_IDS["alice"]
        assert after["client_msg_id"] == before["client_msg_id"]
        again = bot.events("app_mention")[1]
        assert (again["ts"], again["text"]) == (asked, after["text"])
        assert again["edited"] == after["edited"]
        assert again["event_ts"] != asked


async def test_an_edit_that_mentions_nobody_or_stands_in_a_dm_is_no_mention() -> None:
    async with slack() as bench, connected_bot(bench) as bot:
        for channel, text in (("general", "plain"), ("dm", "@candor b")):
            ts = await bench.world.post(channel=channel, user="alice", text="a")
            await bench.world.edit(channel=channel, message=ts, user="alice", text=text)
        await until(lambda: len(bot.events("message")) == 4)
        await until(lambda: bench.world.pending_events == 0)
        assert bot.events("app_mention") == []


@pytest.mark.parametrize("kind", ["reorder", "delay_event", "redeliver"])
async def test_faults_strike_edits_and_deletions_on_slack(kind: str) -> None:
    async with slack() as bench, connected_bot(bench) as bot:
        asked = await bench.world.post(channel="dm", user="alice", text="a")
        await until(lambda: bot.bodies)
        seconds = {"reorder": 5.0, "delay_event": 0.1}.get(kind)
        bench.world.faults.arm(Fault(kind=kind, on="message", seconds=seconds))
        await bench.world.edit(channel="dm", message=asked, user="alice", text="b")
        await bench.world.delete(channel="dm", message=asked, user="alice")
        await until(lambda: len(bot.bodies) == (4 if kind == "redeliver" else 3))
        told = [event["subtype"] for event in bot.events("message")[1:]]
        if kind == "redeliver":
            assert sorted(told) == ["message_changed", "message_changed", "message_deleted"]
        else:
            assert told == ["message_deleted", "message_changed"]
        assert bench.world.faults.num_fired == 1


@pytest.mark.parametrize("kind", ["reorder", "delay_event", "redeliver"])
async def test_faults_strike_edits_and_deletions_on_discord(kind: str) -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor a")
        await until(lambda: bot.heard)
        seconds = {"reorder": 5.0, "delay_event": 0.1}.get(kind)
        bench.world.faults.arm(Fault(kind=kind, on="MESSAGE_UPDATE", seconds=seconds))
        seen: list[str] = []
        bot.on_raw_message_edit = _noting(seen, "edit")  # type: ignore[method-assign]
        bot.on_raw_message_delete = _noting(seen, "delete")  # type: ignore[method-assign]
        await bench.world.edit(channel="general", message=asked, user="alice", text="@candor b")
        await bench.world.delete(channel="general", message=asked, user="alice")
        await until(lambda: len(seen) == (3 if kind == "redeliver" else 2))
        if kind == "redeliver":
            assert sorted(seen) == ["delete", "edit", "edit"]
        else:
            assert seen == ["delete", "edit"]


def _noting(seen: list[str], what: str) -> Any:
    async def note(_event: object) -> None:
        seen.append(what)

    return note


async def test_people_delete_their_own_messages_and_the_bot_s_on_discord() -> None:
    async with served() as bench, bench.bot() as bot:
        asked = await bench.world.post(channel="general", user="alice", text="@candor a")
        answer = await (await bot.channel()).send("answer")
        with pytest.raises(ControlError, match="50013"):
            await bench.world.delete(channel="general", message=asked, user="bob")
        for message in (asked, str(answer.id)):
            await bench.world.delete(channel="general", message=message, user="alice")
        await until(lambda: len(bot.deleted) == 2)
        assert [one.message_id for one in bot.deleted] == [int(asked), answer.id]
        assert bench.world.audit() == []
        secret = await (await bot.create_dm(discord.Object(bot.heard[0].author.id))).send("psst")
        with pytest.raises(ControlError, match="50003"):
            await bench.world.delete(channel="dm", message=str(secret.id), user="alice")
        with pytest.raises(ControlError, match="no such message"):
            await bench.world.delete(channel="dm", message=str(secret.id), user="bob")


async def test_people_delete_their_own_messages_and_the_bot_s_on_slack() -> None:
    async with slack() as bench, connected_bot(bench) as bot:
        asked = await bench.world.post(channel="dm", user="alice", text="a")
        posted = await bench.client().chat_postMessage(channel=IM_IDS["alice"], text="answer")
        for message in (asked, posted["ts"]):
            await bench.world.delete(channel="dm", message=message, user="alice")
        # bolt keeps what happens to the bot's own messages from it.
        await until(lambda: len(bot.events("message")) == 2)
        deleted = bot.events("message")[1]
        assert (deleted["subtype"], deleted["hidden"]) == ("message_deleted", True)
        assert deleted["deleted_ts"] == deleted["previous_message"]["ts"] == asked
        assert bench.world.audit() == []
        other = await bench.world.post(channel="general", user="alice", text="mine")
        for user in ("bob", "dave"):
            with pytest.raises(ControlError, match="their own"):
                await bench.world.delete(channel="general", message=other, user=user)
        with pytest.raises(ControlError, match="their own"):
            await bench.world.edit(channel="general", message=other, user="bob", text="not mine")


async def test_a_moderator_clears_reactions_on_discord_alone() -> None:
    async with served() as bench, bench.bot() as bot:
        answer = str((await (await bot.channel()).send("answer")).id)
        for user, emoji in (("alice", "👍"), ("bob", "👍"), ("bob", "👎")):
            await bench.world.react(
                channel="general", message=answer, user=user, emoji=emoji, present=True
            )
        await bench.world.clear_reactions(channel="general", message=answer, emoji="👎")
        await until(lambda: bot.emoji_cleared)
        assert bot.emoji_cleared[0].emoji.name == "👎"
        (view,) = bench.world.messages(channel="general", user="alice")
        assert [one.emoji for one in view.reactions] == ["👍"]
        await bench.world.clear_reactions(channel="general", message=answer, emoji=None)
        await until(lambda: bot.cleared)
        assert str(bot.cleared[0].message_id) == answer
        assert bot.removed == []
        for arguments, line in (
            ({"channel": "dm"}, "no moderator"),
            ({"message": "1"}, "no such message"),
            ({"emoji": "x"}, "10014"),
        ):
            wanted: dict[str, Any] = {"channel": "general", "message": answer, "emoji": None}
            with pytest.raises(ControlError, match=line):
                await bench.world.clear_reactions(**wanted | arguments)


async def test_the_control_api_edits_deletes_and_clears_on_the_real_worlds() -> None:
    settings = Settings(sandbox=SandboxSettings(port=0))
    async with stand_in(settings) as sandbox, aiohttp.ClientSession() as session:
        seat = Seat(sandbox.url, session)
        for platform in ("slack", "discord"):
            first = await seat.write(platform, "general", "alice", "one")
            second = await seat.write(platform, "general", "bob", "two")
            await seat.edit(platform, "general", "alice", first, "uno")
            await seat.delete(platform, "general", "bob", second)
            await seat.react(platform, "general", first, "bob", "👍")
            (left,) = await seat.audit(platform)
            assert (left["text"], left["edited"], left["reactions"]) == (
                "uno",
                True,
                {"bob": ["👍"]},
            )
        await seat.clear_reactions("discord", "general", first)
        assert (await seat.audit("discord"))[0]["reactions"] == {}
        url = f"{sandbox.url}/control/slack/reactions"
        async with session.delete(url, json={"channel": "general", "message": "1"}) as refused:
            assert refused.status == 400
            assert (await refused.json())["error"].startswith("Slack has no way to clear")


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_a_change_that_a_foreign_page_could_send_is_refused(method: str) -> None:
    async with serving() as world:
        message = await world.slack.post(channel="general", user="alice", text="hi")
        body = {"channel": "general", "user": "alice", "message": message, "text": "gone"}
        path = "/control/slack/messages"
        await world.ask(method, path, status=415, data=str(body))
        headers = {"Origin": "https://evil.example"}
        await world.ask(method, path, status=403, headers=headers, json=body)
        assert world.slack.messages(channel="general", user="bob")[0].text == "hi"


async def test_what_is_wrong_with_a_change_is_told_in_one_line() -> None:
    async with serving() as world:
        message = await world.slack.post(channel="general", user="alice", text="hi")
        own = {"channel": "general", "user": "alice", "message": message}
        for method, path, change, line in (
            ("PATCH", "messages", {"text": " "}, "text: must hold more than white space"),
            ("PATCH", "messages", {"user": "bob", "text": "x"}, "somebody else's"),
            ("DELETE", "messages", {"text": "x"}, "'text': unknown key"),
            ("DELETE", "messages", {"message": "1"}, "message: '1' is unknown"),
            ("DELETE", "reactions", {}, "'user': unknown key; allowed: channel, message, emoji"),
        ):
            path = f"/control/slack/{path}"
            answer = await world.ask(method, path, status=400, json={**own, **change})
            assert line in answer["error"]
