"""What is read back from the loopback Discord: what was missed, one message, its reactions."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters.discord import history as history_module
from adapters.discord.history import DiscordHistory
from adapters.sandbox.discord import BOT_USER_ID, CHANNEL_IDS, GUILD_ID, PEOPLE_IDS
from adapters.sandbox.faults import Fault
from adapters.sandbox.people import handles
from bot.domain import Conversation, Incoming, MessageRef, Person, Turn
from bot.errors import MessageGone, PlatformUnavailable
from bot.store.inbox import Inbox
from bot.store.places import Places
from tests.adapters.discord.adapted import ref
from tests.adapters.discord.connected import Connected, connected
from tests.adapters.sandbox.discord_bench import Served, served

GENERAL = CHANNEL_IDS["general"]


@asynccontextmanager
async def reading(bench: Served, client: "Redis") -> AsyncIterator[DiscordHistory]:
    """A history over a fresh connection."""
    async with connected() as one:
        yield history_of(one, client)


def history_of(one: Connected, client: "Redis") -> DiscordHistory:
    return DiscordHistory(one.connection.calls, Places(client))


async def say(bench: Served, text: str, **where: str) -> str:
    return await bench.world.post(**{"channel": "general", "user": "alice", **where}, text=text)


async def missed(history: DiscordHistory, since: float | None = None) -> list[str]:
    """The texts of what was missed, without `since` in the last minute."""
    oldest = time.time() - 60 if since is None else since
    return [one.text async for one in history.missed(oldest)]


async def asked_once(client: "Redis", user: str, *, channel: str | None = None) -> None:
    """A person asked something in a channel, or in the direct message of that id."""
    inbox = Inbox(client, "w1", total=100, each=100)
    place = (
        Conversation("discord", str(GUILD_ID), str(GENERAL), "channel", "1")
        if channel is None
        else Conversation("discord", "dm", channel, "dm")
    )
    turn = Turn(
        id=f"t-{user}-{channel}",
        conversation=place,
        question=MessageRef("discord", place.workspace, place.channel, f"1{PEOPLE_IDS[user]}"),
        asker=Person("discord", str(PEOPLE_IDS[user])),
        text="Why?",
        release="r1",
        created_at=time.time(),
    )
    assert await inbox.accept(turn) == "new"


def before(path_end: str, change: Any) -> Middleware:
    """Something that stands between and changes the body of an answer, or gives its own."""

    @web.middleware
    async def between(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        if request.method == "GET" and request.path.endswith(path_end):
            assert isinstance(answer, web.Response)
            assert isinstance(answer.body, bytes)
            status, body = change(json.loads(answer.body))
            # Just this type: discord.py takes any other for text.
            return web.Response(
                body=json.dumps(body).encode(), status=status, content_type="application/json"
            )
        return answer

    return between


def refused(status: int, code: int) -> Any:
    return lambda _: (status, {"code": code, "message": "Refused"})


async def test_what_was_missed_is_read_in_channels_and_threads(client: "Redis") -> None:
    async with served() as bench:
        parent = await say(bench, "an old parent")
        await say(bench, "in a thread, seen", thread=parent)
        await asyncio.sleep(0.01)  # ids tell milliseconds
        since = time.time()
        await say(bench, "@candor one")
        await say(bench, "two", thread=parent)
        await say(bench, "three", channel="random")
        async with reading(bench, client) as history:
            found = [one async for one in history.missed(since)]
    assert {one.text for one in found} == {"one", "two", "three"}
    by_text = {one.text: one for one in found}
    assert by_text["one"].mentions_bot
    assert (by_text["one"].place, by_text["two"].place) == ("channel", "thread")
    assert by_text["two"].thread == parent
    assert by_text["three"].ref == ref("random", by_text["three"].ref.message)


async def test_of_a_quiet_channel_nothing_is_asked(client: "Redis") -> None:
    async with served() as bench:
        await say(bench, "long ago", channel="random")
        asked_before = bench.world.faults.arm(
            Fault(kind="server_error", on="GET /channels/{channel_id}/messages", times=None)
        )
        async with reading(bench, client) as history:
            assert await missed(history, time.time() + 1) == []
        bench.world.faults.disarm(asked_before)


async def test_what_was_missed_comes_in_pages_oldest_first(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "PAGE", 10)
    async with served() as bench:
        texts = [str(number) for number in range(35)]
        for text in texts:
            await say(bench, text)
        async with reading(bench, client) as history:
            assert await missed(history) == texts
            monkeypatch.setattr(history_module, "PAGES", 2)
            with capture_logs() as logged:
                assert await missed(history) == texts[:20]
    assert "not all is looked at" in {one["event"] for one in logged}


async def test_a_known_person_s_direct_messages_are_found_and_opened_once(client: "Redis") -> None:
    async with served() as bench:
        await say(bench, "from alice", channel="dm")
        await say(bench, "from bob", channel="dm", user="bob")
        async with reading(bench, client) as history:
            assert await missed(history) == [], "Discord tells a bot of no stranger's message"
            await asked_once(client, "alice")
            assert await missed(history) == ["from alice"]
            opened = await Places(client).direct("discord")
            assert set(opened) == {str(PEOPLE_IDS["alice"])}
            # Opened once: no further call, so that one which fails is not met.
            bench.world.faults.arm(
                Fault(kind="server_error", on="POST /users/@me/channels", times=None)
            )
            assert await missed(history) == ["from alice"]


async def test_a_direct_message_in_which_something_was_asked_is_read_once(client: "Redis") -> None:
    async with served() as bench:
        await say(bench, "from alice", channel="dm")
        async with reading(bench, client) as history:
            await asked_once(client, "alice")
            await missed(history)
            channel = (await Places(client).direct("discord"))[str(PEOPLE_IDS["alice"])]
            await asked_once(client, "alice", channel=channel)
            assert await missed(history) == ["from alice"]


async def test_a_person_whom_discord_does_not_let_us_write_to_stops_nobody(
    client: "Redis",
) -> None:
    refused_first = iter([True])

    @web.middleware
    async def invalid(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.endswith("/users/@me/channels") and next(refused_first, False):
            body = b'{"code": 50033, "message": "Invalid Recipient(s)"}'
            return web.Response(body=body, status=400, content_type="application/json")
        return await handler(request)

    async with served(middlewares=[invalid]) as bench:
        await say(bench, "from alice", channel="dm")
        async with reading(bench, client) as history:
            await asked_once(client, "alice")
            await asked_once(client, "bob")  # who asked last comes first
            assert await missed(history) == ["from alice"]
            assert (await Places(client).direct("discord"))[str(PEOPLE_IDS["bob"])] == ""


@pytest.mark.parametrize(("status", "code"), [(403, 50001), (404, 10003), (400, 50024)])
async def test_a_channel_that_may_not_be_read_stops_no_other(
    client: "Redis", status: int, code: int
) -> None:
    wall = before(f"/channels/{GENERAL}/messages", refused(status, code))
    async with served(middlewares=[wall]) as bench:
        await say(bench, "hidden")
        await say(bench, "seen", channel="random")
        async with reading(bench, client) as history:
            assert await missed(history) == ["seen"]


async def test_a_message_that_cannot_be_read_hides_no_other(client: "Redis") -> None:
    """discord.py's own history ends at the first."""

    def spoil(messages: Any) -> tuple[int, Any]:
        for one in messages:
            if one["content"] == "two":
                one["author"] = None
        return 200, messages

    async with served(middlewares=[before(f"/channels/{GENERAL}/messages", spoil)]) as bench:
        for text in ("one", "two", "three"):
            await say(bench, text)
        async with reading(bench, client) as history:
            with capture_logs() as logged:
                assert await missed(history) == ["one", "three"]
    assert "Discord message skipped" in {one["event"] for one in logged}


async def test_a_discord_that_is_away_is_told(client: "Redis") -> None:
    async with served() as bench:
        await say(bench, "one")
        async with reading(bench, client) as history:
            bench.world.faults.arm(
                Fault(kind="rate_limit", on="GET /channels/{channel_id}/messages", seconds=90.0)
            )
            with pytest.raises(PlatformUnavailable):
                await missed(history)


# One message


async def test_a_question_is_read_as_it_stands_now_and_none_when_it_is_deleted(
    client: "Redis",
) -> None:
    async with served() as bench, reading(bench, client) as history:
        asked = await say(bench, "@candor Why?")
        await bench.world.edit(channel="general", message=asked, user="alice", text="@candor Who?")
        found = await history.question(ref("general", asked))
        assert isinstance(found, Incoming)
        assert found.text == "Who?"
        await bench.world.delete(channel="general", message=asked, user="alice")
        assert await history.question(ref("general", asked)) is None


async def posted(bench: Served) -> str:
    """An answer of the bot's."""
    async with (
        bench.http() as http,
        http.post(
            f"{bench.api}/channels/{GENERAL}/messages", json={"content": "It is so."}
        ) as answer,
    ):
        return str((await answer.json())["id"])


async def test_reactions_are_read_person_by_person_whatever_their_kind(client: "Redis") -> None:
    people = handles(130)
    async with served(people=people) as bench, reading(bench, client) as history:
        answer = await posted(bench)

        async def react(user: str, emoji: str, **how: bool) -> None:
            await bench.world.react(
                channel="general", message=answer, user=user, emoji=emoji, present=True, **how
            )

        for handle in people:
            await react(handle, "👍")
        await react("alice", "👍", burst=True)
        await react("bob", "👎🏽")
        await react("carol", "🎉")
        async with bench.http() as http:
            url = f"{bench.api}/channels/{GENERAL}/messages/{answer}/reactions"
            async with http.put(f"{url}/%F0%9F%91%8D/@me") as mine:
                assert mine.status == 204
        found = await history.reactions(ref("general", answer))
    kinds = {(int(one.person.id), one.emoji, one.kind) for one in found}
    assert len(found) == len(kinds) == 132
    assert {person for person, emoji, kind in kinds if (emoji, kind) == ("👍", "normal")} == {
        PEOPLE_IDS[handle] for handle in people
    }
    assert (PEOPLE_IDS["alice"], "👍", "burst") in kinds
    assert (PEOPLE_IDS["bob"], "👎🏽", "normal") in kinds
    assert all(one.present and one.ours for one in found)
    assert BOT_USER_ID not in {person for person, _, _ in kinds}


async def test_the_reactions_of_a_deleted_message_are_gone(client: "Redis") -> None:
    async with served() as bench, reading(bench, client) as history:
        asked = await say(bench, "Why?")
        await bench.world.delete(channel="general", message=asked, user="alice")
        with pytest.raises(MessageGone):
            await history.reactions(ref("general", asked))
