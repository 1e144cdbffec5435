"""Buttons, commands, shortcuts and modals of the loopback Slack, as a real bolt app gets them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from adapters.sandbox.interactive import Interactive
from adapters.sandbox.platform import ControlError
from adapters.sandbox.slack import CHANNEL_IDS, TEAM_ID, USER_IDS
from adapters.sandbox.slack.messages import Json
from tests.adapters.sandbox.slack_bench import (
    Bot,
    Served,
    bolt_app,
    connected_bot,
    error_of,
    listening,
    slack,
)
from tests.waiting import until

TRANSPORTS = pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])
ABOUT = "Ask Candor about this"
GENERAL = CHANNEL_IDS["general"]
ALICE = USER_IDS["alice"]

Answer = Callable[..., Awaitable[None]]


@dataclass(slots=True)
class Line:
    """A bolt app that answers what people do, and what it was told."""

    bot: Bot
    bodies: list[Json] = field(default_factory=list)
    answer: Answer | None = None


@asynccontextmanager
async def line(
    served: Served, answer: Answer | None = None, *, http: bool = False
) -> AsyncIterator[Line]:
    """Bolt, connected; `answer` gets bolt's arguments, without it each act is acknowledged."""
    told = Line(bolt_app(served), answer=answer)
    app = told.bot.app

    async def take(ack: Any, body: Json, client: Any, respond: Any) -> None:
        told.bodies.append(body)
        if told.answer is None:
            await ack()
        else:
            await told.answer(ack=ack, body=body, client=client, respond=respond)

    app.action({"action_id": "candor:up:t1"})(take)
    app.action({"action_id": "rate"})(take)
    app.command("/ask")(take)
    app.shortcut("candor_ask")(take)
    app.view("candor_form")(take)
    app.view_closed("candor_form")(take)
    if not http:
        async with connected_bot(served, bot=told.bot):
            yield told
        return
    async with listening(app.web_app(path="/slack/events")) as port:
        served.world.set_events_url(f"http://127.0.0.1:{port}/slack/events")
        await until(served.world.connected)
        yield told
        served.world.set_events_url(None)


def button(action_id: str = "candor:up:t1", **more: Any) -> Json:
    return {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": "Good"},
        **more,
    }


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


FEEDBACK = {
    "type": "context_actions",
    "elements": [
        {
            "type": "feedback_buttons",
            "action_id": "rate",
            "positive_button": {"text": {"type": "plain_text", "text": "Yes"}, "value": "up"},
            "negative_button": {"text": {"type": "plain_text", "text": "No"}, "value": "down"},
        }
    ],
}


def form(**more: Any) -> Json:
    return {
        "type": "modal",
        "callback_id": "candor_form",
        "title": {"type": "plain_text", "text": "Say why"},
        "submit": {"type": "plain_text", "text": "Send"},
        "private_metadata": "t1",
        "blocks": [
            {
                "type": "input",
                "block_id": "why",
                "label": {"type": "plain_text", "text": "Why?"},
                "element": {"type": "plain_text_input", "action_id": "text", "max_length": 9},
            }
        ],
        **more,
    }


async def posted(served: Served, *blocks: Json, channel: str = GENERAL) -> str:
    answer = await served.client().chat_postMessage(channel=channel, text="x", blocks=list(blocks))
    return str(answer["ts"])


def as_interactive(served: Served) -> Interactive:
    """Type-checked proof that the world lets people act."""
    return served.world


async def test_a_world_lets_people_act() -> None:
    async with slack() as served:
        assert isinstance(as_interactive(served), Interactive)


@TRANSPORTS
async def test_a_press_tells_who_pressed_what_under_which_message(http: bool) -> None:
    async with slack() as served, line(served, http=http) as told:
        ts = await posted(served, actions(button(value="v")))
        [view] = served.world.messages(channel="general", user="alice")
        assert [(one.id, one.label) for one in view.buttons] == [("candor:up:t1", "Good")]
        await served.world.press(channel="general", message=ts, user="alice", button="candor:up:t1")
        [body] = told.bodies
        assert (body["type"], body["user"]["id"]) == ("block_actions", ALICE)
        assert (body["channel"]["id"], body["message"]["ts"]) == (GENERAL, ts)
        assert body["container"] == {
            "type": "message",
            "message_ts": ts,
            "channel_id": GENERAL,
            "is_ephemeral": False,
        }
        [action] = body["actions"]
        assert (action["action_id"], action["value"]) == ("candor:up:t1", "v")
        assert (body["team"]["id"], served.world.asked[0].failure) == (TEAM_ID, None)


@TRANSPORTS
async def test_a_command_arrives_with_its_text_escaped_and_is_answered_by_its_acknowledgement(
    http: bool,
) -> None:
    async def answer(ack: Any, **_: Any) -> None:
        await ack("just you & me")

    async with slack() as served, line(served, answer, http=http) as told:
        await served.world.command(channel="general", user="alice", text="/ask  @bob: a <b>?")
        [body] = told.bodies
        assert (body["command"], body["user_id"], body["channel_id"]) == ("/ask", ALICE, GENERAL)
        assert body["text"] == f"<@{USER_IDS['bob']}>: a &lt;b&gt;?"
        [view] = served.world.messages(channel="general", user="alice")
        assert (view.text, view.private) == ("just you & me", True)
        assert served.world.messages(channel="general", user="bob") == []
        with pytest.raises(ControlError, match="not a valid command"):
            await served.world.command(channel="general", user="alice", text="/dance")
        with pytest.raises(ControlError, match="threads"):
            await served.world.command(channel="general", user="alice", text="/ask", thread="1.0")


@TRANSPORTS
async def test_a_shortcut_brings_the_message_also_from_where_the_bot_is_not(http: bool) -> None:
    async with slack() as served, line(served, http=http) as told:
        ts = await served.world.post(channel="elsewhere", user="bob", text="a claim")
        await until(lambda: served.world.pending_events == 0)
        assert served.world.deliveries == served.world.deliveries.__class__()
        await served.world.shortcut(channel="elsewhere", message=ts, user="alice", name=ABOUT)
        [body] = told.bodies
        assert (body["type"], body["callback_id"]) == ("message_action", "candor_ask")
        assert (body["message"]["text"], body["user"]["id"]) == ("a claim", ALICE)
        with pytest.raises(ControlError):
            await served.world.shortcut(channel="general", message=ts, user="bob", name=ABOUT)


@TRANSPORTS
async def test_a_modal_is_opened_filled_in_refused_and_taken(http: bool) -> None:
    async def answer(ack: Any, body: Json, client: Any, **_: Any) -> None:
        if body.get("type") == "view_submission":
            typed = body["view"]["state"]["values"]["why"]["text"]["value"]
            if typed == "no":
                await ack(response_action="errors", errors={"why": "say more"})
                return
            await ack()
            return
        await client.views_open(trigger_id=body["trigger_id"], view=form())
        await ack()

    async with slack() as served, line(served, answer, http=http) as told:
        await served.world.command(channel="dm", user="alice", text="/ask")
        modal = served.world.modal(user="alice")
        assert modal is not None
        assert (modal.title, modal.submit) == ("Say why", "Send")
        [one] = modal.fields
        assert (one.id, one.required, one.max_length) == ("why/text", True, 9)
        for values, line_ in (({}, "complete"), ({"why/text": "x" * 10}, "9 characters")):
            with pytest.raises(ControlError, match=line_):
                await served.world.submit(user="alice", modal=modal.id, values=values)
        with pytest.raises(ControlError, match="say more"):
            await served.world.submit(user="alice", modal=modal.id, values={"why/text": "no"})
        assert served.world.modal(user="alice") is not None
        await served.world.submit(user="alice", modal=modal.id, values={"why/text": "yes"})
        assert served.world.modal(user="alice") is None
        assert told.bodies[-1]["view"]["private_metadata"] == "t1"
        with pytest.raises(ControlError):
            await served.world.submit(user="alice", modal=modal.id, values={"why/text": "yes"})


async def test_an_app_that_does_not_answer_is_asked_once_and_the_person_is_told() -> None:
    async def answer(**_: Any) -> None:
        return

    async with slack(ack_timeout=0.2) as served, line(served, answer) as told:
        with pytest.raises(ControlError, match=r'/ask failed with the error "operation_timeout"'):
            await served.world.command(channel="general", user="alice", text="/ask")
        assert len(told.bodies) == 1
    async with slack() as served:
        with pytest.raises(ControlError, match="dispatch_failed"):
            await served.world.command(channel="general", user="alice", text="/ask")
        served.world.set_events_url("http://127.0.0.1:9/slack/events")
        with pytest.raises(ControlError, match="dispatch_failed"):
            await served.world.command(channel="general", user="alice", text="/ask")


async def test_a_trigger_opens_one_modal_and_not_for_long() -> None:
    now = [1_000.0]
    async with slack(clock=lambda: now[0]) as served, line(served) as told:
        for _ in range(2):
            await served.world.command(channel="dm", user="alice", text="/ask")
        one, late = (body["trigger_id"] for body in told.bodies)
        client = served.client()
        assert await error_of(client.views_open(trigger_id="1.2.3", view=form())) == (
            "invalid_trigger_id"
        )
        opened = await client.views_open(trigger_id=one, view=form())
        assert await error_of(client.views_open(trigger_id=one, view=form())) == (
            "exchanged_trigger_id"
        )
        now[0] += 3.1
        assert await error_of(client.views_open(trigger_id=late, view=form())) == (
            "expired_trigger_id"
        )
        view = opened["view"]
        changed = await client.views_update(view_id=view["id"], view=form(), hash=view["hash"])
        assert changed["view"]["hash"] != view["hash"]
        stale = client.views_update(view_id=view["id"], view=form(), hash=view["hash"])
        assert await error_of(stale) == "hash_conflict"
        assert await error_of(client.views_update(view_id="V1", view=form())) == "not_found"
        await served.world.dismiss(user="alice", modal=view["id"])
        assert await error_of(client.views_update(view_id=view["id"], view=form())) == "not_found"


async def test_a_modal_is_pushed_on_another_by_what_was_pressed_in_it_and_closing_is_told() -> None:
    first = form(blocks=[actions(button())], notify_on_close=True)
    async with slack() as served, line(served) as told:
        await served.world.command(channel="dm", user="alice", text="/ask")
        client = served.client()
        trigger = told.bodies[-1]["trigger_id"]
        opened = (await client.views_open(trigger_id=trigger, view=first))["view"]
        await served.world.press_in_modal(user="alice", modal=opened["id"], button="candor:up:t1")
        body = told.bodies[-1]
        assert body["container"] == {"type": "view", "view_id": opened["id"]}
        pushed = (await client.views_push(trigger_id=body["trigger_id"], view=form()))["view"]
        assert pushed["previous_view_id"] == pushed["root_view_id"] == opened["id"]
        await served.world.dismiss(user="alice", modal=pushed["id"])
        top = served.world.modal(user="alice")
        assert top is not None
        assert top.id == opened["id"]
        await served.world.dismiss(user="alice", modal=top.id)
        assert told.bodies[-1]["type"] == "view_closed"


@pytest.mark.parametrize(
    "view",
    [
        form(type="home"),
        form(title={"type": "plain_text", "text": "x" * 25}),
        form(submit=None),
        form(private_metadata="x" * 3001),
        form(blocks=[]),
        form(blocks=[{"type": "input", "label": {"type": "plain_text", "text": "x"}}]),
    ],
)
async def test_a_view_that_slack_would_refuse_is_refused(view: Json) -> None:
    async with slack() as served, line(served) as told:
        await served.world.command(channel="dm", user="alice", text="/ask")
        trigger = told.bodies[-1]["trigger_id"]
        refused = served.client().views_open(trigger_id=trigger, view=view)
        assert await error_of(refused) == "invalid_arguments"
        assert served.world.modal(user="alice") is None


async def test_a_response_url_takes_five_messages_and_changes_what_was_pressed() -> None:
    now = [1_000.0]
    async with slack(clock=lambda: now[0]) as served, line(served) as told:
        ts = await posted(served, actions(button()))
        press = {"channel": "general", "message": ts, "user": "alice", "button": "candor:up:t1"}
        await served.world.press(**press)
        async with aiohttp.ClientSession() as session:

            async def respond(url: str, **body: Any) -> tuple[int, str]:
                async with session.post(url, json=body) as response:
                    return response.status, await response.text()

            url = told.bodies[-1]["response_url"]
            assert (await respond(url, text="a note"))[0] == 200
            assert (await respond(url, text="for all", response_type="in_channel"))[0] == 200
            assert (await respond(url, text="new", replace_original=True))[0] == 200
            assert (await respond(url))[0] == 400
            assert (await respond(url, delete_original=True))[0] == 200
            status, text = await respond(url, text="once more")
            assert status == 404
            assert "used_url" in text
            alices = served.world.messages(channel="general", user="alice")
            assert [(one.text, one.private) for one in alices] == [
                ("a note", True),
                ("for all", False),
            ]
            ts = await posted(served, actions(button()))
            await served.world.press(**{**press, "message": ts})
            now[0] += 1_801
            status, text = await respond(told.bodies[-1]["response_url"], text="late")
            assert status == 404
            assert "expired_url" in text


async def test_a_private_message_can_be_pressed_by_its_reader_and_replaced() -> None:
    async def answer(ack: Any, respond: Any, **_: Any) -> None:
        await ack()
        await respond("thank you", replace_original=True)

    async with slack() as served, line(served, answer) as told:
        await served.client().chat_postEphemeral(
            channel=GENERAL, user=ALICE, text="private", blocks=[actions(button())]
        )
        [view] = served.world.messages(channel="general", user="alice")
        assert view.private
        press = {"channel": "general", "message": view.id, "button": "candor:up:t1"}
        with pytest.raises(ControlError):
            await served.world.press(user="bob", **press)
        await served.world.press(user="alice", **press)
        assert told.bodies[0]["container"]["is_ephemeral"] is True
        assert "message" not in told.bodies[0]
        await until(
            lambda: (
                [one.text for one in served.world.messages(channel="general", user="alice")]
                == ["thank you"]
            )
        )


async def test_feedback_that_is_taken_back_tells_the_app_nothing() -> None:
    async with slack() as served, line(served) as told:
        ts = await posted(served, FEEDBACK)
        for side in ("positive", "positive", "negative", "positive"):
            await served.world.press(
                channel="general", message=ts, user="alice", button=f"rate/{side}"
            )
        values = [body["actions"][0]["value"] for body in told.bodies]
        assert values == ["up", "down", "up"]


@pytest.mark.parametrize(
    "block",
    [
        actions(button(text={"type": "mrkdwn", "text": "x"})),
        actions(button(text={"type": "plain_text", "text": "x" * 76})),
        actions(button(action_id="x" * 256)),
        actions(button(value="x" * 2001)),
        actions(button(style="big")),
        actions(button(), button()),
        actions({"type": "feedback_buttons"}),
        {"type": "context_actions", "elements": [button()]},
        {"type": "context_actions", "elements": [{"type": "icon_button", "icon": "star"}]},
        {
            "type": "context_actions",
            "elements": [{**FEEDBACK["elements"][0], "negative_button": None}],  # type: ignore[dict-item]
        },
    ],
)
async def test_a_button_that_slack_would_refuse_is_refused(block: Json) -> None:
    async with slack() as served:
        refused = served.client().chat_postMessage(channel=GENERAL, text="x", blocks=[block])
        assert await error_of(refused) == "invalid_blocks"
