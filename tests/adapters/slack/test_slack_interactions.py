"""What people press, type and fill in on Slack, over real sockets and signed requests."""

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import wording
from adapters.border import Border
from adapters.interaction import CONTROLS, Command, Form, Press, Said
from adapters.sandbox.platform import ControlError, MessageView
from adapters.sandbox.slack import CHANNEL_IDS, IM_IDS, TEAM_ID, USER_IDS, SlackWorld
from adapters.sandbox.slack.messages import Session
from adapters.slack import interactions as interactions_module
from adapters.slack.echo import ASK
from adapters.slack.team import surface_of
from adapters.surface import Content, Surface
from bot.domain import Conversation, Incoming, Person, Standing
from tests.adapters.core_bench import core_bench
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.adapted import Adapted, adapted, ref
from tests.adapters.slack.installing import T1, T2, installed, says, serving, two_workspaces
from tests.adapters.slack.slack_line import arm
from tests.waiting import until

TRANSPORTS = pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
ALICE = Person("slack", USER_IDS["alice"])
ABOUT = "Ask Candor about this"
FIELD = "said/text"


def seen(served: Served, channel: str = "general", user: str = "alice") -> list[MessageView]:
    return list(served.world.messages(channel=channel, user=user))


def private(served: Served, channel: str = "general", user: str = "alice") -> list[str]:
    return [one.text for one in seen(served, channel, user) if one.private]


async def settled(served: Served) -> None:
    await until(lambda: served.world.pending_events == 0, within_s=10)


async def told(served: Served, line: str, channel: str = "general", user: str = "alice") -> None:
    await until(lambda: private(served, channel, user) == [line])


async def answer(served: Served, one: Adapted, turn: str = "t1") -> tuple[str, str]:
    """A question in the channel and an answer under it that has all its buttons."""
    asked = await served.world.post(channel="general", user="alice", text="@candor Why?")
    await settled(served)
    team = await one.adapter._teams.find(TEAM_ID)
    assert team is not None
    surface = surface_of(team.calls, ref("general", asked), asked)
    posted = await surface.post(Content("It is so.", CONTROLS), turn=turn, part=0)
    return asked, posted.message


async def press(served: Served, message: str, button: str, user: str = "alice") -> None:
    await served.world.press(channel="general", message=message, user=user, button=button)


def failures(served: Served) -> set[str | None]:
    return {one.failure for one in served.world.asked}


@TRANSPORTS
async def test_a_button_reaches_the_desk_with_who_pressed_it_and_what_they_may(
    client: "Redis", http: bool
) -> None:
    async with (
        slack(admins=frozenset({"bob"})) as served,
        core_bench(client) as core,
        adapted(served, core, http=http) as one,
    ):
        _, posted = await answer(served, one)
        for control in CONTROLS:
            await press(served, posted, f"candor:{control}:t1", "bob")
        bob = Person("slack", USER_IDS["bob"])
        standing = Standing(is_moderator=True)
        assert one.desk.presses == [Press("t1", control, bob, standing) for control in CONTROLS]
        assert private(served) == private(served, user="bob") == []
        assert failures(served) == {None}


@TRANSPORTS
async def test_a_reason_is_asked_for_in_private_and_reaches_the_desk(
    client: "Redis", http: bool
) -> None:
    async with (
        slack() as served,
        core_bench(client) as core,
        adapted(served, core, http=http) as one,
    ):
        asked, posted = await answer(served, one)
        one.desk.says = Said("Noted, *privately*: a < b.", Form("reason", "t1"))
        await press(served, posted, "candor:down:t1")
        await told(served, "Noted, *privately*: a < b.")
        assert private(served, user="bob") == []
        [line] = [view for view in seen(served) if view.private]
        assert line.thread == asked
        [button] = line.buttons
        await press(served, line.id, button.id)
        modal = served.world.modal(user="alice")
        assert modal is not None
        assert modal.title == wording.FORMS["reason"].title
        await served.world.submit(user="alice", modal=modal.id, values={FIELD: " it is wrong "})
        assert one.desk.forms == [(Form("reason", "t1"), ALICE, "it is wrong")]
        assert served.world.modal(user="alice") is None
        await until(lambda: "thank you" in private(served))
        assert [view.thread for view in seen(served) if view.text == "thank you"] == [asked]


@TRANSPORTS
async def test_a_command_is_answered_to_its_person_alone_wherever_it_is_given(
    client: "Redis", http: bool
) -> None:
    async with (
        slack() as served,
        core_bench(client) as core,
        adapted(served, core, http=http) as one,
    ):
        text = "/candor persona be <brief> & kind to @bob"
        await served.world.command(channel="elsewhere", user="alice", text=text)
        await told(served, "so be it", "elsewhere")
        await served.world.command(channel="dm", user="alice", text="/candor")
        await told(served, "so be it", "dm")
        away = Conversation("slack", TEAM_ID, "C0ELSEWHERE", "channel")
        dm = Conversation("slack", TEAM_ID, IM_IDS["alice"], "dm")
        said = f"be <brief> & kind to @{USER_IDS['bob']}"
        assert one.desk.commands == [
            Command("persona", said, ALICE, away),
            Command("help", "", ALICE, dm),
        ]
        await served.world.command(channel="general", user="alice", text="/candor Dance now")
        await told(served, "so be it")
        assert (one.desk.commands[-1].name, one.desk.commands[-1].text) == ("dance", "now")
        assert private(served, user="bob") == []


@TRANSPORTS
async def test_ask_is_said_for_all_to_see_and_is_that_person_s_question(
    client: "Redis", http: bool
) -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core, http=http):
        await served.world.command(channel="general", user="alice", text="/ask why <b> & c?")
        await settled(served)
        [echo] = seen(served, user="bob")
        assert (echo.text, echo.bot, echo.private) == ("**Alice** asks: why <b> & c?", True, False)
        turn = await core.turns.of_message(ref("general", echo.id).key)
        assert turn is not None
        assert (turn.asker.id, turn.text) == (ALICE.id, "why <b> & c?")
        assert turn.conversation == Conversation(
            "slack", TEAM_ID, CHANNEL_IDS["general"], "thread", echo.id
        )
        await served.world.command(channel="dm", user="alice", text="/ask And here?")
        await settled(served)
        assert await core.texts("slack") == ["why <b> & c?", "And here?"]
        [posted, _] = served.world.calls_to("chat.postMessage")
        assert posted.arguments["unfurl_links"] is False


async def test_ask_where_the_bot_is_not_says_so_and_nothing_is_asked(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        await served.world.command(channel="elsewhere", user="alice", text="/ask Why?")
        await told(served, wording.INVITE_ME, "elsewhere")
        await served.world.command(channel="general", user="alice", text="/ask")
        await told(served, wording.NOTHING_ASKED)
        ts = await served.world.post(channel="elsewhere", user="bob", text="a claim")
        await served.world.shortcut(channel="elsewhere", message=ts, user="alice", name=ABOUT)
        modal = served.world.modal(user="alice")
        assert modal is not None
        await served.world.submit(user="alice", modal=modal.id, values={})
        await until(lambda: private(served, "elsewhere") == [wording.INVITE_ME] * 2)
        assert await core.texts("slack") == []


@TRANSPORTS
async def test_a_message_is_asked_about_in_its_thread(client: "Redis", http: bool) -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core, http=http):
        ts = await served.world.post(channel="general", user="bob", text="the earth is < flat")
        for typed in ("Is that so?", ""):
            await served.world.shortcut(channel="general", message=ts, user="alice", name=ABOUT)
            modal = served.world.modal(user="alice")
            assert modal is not None
            assert modal.title == wording.ASK_FORM.title
            await served.world.submit(user="alice", modal=modal.id, values={FIELD: typed})
        await settled(served)
        first, second = (one for one in seen(served) if one.bot)
        assert first.thread == second.thread == ts
        assert first.text == "**Alice** asks: Is that so?"
        assert await core.texts("slack") == ["Is that so?", wording.ABOUT_THIS]
        [call, _] = served.world.calls_to("chat.postMessage")
        assert call.arguments["metadata"]["event_payload"] == {
            "user": ALICE.id,
            "text": "Is that so?",
            "quote_author": "Bob",
            "quote_text": "the earth is < flat",
        }


async def test_a_message_that_is_gone_by_then_cannot_be_asked_about(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        ts = await served.world.post(channel="general", user="bob", text="a claim")
        await served.world.shortcut(channel="general", message=ts, user="alice", name=ABOUT)
        modal = served.world.modal(user="alice")
        assert modal is not None
        await served.world.delete(channel="general", message=ts, user="bob")
        await served.world.submit(user="alice", modal=modal.id, values={})
        await told(served, wording.MESSAGE_GONE)


async def test_an_echo_of_a_process_that_died_is_taken_in_by_the_next_one_s_event(
    client: "Redis",
) -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        await echo_of_the_dead(served)
        await settled(served)
        assert await core.texts("slack") == ["Why?"]


@pytest.mark.parametrize("in_thread", [False, True])
async def test_an_echo_of_a_process_that_died_is_read_back(
    client: "Redis", in_thread: bool
) -> None:
    """Also where Slack's events tell no metadata: history does."""
    async with slack(subscriptions=frozenset()) as served, core_bench(client) as core:
        parent = await served.world.post(channel="general", user="bob", text="a claim")
        ts = await echo_of_the_dead(served, parent if in_thread else None)
        async with adapted(served, core) as one:
            async for question in one.adapter.history.missed(time.time() - 60):
                await one.adapter.take(question)
            assert await core.texts("slack") == ["Why?"]
            again = await one.adapter.history.question(ref("general", ts))
            assert again is not None
            assert (again.author.id, again.text) == (ALICE.id, "Why?")
            assert [quote.text for quote in again.quotes] == ["a claim"]


async def echo_of_the_dead(served: Served, thread: str | None = None) -> str:
    payload = {"user": ALICE.id, "text": "Why?", "quote_author": "Bob", "quote_text": "a claim"}
    posted = await served.client().chat_postMessage(
        channel=CHANNEL_IDS["general"],
        thread_ts=thread,
        text="**Alice** asks: Why?",
        metadata={"event_type": ASK, "event_payload": payload},
    )
    return str(posted["ts"])


@TRANSPORTS
async def test_slack_s_own_stop_reaches_the_desk(client: "Redis", http: bool) -> None:
    async with (
        slack() as served,
        core_bench(client) as core,
        adapted(served, core, http=http) as one,
    ):
        asked, _ = await answer(served, one)
        general = CHANNEL_IDS["general"]
        served.world.workspace.set_session(general, asked, Session("processing", ""))
        await served.world.stop(channel="general", user="alice")
        await until(lambda: one.desk.stops)
        place = Conversation("slack", TEAM_ID, general, "thread", asked)
        assert one.desk.stops == [(place, ALICE, Standing())]


async def test_in_a_direct_message_stop_is_meant_for_all_of_it(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        asked = await served.world.post(channel="dm", user="alice", text="Why?")
        dm = IM_IDS["alice"]
        served.world.workspace.set_session(dm, asked, Session("processing", ""))
        await served.world.stop(channel="dm", user="alice")
        await until(lambda: one.desk.stops)
        await settled(served)
        assert [(place.place, place.root) for place, *_ in one.desk.stops] == [("dm", "")]
        one.desk.says = Said("Nothing runs.")
        await served.world.stop(channel="dm", user="alice")
        await told(served, "Nothing runs.", "dm")


async def test_a_stop_that_the_store_cannot_take_comes_again(client: "Redis") -> None:
    async with (
        slack(ack_timeout=0.5, redelivery_delays=(0.1,) * 20) as served,
        core_bench(client) as core,
        adapted(served, core) as one,
    ):
        one.desk.is_away = True
        asked = await served.world.post(channel="dm", user="alice", text="Why?")
        served.world.workspace.set_session(IM_IDS["alice"], asked, Session("processing", ""))
        await served.world.stop(channel="dm", user="alice")
        await until(lambda: len(stops_sent(served)) >= 1)
        one.desk.is_away = False
        await until(lambda: stops_sent(served)[-1] is None)
        assert one.desk.stops


def stops_sent(served: Served) -> list[str | None]:
    kind = "agent_session_stopped"
    return [one.outcome.failure for one in served.world.deliveries if one.event_type == kind]


@TRANSPORTS
async def test_while_the_store_is_away_people_are_told_so_at_once(
    client: "Redis", http: bool
) -> None:
    async with (
        slack() as served,
        core_bench(client) as core,
        adapted(served, core, http=http) as one,
    ):
        _, posted = await answer(served, one)
        one.desk.is_away = True
        await press(served, posted, "candor:up:t1")
        await told(served, wording.NOT_NOW)
        await served.world.command(channel="dm", user="alice", text="/candor stats")
        await told(served, wording.NOT_NOW, "dm")
        assert failures(served) == {None}


async def test_a_reason_that_cannot_be_kept_stays_in_its_form(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        _, posted = await answer(served, one)
        one.desk.says = Said("Noted.", Form("reason", "t1"))
        await press(served, posted, "candor:down:t1")
        await told(served, "Noted.")
        [line] = [view for view in seen(served) if view.private]
        await press(served, line.id, line.buttons[0].id)
        modal = served.world.modal(user="alice")
        assert modal is not None
        one.desk.is_away = True
        with pytest.raises(ControlError, match="memory"):
            await served.world.submit(user="alice", modal=modal.id, values={FIELD: "wrong"})
        assert served.world.modal(user="alice") is not None
        one.desk.is_away = False
        await served.world.submit(user="alice", modal=modal.id, values={FIELD: "wrong"})
        assert one.desk.forms == [(Form("reason", "t1"), ALICE, "wrong")]


async def test_a_slow_desk_is_acknowledged_in_time_and_its_word_comes_later(
    client: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactions_module, "ACK_S", 0.1)
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        _, posted = await answer(served, one)
        one.desk.says, one.desk.delay_s = Said("Done."), 0.6
        began = time.monotonic()
        await press(served, posted, "candor:again:t1")
        assert time.monotonic() - began < 0.5
        assert one.desk.presses == []
        await told(served, "Done.")


async def test_a_failing_desk_is_logged_and_told_honestly(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        _, posted = await answer(served, one)
        one.desk.fails = True
        with capture_logs() as logged:
            await press(served, posted, "candor:up:t1")
            await told(served, wording.FAILED)
        assert "an act failed" in {line["event"] for line in logged}
        one.desk.fails = False
        await press(served, posted, "candor:up:t1")
        assert len(one.desk.presses) == 1, "the adapter goes on"


async def test_a_form_that_slack_opens_too_late_is_told(client: "Redis") -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core):
        ts = await served.world.post(channel="general", user="bob", text="a claim")
        arm(served, "server_error", on="views.open", times=None)
        await served.world.shortcut(channel="general", message=ts, user="alice", name=ABOUT)
        await told(served, wording.FORM_LATE)
        assert served.world.modal(user="alice") is None


async def test_buttons_of_others_and_unknown_forms_are_acknowledged_and_left(
    client: "Redis",
) -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        button: dict[str, Any] = {
            "type": "button",
            "action_id": "somebody-else",
            "text": {"type": "plain_text", "text": "x"},
        }
        posted = await served.client().chat_postMessage(
            channel=CHANNEL_IDS["general"],
            text="x",
            blocks=[{"type": "actions", "elements": [button]}],
        )
        await press(served, posted["ts"], "somebody-else")
        assert (one.desk.presses, failures(served)) == ([], {None})


class Watched(Border):
    """A border that keeps what it is given, in front of another."""

    def __init__(self, border: Border) -> None:
        self.__dict__.update(border.__dict__)
        self.taken: list[Incoming] = []

    async def take(self, incoming: Incoming, surface: Surface) -> None:
        self.taken.append(incoming)
        await super().take(incoming, surface)


async def test_what_people_may_goes_along_with_their_question(client: "Redis") -> None:
    async with slack(admins=frozenset({"alice"})) as served, core_bench(client) as core:
        border = Watched(core.border)
        async with adapted(served, replace(core, border=border)):
            await served.world.post(channel="general", user="alice", text="@candor Why?")
            await served.world.post(channel="general", user="bob", text="@candor Why not?")
            await served.world.post(channel="general", user="carol", text="among people")
            await settled(served)
        may = {(one.text, one.standing.is_moderator) for one in border.taken}
        assert may == {("Why?", True), ("Why not?", False), ("among people", False)}
        asked = {call.arguments["user"] for call in served.world.calls_to("users.info")}
        assert USER_IDS["carol"] not in asked, "nobody asks who merely passes by"


async def test_stopping_waits_for_no_act(client: "Redis") -> None:
    async with slack(ack_timeout=0.5) as served, core_bench(client) as core:
        async with adapted(served, core) as one:
            _, posted = await answer(served, one)
            one.desk.delay_s = 30.0
            pressing = asyncio.create_task(press(served, posted, "candor:up:t1"))
            await until(lambda: one.adapter._interactions._acts)
        assert one.adapter._interactions._acts == set()
        await asyncio.gather(pressing, return_exceptions=True)


async def test_whoever_presses_from_another_workspace_is_outside_and_no_moderator(
    client: "Redis",
) -> None:
    async with (
        slack(admins=frozenset({"alice"})) as served,
        core_bench(client) as core,
        adapted(served, core) as one,
    ):
        body = {
            "type": "block_actions",
            "team": {"id": TEAM_ID},
            "user": {"id": ALICE.id, "team_id": "T0ELSE"},
            "channel": {"id": CHANNEL_IDS["general"]},
            "actions": [{"action_id": "candor:up:t1"}],
        }
        answered = await served.world._deliveries.transport.ask("interactive", body)
        assert answered.failure is None
        [press] = one.desk.presses
        assert press.standing == Standing(is_outside=True)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "block_actions"},
        {"type": "block_actions", "actions": ["x"]},
        {"type": "message_action", "callback_id": ASK},
        {"type": "view_submission", "view": {"type": "modal", "private_metadata": "{"}},
        {"type": "view_submission", "view": {"type": "modal", "callback_id": ASK}},
        {"type": "view_closed"},
        {"type": "shortcut", "callback_id": "x"},
    ],
)
async def test_what_is_malformed_ends_nothing(client: "Redis", body: dict[str, Any]) -> None:
    async with slack() as served, core_bench(client) as core, adapted(served, core) as one:
        transport = served.world._deliveries.transport
        answered = await transport.ask("interactive", {"team": {"id": TEAM_ID}, **body})
        assert answered.failure is None
        assert not one.running.done()
        await served.world.command(channel="dm", user="alice", text="/candor help")
        await told(served, "so be it", "dm")


async def asked_in(world: SlackWorld, question: str) -> None:
    """A command is echoed and answered there, and where the bot is not, it says so."""
    await world.command(channel="general", user="alice", text=f"/ask {question}")
    await until(lambda: len(says(world, channel="general")) == 2, within_s=8)
    assert says(world, channel="general") == [
        f"**Alice** asks: {question}",
        f"I heard: {question}",
    ]
    await world.command(channel="elsewhere", user="alice", text="/ask Why?")
    await until(lambda: says(world, channel="elsewhere") == [wording.INVITE_ME])


async def test_in_each_workspace_a_command_is_answered_with_its_own_token(
    client: "Redis",
) -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        await installed(bot, T1, T2)
        await asked_in(shared.first, "Why here?")
        await asked_in(shared.second, "Why there?")
