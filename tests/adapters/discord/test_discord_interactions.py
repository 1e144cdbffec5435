"""Buttons, commands and forms on Discord, over real sockets, with the real client."""

from functools import partial
from typing import Any

import pytest
from aiohttp import web
from redis.asyncio import Redis

from adapters import wording
from adapters.discord import connection as connection_module
from adapters.discord import counter as counter_module
from adapters.discord.commands import MENU
from adapters.discord.starts import Starts
from adapters.interaction import CONTROLS, Form, Said
from adapters.sandbox.discord import (
    CHANNEL_IDS,
    GUILD_ID,
    PEOPLE_ROLE_ID,
    Intents,
)
from adapters.sandbox.faults import Fault
from adapters.surface import Content
from bot.domain import Conversation
from bot.errors import StoreUnavailable
from tests.adapters.core_bench import core_bench
from tests.adapters.discord.adapted import Adapted, adapted
from tests.adapters.discord.desk import RecordingDesk
from tests.adapters.discord.offices import BOB, Bench, bench
from tests.adapters.sandbox.discord_bench import served
from tests.waiting import until


async def test_the_buttons_of_an_answer_stay_right_as_it_grows(client: "Redis") -> None:
    async with bench(client) as room:
        part = await room.answer("stop")
        surface = room.one.adapter._surface(part, Conversation("discord", "", "", "channel"))
        shown: list[list[tuple[str, str]]] = []
        for controls in (("stop",), ("up", "down", "again", "continue"), ()):
            await surface.edit(part, Content("More.", controls), turn="t1")
            [view] = [one for one in room.messages() if one.bot]
            shown.append([(one.id, one.label) for one in view.buttons])
        assert shown == [
            [("candor:stop:t1", "⏹ Stop")],
            [
                ("candor:up:t1", "👍"),
                ("candor:down:t1", "👎"),
                ("candor:again:t1", "🔁 Try again"),
                ("candor:continue:t1", "▶ Continue"),
            ],
            [],
        ]


async def test_links_stay_folded_when_an_answer_grows(client: "Redis") -> None:
    async with bench(client) as room:
        part = await room.answer(text="See")
        surface = room.one.adapter._surface(part, Conversation("discord", "", "", "channel"))
        await surface.edit(part, Content("See https://example.org"), turn="t1")
        url = f"{room.served.api}/channels/{part.channel}/messages/{part.message}"
        async with room.served.http() as http, http.get(url) as answer:
            assert (await answer.json())["flags"] & 4


async def test_each_button_reaches_the_desk_with_who_pressed_it(client: "Redis") -> None:
    async with bench(client) as room:
        part = await room.answer(*CONTROLS)
        for control in CONTROLS:
            await room.press(part.message, f"candor:{control}:t1")
        await room.press(part.message, "candor:up:t1", user="alice")
        presses = room.desk.presses
        assert [(one.control, one.turn, one.person) for one in presses[:-1]] == [
            (control, "t1", BOB) for control in CONTROLS
        ]
        assert presses[0].standing.roles == {str(PEOPLE_ROLE_ID)}
        assert [presses[0].standing.is_moderator, presses[-1].standing.is_moderator] == [
            False,
            True,
        ]
        await until(lambda: len(room.private()) == len(CONTROLS))
        assert set(room.private()) == {"Noted."}
        assert room.private("carol") == []


async def test_a_button_works_in_another_life_of_the_bot(client: "Redis") -> None:
    async with served() as running, core_bench(client) as core:
        desk = RecordingDesk(says=None)
        async with adapted(running, core, desk=desk) as one:
            room = Bench(running, core, desk, one)
            part = await room.answer("again")
        async with adapted(running, core, desk=desk) as one:
            room = Bench(running, core, desk, one)
            await room.press(part.message, "candor:again:t1")
            assert [press.control for press in desk.presses] == ["again"]
            assert room.private() == []


async def test_a_desk_that_is_slow_is_waited_for_and_answered_once(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_module, "SOON_S", 0.1)
    async with bench(client, answer_s=1.0) as room:
        room.desk.takes_s = 1.3
        part = await room.answer("up")
        await room.press(part.message, "candor:up:t1")
        assert room.private() == []
        await room.command("/candor help")
        assert room.private()[-1] == "candor is thinking…"
        await until(lambda: room.private() == ["Noted.", "Noted."])


async def test_what_fails_at_the_desk_is_told_honestly(client: "Redis") -> None:
    async with bench(client) as room:
        part = await room.answer("up")
        failures = {
            wording.NOTHING_CAME: StoreUnavailable("away"),
            wording.problem("error"): RuntimeError("unforeseen"),
        }
        for room.desk.fails in failures.values():
            await room.press(part.message, "candor:up:t1")
        await until(lambda: room.private() == list(failures))


async def test_an_answer_to_a_press_that_is_lost_costs_nothing_else(client: "Redis") -> None:
    async with bench(client) as room:
        part = await room.answer("up")
        call = "POST /interactions/{interaction_id}/{webhook_token}/callback"
        room.world.faults.arm(Fault(kind="lose_reply", on=call))
        for _ in range(2):
            await room.press(part.message, "candor:up:t1")
        assert len(room.desk.presses) == 2
        await until(lambda: len(room.private()) == 2)


async def test_a_reason_is_asked_for_by_a_button_and_filled_in(client: "Redis") -> None:
    async with bench(client) as room:
        room.desk.says = Said("Your vote counts: 👎", form=Form("reason", "t1"))
        part = await room.answer("down")
        await room.press(part.message, "candor:down:t1")
        await until(lambda: room.private() == ["Your vote counts: 👎"])
        [told] = [one for one in room.messages() if one.private]
        [button] = told.buttons
        assert (button.id, button.label) == ("candor:form:reason:t1", "Say why")
        await room.press(told.id, button.id)
        modal = room.world.modal(user="bob")
        [field] = modal.fields
        room.desk.says = Said("Thank you.")
        await room.world.submit(user="bob", modal=modal.id, values={field.id: " It is wrong. "})
        assert room.desk.forms == [(Form("reason", "t1"), BOB, "It is wrong.")]
        await until(lambda: "Thank you." in room.private())


async def test_commands_reach_the_desk_and_are_answered_privately(client: "Redis") -> None:
    async with bench(client) as room:
        plain = ("help", "new", "model", "persona", "stats", "privacy", "forget", "why", "feedback")
        wanted = [
            *((f"/candor {name}", name, "") for name in plain),
            ("/candor persona text Be kind.", "persona", "text Be kind."),
            ("/candor forget me", "forget", "me"),
        ]
        for typed, _, _ in wanted:
            await room.command(typed)
        found = room.desk.commands
        assert [(one.name, one.text) for one in found] == [(name, text) for _, name, text in wanted]
        assert {one.person for one in found} == {BOB}
        place = Conversation("discord", str(GUILD_ID), str(CHANNEL_IDS["general"]), "channel")
        assert {one.where for one in found} == {place}
        await until(lambda: room.private() == ["Noted."] * len(wanted))
        assert room.private("alice") == []


async def test_a_command_tells_a_direct_message_and_a_thread_apart(client: "Redis") -> None:
    async with bench(client) as room:
        await room.command("/candor help", channel="dm")
        asked = await room.world.post(channel="general", user="bob", text="Let us talk.")
        await room.world.command(channel="general", user="bob", text="/candor help", thread=asked)
        places = [command.where for command in room.desk.commands]
        assert [(one.place, one.workspace == "dm") for one in places] == [
            ("dm", True),
            ("thread", False),
        ]
        assert places[1].root == asked
        homes = [command.home for command in room.desk.commands]
        assert homes[1] == f"discord/{CHANNEL_IDS['general']}", "a thread has its channel's persona"


async def test_a_long_word_is_told_in_parts(client: "Redis") -> None:
    async with bench(client) as room:
        room.desk.says = Said("\n\n".join(f"{n} " + "word " * 100 for n in range(8)))
        await room.command("/candor help")
        await until(lambda: len(room.private()) == 3)


async def registered(one: Adapted) -> None:
    await until(lambda: one.adapter._is_registered)


async def test_commands_are_registered_only_when_they_have_changed(client: "Redis") -> None:
    puts: list[str] = []

    @web.middleware
    async def count(request: web.Request, handler: Any) -> Any:
        if request.method == "PUT":
            puts.append(request.path)
        return await handler(request)

    async with served(middlewares=[count]) as running, core_bench(client) as core:
        for _ in range(2):
            async with adapted(running, core, desk=RecordingDesk()) as one:
                await registered(one)
        assert len(puts) == 1
        async with adapted(running, core) as one:  # no desk: fewer commands
            await until(lambda: len(puts) == 2)
        await until(lambda: [one.name for one in running.world.commands()] == ["ask"])
        assert list(running.world.shortcuts()) == [MENU]


async def test_without_the_right_to_register_commands_the_rest_works(client: "Redis") -> None:
    @web.middleware
    async def refuse(request: web.Request, handler: Any) -> Any:
        if request.path.endswith("/commands"):
            body = b'{"message": "Missing Access", "code": 50001}'
            return web.Response(status=403, body=body, content_type="application/json")
        return await handler(request)

    async with (
        served(middlewares=[refuse]) as running,
        core_bench(client) as core,
        adapted(running, core, desk=RecordingDesk()) as one,
    ):
        room = Bench(running, core, RecordingDesk(), one)
        await room.world.post(channel="general", user="alice", text="@candor Why?")
        await room.takes("Why?")


@pytest.mark.parametrize("enabled", [Intents(0), Intents.MESSAGE_CONTENT])
async def test_without_the_content_intent_all_ways_of_asking_work_and_it_says_what_it_lacks(
    client: "Redis", enabled: Intents, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "Starts", partial(Starts, spacing_s=0.0))
    async with bench(client, privileged_intents=enabled) as room:
        has_all = bool(enabled)
        assert room.one.adapter.lacks == (() if has_all else (wording.LACKS_CONTENT,))
        asked = await room.world.post(channel="general", user="carol", text="The sky is green.")
        await room.world.post(channel="general", user="alice", text="@candor One?")
        await room.takes("One?")
        await room.command("/ask Two?")
        await room.takes("One?", "Two?")
        await room.world.shortcut(channel="general", message=asked, user="bob", name=MENU)
        modal = room.world.modal(user="bob")
        await room.world.submit(user="bob", modal=modal.id, values={modal.fields[0].id: "Three?"})
        await room.takes("One?", "Two?", "Three?")
        assert "The sky is green." in room.messages()[-1].text
