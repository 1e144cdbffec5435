"""The Slack adapter: an event is acknowledged once it is durable, over sockets and over HTTP."""

import asyncio
import time
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters.sandbox.slack import BOT_USER_ID, CHANNEL_IDS, USER_IDS
from adapters.sandbox.slack.payload import envelope
from adapters.slack import adapter as adapter_module
from bot.settings import RedisSettings
from bot.store import keys
from bot.store.connection import connect
from tests.adapters.core_bench import Core, core_bench, frozen
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.adapted import adapted, ref
from tests.adapters.slack.slack_line import arm
from tests.waiting import until

TRANSPORTS = pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])


async def post(served: Served, text: str, *, channel: str = "dm", **where: str) -> str:
    return await served.world.post(channel=channel, user="alice", text=text, **where)


async def settled(served: Served) -> None:
    """Wait until each event is acknowledged or given up."""
    await until(lambda: served.world.pending_events == 0, within_s=10)


def failures(served: Served, kind: str = "message") -> list[str | None]:
    """How the attempts to deliver events of a type ended; None where they were acknowledged."""
    return [one.outcome.failure for one in served.world.deliveries if one.event_type == kind]


def of_first(served: Served) -> list[str | None]:
    """How the attempts to deliver the first event ended."""
    first = served.world.deliveries[0].event_id if served.world.deliveries else ""
    return [one.outcome.failure for one in served.world.deliveries if one.event_id == first]


async def taken(core: Core, *texts: str) -> None:
    """Just these questions are in the inbox."""
    found = await core.texts("slack")
    assert found == list(texts)


@TRANSPORTS
async def test_a_question_is_durable_before_slack_hears_so(client: "Redis", http: bool) -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core, http=http):
        asked = await post(served, "Why?")
        await settled(served)
        assert failures(served) == [None]
        assert await core.turns.of_message(ref("dm", asked).key) is not None
        await taken(core, "Why?")


@TRANSPORTS
async def test_what_cannot_be_kept_is_not_acknowledged_and_one_question_when_it_comes_again(
    tmp_path: Path, http: bool
) -> None:
    async with (
        connect(RedisSettings(timeout_s=0.2), tmp_path / "state") as client,
        slack(ack_timeout=0.5, redelivery_delays=(0.2, 0.2, 0.2, 5.0)) as served,
        core_bench(client) as core,
        adapted(served, core, http=http),
    ):
        with frozen(tmp_path / "state"):
            asked = await post(served, "Why?")
            await until(lambda: len(of_first(served)) >= 2)
            assert None not in of_first(served)
            shown = served.world.messages(channel="dm", user="alice")
            assert len([one for one in shown if one.bot]) == 1, "one notice, however often it comes"
        await settled(served)
        assert of_first(served)[-1] is None
        await taken(core, "Why?")
        [notice] = [one for one in served.world.messages(channel="dm", user="alice") if one.bot]
        turn = await core.turns.of_message(ref("dm", asked).key)
        assert turn is not None
        assert [part.message for part in turn.parts] == [notice.id], "the answer begins there"


@TRANSPORTS
async def test_a_handler_that_fails_acknowledges_nothing_and_is_logged(
    client: "Redis", http: bool
) -> None:
    broken = {
        "type": "reaction_added",
        "user": USER_IDS["alice"],
        "reaction": "+1",
        "item": {"type": "message", "channel": CHANNEL_IDS["general"]},
        "event_ts": "1.000001",
    }
    async with slack() as served, core_bench(client) as core, adapted(served, core, http=http):
        with capture_logs() as logged:
            served.world._deliveries.submit("Ev1", envelope(broken, event_id="Ev1", now=1.0))
            await until(lambda: len(failures(served, "reaction_added")) >= 2, within_s=8)
            await post(served, "Why?")
            await until(lambda: None in failures(served))
        assert None not in failures(served, "reaction_added")
        assert "event failed" in {one["event"] for one in logged if one["log_level"] == "error"}
        await taken(core, "Why?")


@TRANSPORTS
async def test_while_it_stops_nothing_is_acknowledged_and_the_next_process_hears_it(
    client: "Redis", http: bool
) -> None:
    async with slack(ack_timeout=0.5, redelivery_delays=(0.1,) * 20) as served:
        async with core_bench(client) as core:
            async with adapted(served, core, http=http) as one:
                one.adapter.refuse()
                asked = await post(served, "Why?")
                await served.world.react(
                    channel="dm", message=asked, user="alice", emoji="👍", present=True
                )
                await until(lambda: failures(served) and failures(served, "reaction_added"))
                await taken(core)
            async with adapted(served, core, http=http):
                await settled(served)
                await taken(core, "Why?")
        assert None not in failures(served)[:-1]
        assert failures(served)[-1] is None


async def test_a_mention_and_its_message_are_one_question(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        await post(served, "@candor Why?", channel="general")
        await settled(served)
        assert failures(served, "app_mention") == failures(served) == [None]
        await taken(core, "Why?")


async def test_an_edited_mention_is_no_new_question_and_amends_one_that_waits(
    client: "Redis",
) -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        asked = await post(served, "@candor Why?", channel="general")
        await settled(served)
        await served.world.edit(
            channel="general", message=asked, user="alice", text="@candor Why not?"
        )
        await settled(served)
        assert failures(served, "app_mention") == [None, None]
        await taken(core, "Why not?")


async def test_an_edited_mention_amends_though_no_other_event_tells_of_it(client: "Redis") -> None:
    """An app may be told of mentions alone."""
    heard = frozenset({"app_mention"})
    async with (
        slack(subscriptions=heard) as served,
        core_bench(client) as core,
        adapted(served, core),
    ):
        asked = await post(served, "@candor Why?", channel="general")
        await settled(served)
        await served.world.edit(
            channel="general", message=asked, user="alice", text="@candor Why not?"
        )
        await settled(served)
        await taken(core, "Why not?")


async def test_a_mention_that_an_edit_adds_is_a_question(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        asked = await post(served, "Why?", channel="general")
        await settled(served)
        await taken(core)
        await served.world.edit(channel="general", message=asked, user="alice", text="@candor Why?")
        await settled(served)
        await taken(core, "Why?")


@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_deleted_question_is_not_answered(client: "Redis", in_thread: bool) -> None:
    """One with replies leaves a tombstone, which comes as a change."""
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        asked = await post(served, "@candor Why?", channel="general")
        if in_thread:
            await post(served, "a reply", channel="general", thread=asked)
        await settled(served)
        await served.world.delete(channel="general", message=asked, user="alice")
        await settled(served)
        turn = await core.turns.of_message(ref("general", asked).key)
        assert turn is not None
        assert turn.status == "withdrawn"


async def test_its_own_messages_and_reactions_are_no_news(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        asked = await post(served, "@candor Why?", channel="general")
        await settled(served)
        mine = await served.client().chat_postMessage(
            channel=CHANNEL_IDS["general"], thread_ts=asked, text=f"<@{BOT_USER_ID}> It is so."
        )
        turn = await core.answered(ref("general", asked), ref("general", mine["ts"]))
        await served.client().chat_update(
            channel=CHANNEL_IDS["general"], ts=mine["ts"], text="It is so, and more."
        )
        await served.client().reactions_add(
            channel=CHANNEL_IDS["general"], timestamp=mine["ts"], name="+1"
        )
        await settled(served)
        assert set(failures(served) + failures(served, "reaction_added")) == {None}
        await taken(core, "Why?")
        assert await core.votes.tally(turn.id) == (0, 0)
        await served.world.react(
            channel="general", message=mine["ts"], user="alice", emoji="👍", present=True
        )
        await settled(served)
        assert await core.votes.tally(turn.id) == (1, 0)


async def test_a_deleted_answer_is_marked_and_keeps_its_votes(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        asked = await post(served, "Why?")
        await settled(served)
        place = ref("dm", asked).channel
        mine = await served.client().chat_postMessage(channel=place, text="It is so.")
        turn = await core.answered(ref("dm", asked), ref("dm", mine["ts"]))
        await served.world.react(
            channel="dm", message=mine["ts"], user="alice", emoji="👍", present=True
        )
        await served.world.delete(channel="dm", message=mine["ts"], user="alice")
        await settled(served)
        stored = await core.turns.get(turn.id)
        assert stored is not None
        assert stored.deleted
        assert await core.votes.tally(turn.id) == (1, 0)


async def test_a_start_catches_up_and_a_short_outage_of_all_sockets_does_not(
    client: "Redis",
) -> None:
    """Slack repeats what it could not deliver for longer than that."""
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        await until(lambda: one.catch_up.told == ["connected"])
        arm(served, "kill_socket")
        await until(lambda: one.catch_up.told[-1] == "resumed")
        assert one.catch_up.told == ["connected", "disconnected", "resumed"]


async def test_an_outage_longer_than_slack_s_repeats_is_caught_up_on(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter_module, "REPEATED_S", 0.0)
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        await until(lambda: one.catch_up.told == ["connected"])
        arm(served, "kill_socket")
        await until(lambda: one.catch_up.told == ["connected", "disconnected", "connected"])


async def test_one_that_stops_does_not_begin_to_catch_up(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        await until(lambda: one.catch_up.told == ["connected"])
        one.adapter.refuse()
        arm(served, "kill_socket")
        await until(lambda: one.catch_up.told.count("disconnected") == 2)
        await until(served.world.connected)
        await asyncio.sleep(0.1)
        assert one.catch_up.told == ["connected", "disconnected", "disconnected"]


async def test_names_are_looked_up_and_a_strange_answer_ends_nothing(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        arm(served, "server_error", on="users.info", times=None)
        await post(served, "Why?")
        await settled(served)
        served.world.faults.clear()
        await post(served, "Why not?")
        key = f"slack/{USER_IDS['alice']}"

        async def named() -> bool:
            return (await core.client.hget(keys.PEOPLE, key)) == "Alice"

        await until(named, within_s=20)
        assert not one.running.done()


async def test_what_was_said_before_the_bot_was_asked_is_no_question_when_it_is_read_back(
    client: "Redis",
) -> None:
    """It stands in a thread that the bot is in, but it did not when it was written."""
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        parent = await post(served, "a parent", channel="general")
        await post(served, "among people", channel="general", thread=parent)
        await settled(served)
        await post(served, "@candor Why?", channel="general", thread=parent)
        await post(served, "And then?", channel="general", thread=parent)
        await settled(served)
        await taken(core, "Why?", "And then?")
        async for question in one.adapter.history.missed(time.time() - 60):
            await one.adapter.take(question)
        await taken(core, "Why?", "And then?")
