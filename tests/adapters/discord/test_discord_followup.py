"""Where the bot is no member: an answer goes by the interaction's token, while it lasts."""

import time

import pytest
from redis.asyncio import Redis

from adapters import wording
from adapters.discord import followup as followup_module
from adapters.discord.followup import FollowUpSurface
from adapters.discord.translate import AWAY
from adapters.interaction import Said
from adapters.sandbox.discord import ALL_PERMISSIONS, Permission
from adapters.surface import Content, Surface
from bot.domain import MessageRef, Turn
from bot.errors import MessageGone
from tests.adapters.core_bench import core_bench
from tests.adapters.discord.adapted import adapted
from tests.adapters.discord.desk import RecordingDesk
from tests.adapters.discord.offices import BOB, Bench, bench
from tests.adapters.sandbox.discord_bench import served
from tests.waiting import until


async def asked(room: Bench, channel: str, text: str = "Why?") -> Turn:
    """Bob asks where the bot is not; the turn that this makes."""
    await room.command(f"/ask {text}", channel=channel)
    await room.takes(text)
    [posted] = [one for one in room.messages(channel=channel) if one.bot]
    keys = [key async for key in room.core.client.scan_iter("candor:message:*")]
    [message] = [key for key in keys if key.endswith(posted.id)]
    turn = await room.core.turns.of_message(message.removeprefix("candor:message:"))
    assert turn is not None
    return turn


def surface_of(room: Bench, turn: Turn) -> Surface:
    return room.one.adapter._surface(turn.question, turn.conversation)


def said(room: Bench, channel: str) -> list[str]:
    """What the bot said there after its post of the question."""
    return [one.text for one in room.messages("carol", channel) if one.bot][1:]


@pytest.mark.parametrize("channel", ["elsewhere", "group"])
async def test_where_only_people_brought_it_an_answer_goes_by_the_token(
    client: "Redis", channel: str
) -> None:
    async with bench(client) as room:
        turn = await asked(room, channel)
        assert (turn.asker, turn.question.workspace) == (BOB, AWAY)
        assert (turn.conversation.place, turn.conversation.workspace) == ("channel", AWAY)
        surface = surface_of(room, turn)
        async with surface.busy():
            first = await surface.post(Content("One", ("stop",)), turn=turn.id, part=0)
            await surface.edit(first, Content("One, and more."), turn=turn.id)
            second = await surface.post(Content("Two", ("up", "down")), turn=turn.id, part=1)
            surplus = await surface.post(Content("Three"), turn=turn.id, part=2)
            for _ in range(2):
                await surface.delete(surplus)
        assert said(room, channel) == ["One, and more.", "Two"]
        assert not await _knows(surface, second)
        shown = room.messages("dave", channel)[-1]
        assert [one.id for one in shown.buttons] == [
            f"candor:up:{turn.id}",
            f"candor:down:{turn.id}",
        ]
        await room.world.press(
            channel=channel, message=shown.id, user="dave", button=f"candor:down:{turn.id}"
        )
        [press] = room.desk.presses
        assert (press.turn, press.control, press.person.name) == (turn.id, "down", "Dave")


async def _knows(surface: Surface, _: MessageRef) -> bool:
    async def unknown(_: MessageRef) -> bool:
        return False

    return await surface.find("Two", turn="t", part=1, known=unknown) is not None


async def test_where_it_may_not_write_an_answer_goes_by_the_token_too(client: "Redis") -> None:
    silenced = ALL_PERMISSIONS & ~Permission.SEND_MESSAGES
    async with bench(client, permissions=silenced) as room:
        turn = await asked(room, "general")
        assert isinstance(surface_of(room, turn), FollowUpSurface)
        await surface_of(room, turn).post(Content("It is so."), turn=turn.id, part=0)
        assert said(room, "general") == ["It is so."]


async def test_an_answer_goes_on_in_another_life_of_the_bot(client: "Redis") -> None:
    async with served() as running, core_bench(client) as core:
        desk = RecordingDesk()
        async with adapted(running, core, desk=desk) as one:
            room = Bench(running, core, desk, one)
            await until(room.world.commands)
            turn = await asked(room, "group")
            part = await surface_of(room, turn).post(Content("One"), turn=turn.id, part=0)
        core.tickets._at_hand.clear()  # as another process would have it
        async with adapted(running, core, desk=desk) as one:
            room = Bench(running, core, desk, one)
            await surface_of(room, turn).edit(part, Content("One, two."), turn=turn.id)
            assert said(room, "group") == ["One, two."]
        assert 0 < await client.ttl(f"candor:ticket:{turn.question.key}") <= 900
        with pytest.raises(MessageGone):
            await one.adapter.history.question(turn.question)


async def test_before_the_token_ends_the_answer_says_so_and_no_more(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followup_module, "LAST_S", 899.5)
    async with bench(client) as room:
        turn = await asked(room, "group")
        surface = surface_of(room, turn)
        async with surface.busy():
            part = await surface.post(Content("x" * 2000, ("stop",)), turn=turn.id, part=0)
            await until(lambda: said(room, "group")[0].endswith(wording.ACCESS_ENDED))
            with pytest.raises(MessageGone):
                await surface.edit(part, Content("More"), turn=turn.id)
            with pytest.raises(MessageGone):
                await surface.post(Content("More"), turn=turn.id, part=1)
        [text] = said(room, "group")
        assert len(text) == 2000
        assert room.messages("dave", "group")[-1].buttons


async def test_an_answer_that_did_not_even_begin_in_time_says_so(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(followup_module, "LAST_S", 900.0)
    async with bench(client) as room:
        turn = await asked(room, "group")
        async with surface_of(room, turn).busy():
            await until(lambda: said(room, "group") == [wording.ACCESS_ENDED])


async def test_once_the_token_has_ended_nothing_can_be_said(client: "Redis") -> None:
    async with bench(client) as room:
        turn = await asked(room, "group")
        room.core.tickets._clock = lambda: time.time() + 901.0
        with pytest.raises(MessageGone):
            await surface_of(room, turn).post(Content("Late"), turn=turn.id, part=0)


async def test_a_press_brings_a_token_that_an_answer_goes_on_by(client: "Redis") -> None:
    async with bench(client) as room:
        room.desk.says = Said("Here it comes.")
        turn = await asked(room, "group")
        await surface_of(room, turn).post(Content("One", ("again",)), turn=turn.id, part=0)
        before = await room.core.tickets.of(turn.question)
        shown = room.messages("dave", "group")[-1]
        await room.world.press(
            channel="group", message=shown.id, user="dave", button=f"candor:again:{turn.id}"
        )
        after = await room.core.tickets.of(turn.question)
        assert before is not None
        assert after is not None
        assert after.token != before.token
        await surface_of(room, turn).post(Content("Two"), turn="t2", part=0)
        assert said(room, "group") == ["One", "Two"]


async def test_when_the_follow_ups_are_spent_the_last_one_says_so(client: "Redis") -> None:
    async with bench(client) as room:
        turn = await asked(room, "elsewhere")
        surface = surface_of(room, turn)
        for part in range(5):
            await surface.post(Content(f"{part} " + "x" * 1990), turn=turn.id, part=part)
        with pytest.raises(MessageGone):
            await surface.post(Content("5"), turn=turn.id, part=5)
        texts = said(room, "elsewhere")
        assert [text[0] for text in texts] == list("01234")
        assert texts[-1].endswith(wording.ACCESS_SPENT)
        assert len(texts[-1]) <= 2000
