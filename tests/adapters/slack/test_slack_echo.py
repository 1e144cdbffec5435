"""Questions that are messages of ours."""

from typing import Any

import pytest

from adapters.slack.echo import ASK, Asked, echo, echoed, question
from adapters.slack.translate import incoming
from bot.domain import MessageRef, Person, Quote

ASKED = Asked("U1", "Alice", "what is <this>?", Quote("Bob", "line one\nline two"))
ME, TEAM = "UME", "T1"


def event(asked: Asked = ASKED, /, **more: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "user": ME,
        "bot_id": "B1",
        "channel": "C1",
        "ts": "5.000000",
        "team": TEAM,
        **echo(asked, shows_quote=True),
        **more,
    }


def test_an_echo_shows_who_asks_what_about_what_and_unfolds_nothing() -> None:
    made = echo(ASKED, shows_quote=True)
    assert made["blocks"][0]["text"] == (
        "**Alice** asks: what is <this>?\n\n> Bob: line one\n> line two"
    )
    assert (made["unfurl_links"], made["unfurl_media"]) == (False, False)
    assert "Bob" not in echo(ASKED, shows_quote=False)["text"]
    assert echo(ASKED, shows_quote=False)["metadata"] == made["metadata"]


@pytest.mark.parametrize(
    ("where", "place", "thread"),
    [
        ({}, "thread", "5.000000"),
        ({"thread_ts": "4.000000"}, "thread", "4.000000"),
        ({"channel": "D1"}, "dm", None),
        ({"channel": "D1", "thread_ts": "4.000000"}, "dm", "4.000000"),
    ],
)
def test_our_own_echo_is_its_person_s_question(
    where: dict[str, str], place: str, thread: str | None
) -> None:
    found = incoming({**event(), **where}, team=TEAM, me=ME)
    channel = where.get("channel", "C1")
    assert found == question(
        ASKED, MessageRef("slack", TEAM, channel, "5.000000"), thread=where.get("thread_ts")
    )
    assert (found.author, found.text, found.quotes) == (
        Person("slack", "U1"),
        ASKED.text,
        (ASKED.quote,),
    )
    assert (found.place, found.thread, found.mentions_bot) == (place, thread, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"user": "U1", "bot_id": "B9"},
        {"metadata": None},
        {"metadata": {"event_type": ASK}},
        {"metadata": {"event_type": ASK, "event_payload": {"user": "U1", "text": ""}}},
        {"metadata": {"event_type": "candor_part", "event_payload": {"user": "U1", "text": "x"}}},
        {"subtype": "message_changed"},
        {"ts": ""},
    ],
)
def test_anything_else_is_no_echo(changes: dict[str, Any]) -> None:
    assert incoming(event(**changes), team=TEAM, me=ME) is None


def test_that_its_person_is_from_outside_is_not_forgotten() -> None:
    found = incoming(event(Asked("U1", "Eve", "Why?", is_outside=True)), team=TEAM, me=ME)
    assert found is not None
    assert found.standing.is_outside


def test_an_echo_without_a_quote_has_none() -> None:
    made = event(Asked("U1", "Alice", "Why?"))
    found = echoed(made, team=TEAM)
    assert found is not None
    assert found.quotes == ()
