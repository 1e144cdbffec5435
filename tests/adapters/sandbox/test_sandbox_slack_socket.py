"""Events over Socket Mode, as an unmodified bolt app gets them."""

import asyncio
from typing import Any

import aiohttp
import pytest

from adapters.sandbox.slack import APP_ID, BOT_USER_ID, CHANNEL_IDS, IM_IDS, TEAM_ID, USER_IDS
from tests.adapters.sandbox.slack_bench import (
    APP_TOKEN,
    Served,
    bolt_app,
    connected_bot,
    error_of,
    slack,
)
from tests.waiting import until


async def socket_url(served: Served) -> str:
    answer = await served.client(APP_TOKEN).apps_connections_open(app_token=APP_TOKEN)
    return str(answer["url"])


async def test_a_mention_in_a_channel_arrives_as_app_mention_and_as_message() -> None:
    async with slack() as served, connected_bot(served) as bot:
        ts = await served.world.post(channel="general", user="alice", text="@candor what & why?")
        await until(lambda: len(bot.bodies) == 2)
        [mention], [message] = bot.events("app_mention"), bot.events("message")
        assert mention["ts"] == message["ts"] == ts
        assert mention["text"] == message["text"] == f"<@{BOT_USER_ID}> what &amp; why?"
        assert len({body["event_id"] for body in bot.bodies}) == 2
        assert message["channel_type"] == "channel"
        assert "channel_type" not in mention
        assert message["user"] == USER_IDS["alice"]
        assert message["channel"] == CHANNEL_IDS["general"]
        assert message["team"] == TEAM_ID
        assert message["client_msg_id"]
        assert message["blocks"][0]["type"] == "rich_text"


async def test_the_envelope_names_the_app_the_team_and_the_bot() -> None:
    async with slack() as served, connected_bot(served) as bot:
        await served.world.post(channel="general", user="bob", text="hello")
        await until(lambda: bot.bodies)
        body = bot.bodies[0]
        assert body["type"] == "event_callback"
        assert (body["team_id"], body["api_app_id"]) == (TEAM_ID, APP_ID)
        assert body["authorizations"][0]["user_id"] == BOT_USER_ID
        assert body["is_ext_shared_channel"] is False
        assert body["event_context"]


async def test_a_direct_message_arrives_once_and_as_im() -> None:
    async with slack() as served, connected_bot(served) as bot:
        await served.world.post(channel="dm", user="carol", text="@candor psst")
        await until(lambda: bot.bodies)
        await until(lambda: served.world.pending_events == 0)
        assert [event["type"] for body in bot.bodies for event in [body["event"]]] == ["message"]
        assert bot.bodies[0]["event"]["channel_type"] == "im"
        assert bot.bodies[0]["event"]["channel"] == IM_IDS["carol"]


async def test_a_reply_in_a_thread_names_the_thread_and_its_parents_author() -> None:
    async with slack() as served, connected_bot(served) as bot:
        parent = await served.world.post(channel="random", user="alice", text="first")
        reply = await served.world.post(channel="random", user="bob", text="re", thread=parent)
        await until(lambda: len(bot.bodies) == 2)
        event = next(one for one in bot.events("message") if one["ts"] == reply)
        assert event["thread_ts"] == parent
        assert event["parent_user_id"] == USER_IDS["alice"]


async def test_the_bots_own_message_is_echoed_and_bolt_drops_it() -> None:
    async with slack() as served, connected_bot(served) as bot:
        await served.client().chat_postMessage(channel=CHANNEL_IDS["general"], text="ping")
        await until(lambda: served.world.deliveries)
        await until(lambda: served.world.pending_events == 0)
        assert [one.event_type for one in served.world.deliveries] == ["message"]
        assert served.world.deliveries[0].outcome.failure is None
        assert bot.bodies == []
        assert len(served.world.messages(channel="general", user="alice")) == 1


async def test_updates_and_deletions_of_the_bot_are_announced_hidden() -> None:
    async with slack() as served:
        ticket = await socket_url(served)
        client = served.client()
        async with aiohttp.ClientSession() as session, session.ws_connect(ticket) as ws:
            assert (await ws.receive_json())["type"] == "hello"
            channel = CHANNEL_IDS["general"]
            posted = await client.chat_postMessage(channel=channel, text="one")
            await client.chat_update(channel=channel, ts=posted["ts"], text="two")
            await client.chat_delete(channel=channel, ts=posted["ts"])
            events = []
            for _ in range(3):
                frame = await ws.receive_json()
                await ws.send_json({"envelope_id": frame["envelope_id"]})
                events.append(frame["payload"]["event"])
        echo, changed, deleted = events
        assert (echo["user"], echo["app_id"]) == (BOT_USER_ID, APP_ID)
        assert echo["bot_id"] == echo["bot_profile"]["id"]
        assert (changed["subtype"], changed["hidden"]) == ("message_changed", True)
        assert changed["message"]["text"] == "two"
        assert changed["previous_message"]["text"] == "one"
        assert deleted["subtype"] == "message_deleted"
        assert deleted["deleted_ts"] == posted["ts"]
        assert len({event["event_ts"] for event in events}) == 3


async def test_reactions_arrive_with_who_gave_them_to_what() -> None:
    async with slack() as served, connected_bot(served) as bot:
        posted = await served.client().chat_postMessage(channel=IM_IDS["dave"], text="an answer")
        for present in (True, True, False):
            await served.world.react(
                channel="dm", message=posted["ts"], user="dave", emoji="👎", present=present
            )
        await until(lambda: bot.events("reaction_removed"))
        [added], [removed] = bot.events("reaction_added"), bot.events("reaction_removed")
        item = {"type": "message", "channel": IM_IDS["dave"], "ts": posted["ts"]}
        for event in (added, removed):
            assert event["reaction"] == "-1"
            assert event["user"] == USER_IDS["dave"]
            assert event["item"] == item
            assert event["item_user"] == BOT_USER_ID


async def test_an_event_that_is_not_acknowledged_comes_again_under_the_same_id() -> None:
    async with slack(ack_timeout=0.4) as served:
        bot = bolt_app(served)
        refusals = 2

        @bot.app.middleware
        async def refuse_at_first(next: Any) -> None:
            nonlocal refusals
            if refusals:
                refusals -= 1
                raise RuntimeError("not stored")
            await next()

        async with connected_bot(served, bot=bot):
            await served.world.post(channel="dm", user="alice", text="hi")
            await until(lambda: bot.bodies)
        assert bot.retries == ["2"]
        ids = {one.event_id for one in served.world.deliveries}
        assert ids == {bot.bodies[0]["event_id"]}
        assert [one.outcome.failure for one in served.world.deliveries] == [
            "timeout",
            "timeout",
            None,
        ]


async def test_a_repeated_frame_counts_its_attempts_and_gives_up_after_the_last() -> None:
    async with slack(ack_timeout=0.05) as served:
        url = await socket_url(served)
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            await ws.receive_json()
            await served.world.post(channel="dm", user="alice", text="hi")
            frames = [await ws.receive_json() for _ in range(4)]
            await until(lambda: served.world.pending_events == 0)
        assert [frame["retry_attempt"] for frame in frames] == [0, 1, 2, 3]
        assert [frame["retry_reason"] for frame in frames] == ["", *["timeout"] * 3]
        assert len({frame["payload"]["event_id"] for frame in frames}) == 1
        assert all(frame["type"] == "events_api" for frame in frames)


async def test_an_event_on_a_connection_that_dies_comes_again_on_the_next() -> None:
    async with slack(ack_timeout=0.2) as served, aiohttp.ClientSession() as session:
        ws = await session.ws_connect(await socket_url(served))
        await ws.receive_json()
        await served.world.post(channel="dm", user="alice", text="hi")
        first = await ws.receive_json()
        await ws.close()
        ws = await session.ws_connect(await socket_url(served))
        await ws.receive_json()
        second = await ws.receive_json()
        await ws.send_json({"envelope_id": second["envelope_id"]})
        await until(lambda: served.world.pending_events == 0)
        assert second["payload"]["event_id"] == first["payload"]["event_id"]
        assert (second["retry_attempt"], second["retry_reason"]) == (1, "timeout")


async def test_the_bots_own_reaction_is_dropped_by_bolt() -> None:
    async with slack() as served, connected_bot(served) as bot:
        ts = await served.world.post(channel="dm", user="alice", text="hi")
        await served.client().reactions_add(channel=IM_IDS["alice"], timestamp=ts, name="eyes")
        await until(lambda: len(served.world.deliveries) == 2)
        kinds = {one.event_type for one in served.world.deliveries}
        assert kinds == {"message", "reaction_added"}
        assert bot.events("reaction_added") == []


async def test_events_wait_while_nobody_is_connected() -> None:
    async with slack() as served:
        assert not served.world.connected()
        await served.world.post(channel="dm", user="alice", text="one")
        await served.world.post(channel="dm", user="alice", text="two")
        async with connected_bot(served) as bot:
            await until(lambda: len(bot.bodies) == 2)
            assert bot.retries == ["0", "0"]
        await until(lambda: not served.world.connected())


async def test_events_beyond_the_limit_are_dropped_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with slack(max_pending_events=2) as served:
        for text in ("one", "two", "three", "four"):
            await served.world.post(channel="dm", user="alice", text=text)
        assert served.world.pending_events == 2
        assert [record.getMessage() for record in caplog.records] == [
            "slack sandbox: 2 events are waiting; more are dropped"
        ]


async def test_a_ticket_opens_one_connection_only() -> None:
    async with slack() as served:
        url = await socket_url(served)
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(url) as ws:
                hello = await ws.receive_json()
                assert hello["num_connections"] == 1
                assert hello["connection_info"] == {"app_id": APP_ID}
            for stale in (url, url.partition("?")[0]):
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await session.ws_connect(stale)


async def test_a_ticket_expires() -> None:
    async with slack(ticket_lifetime=0.0) as served:
        url = await socket_url(served)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(url)


async def test_connections_are_opened_with_the_app_token_alone() -> None:
    async with slack() as served:
        client = served.client()
        assert await error_of(client.apps_connections_open(app_token="xoxb-1-test")) == (
            "not_allowed_token_type"
        )
        assert await error_of(client.apps_connections_open(app_token="xapp-other")) == (
            "invalid_auth"
        )
        assert await error_of(served.client(APP_TOKEN).users_info(user=BOT_USER_ID)) == (
            "not_allowed_token_type"
        )


async def test_a_refresh_makes_the_client_reconnect_and_nothing_is_lost() -> None:
    async with slack() as served, connected_bot(served) as bot:
        await served.world.disconnect("refresh_requested")
        await served.world.post(channel="dm", user="alice", text="in between")
        await until(lambda: bot.bodies)
        await until(lambda: len(served.world.calls_to("apps.connections.open")) == 2)
        assert served.world.connected()
        assert bot.retries == ["0"]


async def test_a_client_that_ignores_the_refresh_is_closed() -> None:
    async with slack(disconnect_lead=0.05) as served:
        url = await socket_url(served)
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as ws:
            await ws.receive_json()
            await served.world.disconnect("warning")
            frame = await ws.receive_json()
            assert (frame["type"], frame["reason"]) == ("disconnect", "warning")
            assert not served.world.connected()
            assert (await ws.receive(timeout=2)).type is aiohttp.WSMsgType.CLOSE


async def test_two_connections_take_turns() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        got: list[list[str]] = [[], []]

        async def read(ws: aiohttp.ClientWebSocketResponse, texts: list[str]) -> None:
            async for message in ws:
                frame = message.json()
                if frame["type"] == "events_api":
                    texts.append(frame["payload"]["event"]["text"])
                    await ws.send_json({"envelope_id": frame["envelope_id"]})

        sockets = [await session.ws_connect(await socket_url(served)) for _ in range(2)]
        readers = [
            asyncio.create_task(read(ws, texts)) for ws, texts in zip(sockets, got, strict=True)
        ]
        for number in range(4):
            await served.world.post(channel="dm", user="alice", text=str(number))
        await until(lambda: sum(map(len, got)) == 4)
        await until(lambda: served.world.pending_events == 0)
        assert sorted(map(len, got)) == [2, 2]
        for ws in sockets:
            await ws.close()
        await asyncio.gather(*readers)


async def test_one_app_on_two_sockets_gets_each_event_once() -> None:
    async with slack() as served, connected_bot(served, sockets=2) as bot:
        for number in range(6):
            await served.world.post(channel="dm", user="alice", text=str(number))
        await until(lambda: len(bot.bodies) == 6)
        await until(lambda: served.world.pending_events == 0)
        assert len({body["event_id"] for body in bot.bodies}) == 6


async def test_an_eleventh_connection_is_sent_away() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        sockets = [await session.ws_connect(await socket_url(served)) for _ in range(10)]
        assert [(await ws.receive_json())["type"] for ws in sockets] == ["hello"] * 10
        ws = await session.ws_connect(await socket_url(served))
        frame = await ws.receive_json()
        assert (frame["type"], frame["reason"]) == ("disconnect", "too_many_websockets")
        assert (await ws.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_pings_are_answered_with_their_own_payload() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        ws = await session.ws_connect(await socket_url(served), autoping=False)
        await ws.receive_json()
        await ws.ping(b"sdk-ping-pong:1.5")
        pong = await ws.receive()
        assert (pong.type, pong.data) == (aiohttp.WSMsgType.PONG, b"sdk-ping-pong:1.5")


async def test_a_quiet_client_is_pinged_and_one_that_does_not_answer_is_given_up() -> None:
    async with slack(heartbeat=0.1) as served, aiohttp.ClientSession() as session:
        timeout = aiohttp.ClientWSTimeout(ws_close=0.1)
        quiet = await session.ws_connect(
            await socket_url(served), autoping=False, autoclose=False, timeout=timeout
        )
        await quiet.receive_json()
        assert (await quiet.receive(timeout=2)).type is aiohttp.WSMsgType.PING
        assert (await quiet.receive(timeout=2)).type is aiohttp.WSMsgType.CLOSE
        await quiet.close()
        answering = await session.ws_connect(await socket_url(served))
        await answering.receive_json()
        # Each ping would begin the library's own time limit anew.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await answering.receive()
        assert served.world.connected()


async def test_a_frame_that_is_no_acknowledgement_is_ignored() -> None:
    async with slack() as served, aiohttp.ClientSession() as session:
        ws = await session.ws_connect(await socket_url(served))
        await ws.receive_json()
        for text in ("{", "[]", '{"envelope_id": 7}', '{"envelope_id": "unknown"}'):
            await ws.send_str(text)
        await served.world.post(channel="dm", user="alice", text="still here")
        frame = await ws.receive_json()
        assert frame["payload"]["event"]["text"] == "still here"


async def test_only_subscribed_events_whose_scope_was_granted_are_sent() -> None:
    async with slack(scopes=frozenset({"im:history"})) as served, connected_bot(served) as bot:
        await served.world.post(channel="general", user="alice", text="@candor hello")
        await served.world.post(channel="dm", user="alice", text="hello")
        await until(lambda: bot.bodies)
        await until(lambda: served.world.pending_events == 0)
        assert [body["event"]["channel"] for body in bot.bodies] == [IM_IDS["alice"]]


async def test_a_bot_that_is_not_in_a_channel_hears_nothing_of_it() -> None:
    async with slack() as served, connected_bot(served) as bot:
        served.world.set_membership(channel="random", member=False)
        await served.world.post(channel="random", user="alice", text="@candor hello")
        served.world.open_home(user="alice", tab="messages")
        await until(lambda: bot.bodies)
        assert [body["event"]["type"] for body in bot.bodies] == ["app_home_opened"]
        assert bot.bodies[0]["event"]["tab"] == "messages"
