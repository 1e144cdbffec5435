"""The Discord adapter: events are taken in, and what could not be is caught up on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters import border as border_module
from adapters.sandbox.discord import BOT_USER_ID, CHANNEL_IDS, GUILD_ID
from adapters.sandbox.faults import Fault
from adapters.surface import Content
from bot.domain import MessageRef, Turn
from bot.settings import RedisSettings
from bot.store.connection import connect
from tests.adapters.core_bench import Core, core_bench, frozen
from tests.adapters.discord.adapted import Adapted, adapted, dispatch, ref
from tests.adapters.sandbox.discord_bench import Served, served
from tests.waiting import until

GENERAL = CHANNEL_IDS["general"]


def arm(bench: Served, kind: str, **options: Any) -> None:
    bench.world.faults.arm(Fault(kind=kind, **options))


async def ask(bench: Served, text: str = "@candor Why?", **where: str) -> str:
    return await bench.world.post(**{"channel": "general", "user": "alice", **where}, text=text)


async def takes(core: Core, *texts: str) -> None:
    """Wait until just these questions wait in the inbox."""
    found: list[str] = []

    async def same() -> bool:
        found[:] = await core.texts("discord")
        return found == list(texts)

    await until(same, lambda: f"not {texts} but {found}")


async def turn_of(core: Core, message: MessageRef) -> Turn:
    turn = await core.turns.of_message(message.key)
    assert turn is not None
    return turn


async def answered(bench: Served, core: Core, one: Adapted) -> tuple[str, MessageRef]:
    """The turn and the message of an answer."""
    asked = await ask(bench)
    await takes(core, "Why?")
    surface = one.adapter._surface(
        ref("general", asked), (await turn_of(core, ref("general", asked))).conversation
    )
    part = await surface.post(Content("It is so."), turn="t1", part=0)
    turn = await core.answered(ref("general", asked), part)
    return turn.id, part


async def react(
    bench: Served, part: MessageRef, emoji: str = "👍", *, present: bool = True
) -> None:
    await bench.world.react(
        channel="general", message=part.message, user="alice", emoji=emoji, present=present
    )


async def tally(core: Core, turn: str, up: int, down: int) -> None:
    async def same() -> bool:
        return await core.votes.tally(turn) == (up, down)

    await until(same)


async def test_a_question_is_taken_in_and_a_bot_s_or_a_stranger_s_word_is_not(
    client: "Redis",
) -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core) as one:
        await answered(bench, core, one)
        await ask(bench, "to nobody")
        await ask(bench, "two", channel="dm")
        await takes(core, "Why?", "two")


async def test_what_could_not_be_made_durable_is_caught_up_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(border_module, "MOST_HELD", 0)
    async with (
        connect(RedisSettings(timeout_s=0.2), tmp_path / "state") as client,
        served() as bench,
        core_bench(client) as core,
        adapted(bench, core) as one,
    ):
        await core.places.set_awake("discord", 1.0)
        catching_up = asyncio.create_task(one.catch_up.run(one.adapter.history, one.adapter.take))
        with frozen(tmp_path / "state"):
            await ask(bench)
            await until(lambda: one.catch_up.told[-1] == "missed")
        await takes(core, "Why?")
        catching_up.cancel()
        await asyncio.gather(catching_up, return_exceptions=True)


async def test_a_resumed_session_catches_up_on_nothing_and_a_lost_one_does(
    client: "Redis",
) -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core) as one:
        assert one.catch_up.told == ["connected"]
        arm(bench, "kill_socket")
        await until(lambda: one.catch_up.told[1:] == ["disconnected", "resumed"])
        arm(bench, "invalidate_session")
        await until(lambda: one.catch_up.told[3:] == ["disconnected", "connected"], within_s=15)


async def test_one_that_stops_takes_nothing_in_and_begins_no_catching_up(client: "Redis") -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core) as one:
        one.adapter.refuse()
        await ask(bench)
        arm(bench, "kill_socket")
        await until(lambda: one.catch_up.told.count("disconnected") == 2)
        await until(bench.world.connected)
        await asyncio.sleep(0.2)
        assert one.catch_up.told == ["connected", "disconnected", "disconnected"]
        await takes(core)


async def test_reactions_become_votes_but_the_bot_s_own_do_not(client: "Redis") -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core) as one:
        turn, part = await answered(bench, core, one)
        message = one.adapter._connection.calls.clients()[0]
        place = message.get_partial_messageable(GENERAL)
        await place.get_partial_message(int(part.message)).add_reaction("👎")
        await react(bench, part)
        await tally(core, turn, 1, 0)
        await react(bench, part, present=False)
        await tally(core, turn, 0, 0)


@pytest.mark.parametrize("emoji", [None, "👍"])
async def test_cleared_reactions_are_read_back(client: "Redis", emoji: str | None) -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core) as one:
        reading = asyncio.create_task(core.border.rereads.run(one.adapter.history))
        turn, part = await answered(bench, core, one)
        await react(bench, part)
        await tally(core, turn, 1, 0)
        await bench.world.clear_reactions(channel="general", message=part.message, emoji=emoji)
        await tally(core, turn, 0, 0)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)


async def test_an_edit_amends_a_question_that_waits_and_an_unfolded_link_does_not(
    client: "Redis",
) -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core):
        asked = await ask(bench)
        await takes(core, "Why?")
        async with (
            bench.http() as http,
            http.get(f"{bench.api}/channels/{GENERAL}/messages/{asked}") as answer,
        ):
            told = await answer.json()
        told |= {"guild_id": str(GUILD_ID), "content": "@candor unfolded", "edited_timestamp": None}
        dispatch(bench, "MESSAGE_UPDATE", told)
        await ask(bench, "@candor two")
        await takes(core, "Why?", "two")
        await bench.world.edit(channel="general", message=asked, user="alice", text="@candor Who?")
        await takes(core, "Who?", "two")


async def test_a_deleted_question_is_withdrawn(client: "Redis") -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core):
        asked = await ask(bench)
        await takes(core, "Why?")
        await bench.world.delete(channel="general", message=asked, user="alice")
        await takes(core)
        assert (await turn_of(core, ref("general", asked))).status == "withdrawn"


async def test_a_bulk_deletion_is_one_of_each(client: "Redis") -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core):
        asked = [await ask(bench, f"@candor {number}") for number in range(3)]
        await takes(core, "0", "1", "2")
        ids = {"ids": asked[:2], "channel_id": str(GENERAL), "guild_id": str(GUILD_ID)}
        dispatch(bench, "MESSAGE_DELETE_BULK", ids)
        await takes(core, "2")


async def test_an_event_that_cannot_be_read_hides_no_other(client: "Redis") -> None:
    async with served() as bench, core_bench(client) as core, adapted(bench, core) as one:
        dispatch(bench, "MESSAGE_CREATE", {"id": "1"})
        dispatch(bench, "MESSAGE_REACTION_ADD", {"user_id": str(BOT_USER_ID)})
        await ask(bench)
        await takes(core, "Why?")
        assert not one.running.done()
