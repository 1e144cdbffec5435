"""An answer in a direct message grows by a native stream, and by edits where that ends."""

import asyncio
from typing import Any

import pytest

from adapters.sandbox.slack import IM_IDS
from adapters.sandbox.slack.messages import Message
from adapters.sandbox.slack.methods import METHODS
from adapters.slack.status import TEXT, Statuses
from adapters.slack.stream import MOST_LIVE, Streams, steady
from adapters.slack.surface import SlackSurface
from adapters.surface import Content
from bot.domain import MessageRef
from bot.errors import MessageGone, PlatformUnavailable
from tests.adapters.sandbox.slack_bench import Served, slack
from tests.adapters.slack.slack_line import arm, calls_of
from tests.waiting import until

TEAM, IM = "T0SANDBOX1", IM_IDS["alice"]


async def asked(served: Served) -> str:
    return await served.world.post(channel="dm", user="alice", text="How?")


def place(
    served: Served, question: str, streams: Streams | None = None, **more: Any
) -> SlackSurface:
    calls = calls_of(served) if streams is None else streams.calls
    return SlackSurface(
        calls,
        channel=IM,
        workspace=TEAM,
        thread=question,
        question=question,
        asker="U0ALICE",
        streams=streams or Streams(calls),
        **more,
    )


def message(served: Served, ref: MessageRef) -> Message:
    room = served.world.workspace.room(ref.channel)
    assert room is not None
    return room.messages[ref.message]


def text_of(served: Served, ref: MessageRef) -> str:
    return next(one.view.text for one in served.world.audit() if one.view.id == ref.message)


def made(served: Served) -> list[str]:
    return [call.method for call in served.world.calls if call.method.startswith("chat.")]


async def known(_: MessageRef) -> bool:
    return False


async def test_an_answer_is_streamed_in_the_thread_of_its_question_to_its_end() -> None:
    async with slack() as served:
        question = await asked(served)
        surface = place(served, question)
        ref = await surface.post(Content("It"), turn="t1", part=0)
        assert surface.growth == "append"
        assert message(served, ref).thread_ts == question
        await surface.edit(ref, Content("It is"), turn="t1")
        await surface.edit(ref, Content("It is so."), turn="t1", urgent=True)
        assert made(served) == ["chat.startStream", "chat.appendStream", "chat.stopStream"]
        assert text_of(served, ref) == "It is so."
        assert message(served, ref).stream is None
        assert message(served, ref).metadata == {
            "event_type": "candor_part",
            "event_payload": {"turn": "t1", "part": 0},
        }


async def test_an_answer_that_ends_as_it_is_shown_is_ended_all_the_same() -> None:
    async with slack() as served:
        surface = place(served, await asked(served))
        ref = await surface.post(Content("It is so."), turn="t1", part=0)
        await surface.conclude()
        assert message(served, ref).stream is None
        assert surface.growth == "edit"


async def test_the_end_of_code_is_not_sent_before_more_comes() -> None:
    async with slack() as served:
        surface = place(served, await asked(served))
        ref = await surface.post(Content("```python\na = 1\n```"), turn="t1", part=0)
        await surface.edit(ref, Content("```python\na = 1\nb = 2\n```"), turn="t1")
        await surface.edit(
            ref, Content("```python\na = 1\nb = 2\n```\n\nDone."), turn="t1", urgent=True
        )
        assert "chat.update" not in made(served)
        assert text_of(served, ref) == "```python\na = 1\nb = 2\n```\n\nDone."


async def test_a_full_part_is_whole_before_the_next_begins() -> None:
    async with slack() as served:
        surface = place(served, await asked(served))
        first = await surface.post(Content("```\na"), turn="t1", part=0)
        await surface.edit(first, Content("```\na\n```"), turn="t1")
        second = await surface.post(Content("```\nb"), turn="t1", part=1)
        assert text_of(served, first) == "```\na\n```"
        assert message(served, first).stream is None
        assert message(served, second).stream is not None


async def test_a_text_that_changes_before_its_end_is_edited_from_then_on() -> None:
    async with slack() as served:
        surface = place(served, await asked(served))
        ref = await surface.post(Content("One moment."), turn="t1", part=0)
        await surface.edit(ref, Content("It is so."), turn="t1")
        assert surface.growth == "edit"
        await surface.edit(ref, Content("It is so!"), turn="t1", urgent=True)
        assert text_of(served, ref) == "It is so!"
        assert message(served, ref).stream is None
        assert made(served)[1:] == ["chat.stopStream", "chat.update", "chat.update"]


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_stream_that_died_is_edited(urgent: bool) -> None:
    async with slack() as served:
        surface = place(served, await asked(served))
        ref = await surface.post(Content("It"), turn="t1", part=0)
        arm(served, "expire_stream")
        await surface.edit(ref, Content("It is so."), turn="t1", urgent=urgent)
        assert text_of(served, ref) == "It is so."
        assert message(served, ref).stream is None
        assert made(served)[-1] == "chat.update"


async def test_what_an_append_did_is_not_guessed_but_set_right_by_an_edit() -> None:
    async with slack() as served:
        surface = place(served, await asked(served))
        ref = await surface.post(Content("It"), turn="t1", part=0)
        arm(served, "lose_reply", on="chat.appendStream")
        with pytest.raises(PlatformUnavailable):
            await surface.edit(ref, Content("It is"), turn="t1")
        await surface.edit(ref, Content("It is so."), turn="t1", urgent=True)
        assert text_of(served, ref) == "It is so."
        assert message(served, ref).stream is None


async def test_a_stream_that_another_process_left_is_taken_over() -> None:
    async with slack() as served:
        question = await asked(served)
        ref = await place(served, question).post(Content("It"), turn="t1", part=0)
        surface = place(served, question)
        assert await surface.find("It", turn="t1", part=0, known=known) == ref
        await surface.edit(ref, Content("It is so."), turn="t1", urgent=True)
        assert text_of(served, ref) == "It is so."
        assert message(served, ref).stream is None


async def test_a_stream_that_is_in_the_book_is_no_lost_one() -> None:
    async with slack() as served:
        question = await asked(served)
        ref = await place(served, question).post(Content("It"), turn="t1", part=0)

        async def is_booked(one: MessageRef) -> bool:
            return one == ref

        surface = place(served, question)
        assert await surface.find("It", turn="t2", part=0, known=is_booked) is None


async def test_where_slack_refuses_streams_answers_are_posted_and_not_tried_for_a_while() -> None:
    async with slack(scopes=frozenset({"chat:write", "im:history"})) as served:
        streams = Streams(calls_of(served))
        arm(served, "revoke_token", on="chat.startStream", variant="token_revoked")
        surface = place(served, await asked(served), streams)
        with pytest.raises(PlatformUnavailable):
            await surface.post(Content("It"), turn="t1", part=0)
        assert streams.num_live == 0, "a start that failed counts no more"


async def test_a_refused_method_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(METHODS, "chat.startStream")
    async with slack() as served:
        streams = Streams(calls_of(served))
        for turn in ("t1", "t2"):
            surface = place(served, await asked(served), streams)
            ref = await surface.post(Content("It"), turn=turn, part=0)
            assert surface.growth == "edit"
            await surface.edit(ref, Content("It is so."), turn=turn, urgent=True)
            assert text_of(served, ref) == "It is so."
        assert made(served).count("chat.startStream") == 1, "unknown_method, and then no more"


async def test_no_more_streams_are_begun_than_can_be_stopped() -> None:
    async with slack() as served:
        streams = Streams(calls_of(served))
        surfaces = []
        for number in range(MOST_LIVE + 2):
            surface = place(served, await asked(served), streams)
            await surface.post(Content("It"), turn=f"t{number}", part=0)
            surfaces.append(surface)
        assert [one.growth for one in surfaces].count("append") == MOST_LIVE
        for one in surfaces:
            await one.conclude()
        assert streams.num_live == 0


async def test_in_a_channel_nothing_is_streamed() -> None:
    async with slack() as served:
        ts = await served.world.post(channel="general", user="alice", text="@candor how?")
        calls = calls_of(served)
        surface = SlackSurface(
            calls,
            channel="C0GENERAL",
            workspace=TEAM,
            thread=ts,
            question=ts,
            streams=Streams(calls),
        )
        await surface.post(Content("It"), turn="t1", part=0)
        assert made(served) == ["chat.postMessage"]


@pytest.mark.parametrize("is_told", [True, False])
async def test_slack_s_own_stop_is_told_of_and_else_ends_the_answer(
    monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    from adapters.sandbox.slack import streams as loopback
    from adapters.sandbox.slack.errors import SlackError

    def stopped(host: object, call: object) -> Message:
        raise SlackError("stopped_by_user")

    told: list[str] = []

    async def tell() -> None:
        told.append("stopped")

    async with slack() as served:
        surface = place(served, await asked(served), stopped=tell if is_told else None)
        ref = await surface.post(Content("It"), turn="t1", part=0)
        monkeypatch.setattr(loopback, "_streaming", stopped)
        if is_told:
            await surface.edit(ref, Content("It is"), turn="t1")
            assert told == ["stopped"]
        else:
            with pytest.raises(MessageGone):
                await surface.edit(ref, Content("It is"), turn="t1")
        assert surface.growth == "edit"


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("It is ", "It is"),
        ("```\na\n```", "```\na"),
        ("```\na\n```\n", "```\na"),
        ("```\na", "```\na"),
        ("a\n~~~", "a"),
        ("a\n\n```python", "a\n\n```python"),
        ("\n", ""),
    ],
)
def test_what_a_growing_text_may_lose_again_is_held_back(text: str, sent: str) -> None:
    assert steady(text) == sent


# The status


async def test_a_status_is_shown_until_there_is_something_to_read() -> None:
    async with slack() as served:
        question = await asked(served)
        surface = place(served, question, statuses=Statuses(calls_of(served)))
        async with surface.busy():
            await until(lambda: served.world.activity(channel="dm", user="alice") == TEXT)
            await surface.post(Content("It"), turn="t1", part=0)
            await until(lambda: served.world.activity(channel="dm", user="alice") is None)


async def test_a_status_without_an_answer_is_taken_away() -> None:
    async with slack() as served:
        surface = place(served, await asked(served), statuses=Statuses(calls_of(served)))
        async with surface.busy():
            await until(lambda: served.world.activity(channel="dm", user="alice") == TEXT)
        assert served.world.activity(channel="dm", user="alice") is None


async def test_a_workspace_without_statuses_is_asked_once() -> None:
    async with slack(scopes=frozenset({"im:history"})) as served:
        statuses = Statuses(calls_of(served))
        for _ in range(2):
            surface = place(served, await asked(served), statuses=statuses)
            async with surface.busy():
                await asyncio.sleep(0.1)
        assert len(served.world.calls_to("assistant.threads.setStatus")) == 1
