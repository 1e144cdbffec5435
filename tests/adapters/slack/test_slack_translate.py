"""Slack's events as ours."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.slack.translate import changed, deleted, incoming, plain, reaction, standing
from bot.domain import Incoming, MessageRef, Person, Reaction

ME, TEAM = "UBOT", "T1"
TS = "1795427000.000100"


def event(**changes: Any) -> dict[str, Any]:
    """A message event as Slack sends it; a change to None takes a field away."""
    fields = {
        "type": "message",
        "user": "U1",
        "text": "Why?",
        "ts": TS,
        "channel": "C1",
        "channel_type": "channel",
        "team": TEAM,
        "event_ts": TS,
        "client_msg_id": "a7d3",
        "blocks": [],
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def translated(**changes: Any) -> Incoming | None:
    return incoming(event(**changes), team=TEAM, me=ME)


def question(**changes: Any) -> Incoming:
    found = translated(**changes)
    assert found is not None
    return found


# Messages


def test_a_message_in_a_channel_begins_a_thread_of_its_own() -> None:
    assert question(text=f"<@{ME}> Why?") == Incoming(
        ref=MessageRef("slack", TEAM, "C1", TS),
        author=Person("slack", "U1"),
        text="Why?",
        place="thread",
        sent_at=1795427000.0001,
        thread=TS,
        mentions_bot=True,
    )


def test_a_mention_event_is_the_same_message_as_the_message_event() -> None:
    """Slack sends both for one post, and the mention's has no channel type."""
    text = f"<@{ME}> Why?"
    mention = question(type="app_mention", text=text, channel_type=None)
    assert mention == question(text=text)


def test_a_message_in_a_channel_without_a_mention_addresses_nobody() -> None:
    found = question()
    assert not found.mentions_bot
    assert not found.mentions_others


def test_a_message_in_a_thread_stands_in_that_thread() -> None:
    found = question(thread_ts="1795426000.000200")
    assert (found.place, found.thread) == ("thread", "1795426000.000200")


def test_a_direct_message_stands_at_its_top_level() -> None:
    found = question(channel="D1", channel_type="im")
    assert (found.place, found.thread) == ("dm", None)


def test_a_direct_message_in_a_thread_stands_in_that_thread() -> None:
    found = question(channel="D1", channel_type="im", thread_ts="1795426000.000200")
    assert (found.place, found.thread) == ("dm", "1795426000.000200")


def test_a_direct_message_is_known_by_its_channel_where_the_type_is_missing() -> None:
    assert question(channel="D1", channel_type=None).place == "dm"


@pytest.mark.parametrize("kind", ["group", "mpim"])
def test_a_private_channel_and_a_group_are_like_a_channel(kind: str) -> None:
    found = question(channel="G1", channel_type=kind)
    assert (found.place, found.thread) == ("thread", TS)


@pytest.mark.parametrize("subtype", ["file_share", "thread_broadcast"])
def test_what_a_person_writes_beside_a_file_or_to_the_channel_is_a_message(subtype: str) -> None:
    assert question(subtype=subtype).text == "Why?"


@pytest.mark.parametrize(
    "changes",
    [
        {"subtype": "bot_message", "bot_id": "B9", "user": None},
        {"bot_id": "B9"},
        {"bot_id": "B1", "user": ME, "app_id": "A1"},
        {"user": ME},
        {"subtype": "message_changed", "hidden": True, "message": {"text": "edited"}},
        {"subtype": "message_deleted", "hidden": True, "deleted_ts": TS},
        {"subtype": "message_replied"},
        {"subtype": "channel_join"},
        {"subtype": "channel_topic"},
        {"subtype": "assistant_app_thread"},
        {"subtype": "unheard_of"},
        {"hidden": True},
        {"user": None},
        {"ts": None},
        {"channel": None},
        {"user": ""},
    ],
    ids=str,
)
def test_what_no_person_writes_is_no_question(changes: dict[str, Any]) -> None:
    assert translated(**changes) is None


def test_a_message_without_a_text_is_empty() -> None:
    assert question(text=None, subtype="file_share").text == ""


@pytest.mark.parametrize(
    ("text", "bot", "others"),
    [
        ("Why?", False, False),
        (f"<@{ME}> Why?", True, False),
        (f"<@{ME}|candor> Why?", True, False),
        ("<@U2> Why?", False, True),
        ("<@W2|bo> Why?", False, True),
        (f"<@U2> <@{ME}> Why?", True, True),
        ("<!here> Why?", False, True),
        ("<!channel> Why?", False, True),
        ("<!everyone> Why?", False, True),
        ("<!subteam^S1|@team> Why?", False, True),
        ("<!subteam^S1> Why?", False, True),
        (f"&lt;@{ME}&gt; Why?", False, False),
        ("<#C2|random> Why?", False, False),
        ("<https://example.com/@U2> Why?", False, False),
        ("mail a@b.example", False, False),
        ("<!date^1392734382^{date}|February 18> Why?", False, False),
    ],
)
def test_who_is_addressed_is_told_by_the_mentions(text: str, bot: bool, others: bool) -> None:
    found = question(text=text)
    assert (found.mentions_bot, found.mentions_others) == (bot, others)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (f"<@{ME}> Why?", "Why?"),
        (f"Why, <@{ME}>?", "Why, ?"),
        (f"<@{ME}>", ""),
        ("ask <@U2>", "ask @U2"),
        ("ask <@U2|bo>", "ask @bo"),
        ("in <#C2|random>", "in #random"),
        ("in <#C2>", "in #C2"),
        ("in <#C2|>", "in #C2"),
        ("in <#G2|private>", "in #private"),
        ("<!here> all", "@here all"),
        ("<!subteam^S1|@team> all", "@team all"),
        ("<!subteam^S1> all", "@S1 all"),
        ("see <https://a.example/x>", "see https://a.example/x"),
        ("see <https://a.example|https://a.example>", "see https://a.example"),
        ("see <https://a.example|the page>", "see the page (https://a.example)"),
        ("<https://a.example/?a=1&amp;b=2>", "https://a.example/?a=1&b=2"),
        ("write <mailto:a@b.example|a@b.example>", "write a@b.example"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;b&amp;gt;", "&lt;b&gt;"),
        ("&amp;copy;", "&copy;"),
        ("```if a &lt; b:\n    pass```", "```if a < b:\n    pass```"),
        ("  spaced \n", "spaced"),
        ("<not a link>", "<not a link>"),
        ("<!date^1392734382^{date}|February 18>", "February 18"),
    ],
)
def test_a_text_is_read_as_people_read_it(text: str, read: str) -> None:
    assert plain(text, ME) == read


def test_a_mention_that_a_person_typed_as_text_is_kept_as_text() -> None:
    assert plain("&lt;@U2&gt; and &lt;!here&gt;", ME) == "<@U2> and <!here>"


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert isinstance(plain(text, ME), str)


# Reactions


def reaction_event(**changes: Any) -> dict[str, Any]:
    return {
        "type": "reaction_added",
        "user": "U1",
        "reaction": "+1",
        "item": {"type": "message", "channel": "C1", "ts": TS},
        "item_user": ME,
        "event_ts": "1795427009.000500",
        **changes,
    }


def test_a_reaction_is_translated() -> None:
    assert reaction(reaction_event(), team=TEAM, me=ME) == Reaction(
        ref=MessageRef("slack", TEAM, "C1", TS),
        person=Person("slack", "U1"),
        emoji="+1",
        present=True,
        at=1795427009.0005,
        ours=True,
    )


def test_a_reaction_taken_away_is_absent() -> None:
    found = reaction(reaction_event(type="reaction_removed"), team=TEAM, me=ME)
    assert found is not None
    assert not found.present


def test_a_reaction_keeps_its_skin_tone() -> None:
    found = reaction(reaction_event(reaction="+1::skin-tone-3"), team=TEAM, me=ME)
    assert found is not None
    assert found.emoji == "+1::skin-tone-3"


def test_a_reaction_without_a_time_has_the_message_s() -> None:
    found = reaction(reaction_event(event_ts=None), team=TEAM, me=ME)
    assert found is not None
    assert found.at == float(TS)


@pytest.mark.parametrize(
    "item", [{"type": "file", "file": "F1"}, {"type": "file_comment"}, {}, None]
)
def test_a_reaction_on_what_is_no_message_is_none(item: dict[str, str] | None) -> None:
    assert reaction(reaction_event(item=item), team=TEAM, me=ME) is None


@pytest.mark.parametrize(("author", "ours"), [(ME, True), ("U9", False), (None, None)])
def test_a_reaction_tells_whose_message_it_is_on_where_the_event_does(
    author: str | None, ours: bool | None
) -> None:
    found = reaction(reaction_event(item_user=author), team=TEAM, me=ME)
    assert found is not None
    assert found.ours is ours


def test_reactions_that_are_read_back_are_one_of_each_person_and_emoji() -> None:
    ref = MessageRef("slack", TEAM, "C1", TS)
    message = {
        "reactions": [
            {"name": "+1", "users": ["U1", ME, "U2"], "count": 3},
            {"name": "+1::skin-tone-3", "users": ["U1"], "count": 1},
            {"name": "tada", "count": 0},
        ]
    }
    found = standing(message, ref, people=lambda user: user != ME)
    assert [(one.person.id, one.emoji) for one in found] == [
        ("U1", "+1"),
        ("U2", "+1"),
        ("U1", "+1::skin-tone-3"),
    ]
    assert all(one.present and one.ours and one.ref == ref for one in found)
    assert standing({}, ref, people=lambda user: True) == []


# Edits and deletions


def edit(**changes: Any) -> dict[str, Any]:
    """A `message_changed` event; `changes` are of the message as it is now."""
    before = {"type": "message", "user": "U1", "text": "Why?", "ts": TS}
    return {
        "type": "message",
        "subtype": "message_changed",
        "hidden": True,
        "channel": "C1",
        "ts": "1795427010.000100",
        "message": {**before, "text": "Why not?", **changes},
        "previous_message": before,
    }


def test_an_edit_tells_the_message_and_its_text_now() -> None:
    found = changed(edit(text=f"<@{ME}> 1 &lt; 2?"), team=TEAM, me=ME)
    assert found == (MessageRef("slack", TEAM, "C1", TS), "1 < 2?")


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "Why?", "attachments": [{"title": "a link that was unfolded"}]},
        {"text": "Why?", "reply_count": 1},
        {"bot_id": "B9"},
        {"user": ME},
        {"user": "USLACKBOT", "subtype": "tombstone", "text": "This message was deleted."},
        {"user": None},
    ],
    ids=str,
)
def test_a_change_that_no_person_made_to_a_text_is_no_edit(changes: dict[str, Any]) -> None:
    assert changed(edit(**changes), team=TEAM, me=ME) is None


def test_what_is_no_change_is_no_edit() -> None:
    assert changed(event(), team=TEAM, me=ME) is None
    assert changed({}, team=TEAM, me=ME) is None


def test_a_deletion_tells_the_message_that_is_gone() -> None:
    gone = {"subtype": "message_deleted", "deleted_ts": TS, "channel": "C1", "ts": "1795427011.1"}
    assert deleted(gone, team=TEAM) == MessageRef("slack", TEAM, "C1", TS)
    assert incoming(gone, team=TEAM, me=ME) is None


def test_a_tombstone_is_a_deletion() -> None:
    tombstone = edit(user="USLACKBOT", subtype="tombstone", text="This message was deleted.")
    assert deleted(tombstone, team=TEAM) == MessageRef("slack", TEAM, "C1", TS)


@pytest.mark.parametrize(
    "other", [{}, edit(), event(), {"subtype": "message_deleted"}, event(deleted_ts=TS)], ids=str
)
def test_what_deletes_nothing_is_no_deletion(other: dict[str, Any]) -> None:
    assert deleted(other, team=TEAM) is None
