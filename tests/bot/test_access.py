"""Who is answered where: the decisions, as tables."""

from typing import Any

import pytest
from pydantic import ValidationError

from bot.access import Reason, Refused, decide, is_moderator
from bot.domain import NOBODY, Conversation, Person, Standing
from bot.platform_settings import AccessSettings

ANA, BOT = Person("slack", "U111"), Person("slack", "U999")
CHANNEL = Conversation("slack", "T111", "C111", "thread", "1.5")
DM = Conversation("slack", "T111", "D111", "dm")
THREAD = Conversation("discord", "77777", "55555", "thread", "55555")
DISCORD_DM = Conversation("discord", "dm", "66666", "dm")
OUTSIDE = Standing(is_outside=True)
WITH_ROLE = Standing(roles=frozenset({"S111", "S222"}))


def reason(
    where: Conversation = CHANNEL,
    standing: Standing = NOBODY,
    *,
    person: Person = ANA,
    parent: str | None = None,
    **rules: Any,
) -> Reason | None:
    """Why somebody is refused under rules, if they are."""
    settings = AccessSettings.model_validate(rules)
    found = decide(settings, person=person, standing=standing, where=where, parent=parent)
    assert found is None or isinstance(found, Refused)
    return None if found is None else found.reason


def test_by_default_everybody_of_ours_is_answered_everywhere() -> None:
    for where in (CHANNEL, DM, THREAD, DISCORD_DM):
        assert reason(where) is None
        assert reason(where, Standing(is_moderator=True)) is None


def test_by_default_people_from_outside_and_bots_are_not() -> None:
    assert reason(standing=OUTSIDE) == "outside"
    assert reason(DM, OUTSIDE) == "outside"
    assert reason(standing=Standing(is_bot=True)) == "bot"


@pytest.mark.parametrize(
    ("where", "rules", "expected"),
    [
        (CHANNEL, {"allow_workspaces": ["T111"]}, None),
        (CHANNEL, {"allow_workspaces": ["T222"]}, "workspace"),
        (CHANNEL, {"deny_workspaces": ["T111"]}, "workspace"),
        (CHANNEL, {"allow_workspaces": ["T111"], "deny_workspaces": ["T111"]}, "workspace"),
        (DM, {"allow_workspaces": ["T222"]}, "workspace"),
        (DISCORD_DM, {"allow_workspaces": ["77777"]}, "workspace"),
        (DISCORD_DM, {"allow_workspaces": ["77777", "dm"]}, None),
        (CHANNEL, {"allow_channels": ["C111"]}, None),
        (CHANNEL, {"allow_channels": ["C222", "C111"]}, None),
        (CHANNEL, {"allow_channels": ["C222"]}, "channel"),
        (CHANNEL, {"deny_channels": ["C111"]}, "channel"),
        (CHANNEL, {"deny_channels": ["C222"]}, None),
        (CHANNEL, {"allow_channels": ["C111"], "deny_channels": ["C111"]}, "channel"),
        (DM, {"allow_channels": ["C222"]}, None),
        (DM, {"deny_channels": ["D111"]}, "dm"),
        (DM, {"dms": False}, "dm"),
        (DM, {"dms": False, "allow_channels": ["D111"]}, "dm"),
        (CHANNEL, {"dms": False}, None),
    ],
)
def test_where_one_is_answered(
    where: Conversation, rules: dict[str, Any], expected: Reason | None
) -> None:
    assert reason(where, **rules) == expected


@pytest.mark.parametrize(
    ("parent", "rules", "expected"),
    [
        ("44444", {"allow_channels": ["44444"]}, None),
        ("44444", {"allow_channels": ["55555"]}, None),
        ("44444", {"allow_channels": ["33333"]}, "channel"),
        ("44444", {"deny_channels": ["44444"]}, "channel"),
        ("44444", {"deny_channels": ["55555"]}, "channel"),
        ("44444", {"allow_channels": ["55555"], "deny_channels": ["44444"]}, "channel"),
        ("", {}, None),
        ("", {"deny_channels": ["33333"]}, "channel"),
        ("", {"allow_channels": ["55555"]}, "channel"),
    ],
)
def test_a_thread_with_an_id_of_its_own_follows_its_channel(
    parent: str, rules: dict[str, Any], expected: Reason | None
) -> None:
    assert reason(THREAD, parent=parent, **rules) == expected


@pytest.mark.parametrize(
    ("standing", "rules", "expected"),
    [
        (NOBODY, {"allow_people": ["U111"]}, None),
        (NOBODY, {"allow_people": ["U222"]}, "person"),
        (NOBODY, {"deny_people": ["U111"]}, "person"),
        (NOBODY, {"allow_people": ["U111"], "deny_people": ["U111"]}, "person"),
        (WITH_ROLE, {"allow_roles": ["S222"]}, None),
        (WITH_ROLE, {"allow_roles": ["S333"]}, "person"),
        (NOBODY, {"allow_roles": ["S222"]}, "person"),
        (NOBODY, {"allow_roles": ["S222"], "allow_people": ["U111"]}, None),
        (WITH_ROLE, {"allow_roles": ["S222"], "allow_people": ["U222"]}, None),
        (WITH_ROLE, {"deny_roles": ["S111"]}, "role"),
        (WITH_ROLE, {"allow_roles": ["S222"], "deny_roles": ["S111"]}, "role"),
        (WITH_ROLE, {"allow_people": ["U111"], "deny_roles": ["S111"]}, "role"),
        (OUTSIDE, {"outside": True}, None),
        (OUTSIDE, {"outside": True, "allow_people": ["U222"]}, "person"),
        (OUTSIDE, {"allow_people": ["U111"]}, "outside"),
        (Standing(is_moderator=True), {"deny_people": ["U111"]}, "person"),
    ],
)
def test_who_is_answered(
    standing: Standing, rules: dict[str, Any], expected: Reason | None
) -> None:
    assert reason(standing=standing, **rules) == expected


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({"bots": ["U999"]}, None),
        ({"bots": ["U999"], "allow_people": ["U111"]}, None),
        ({"bots": ["U998"]}, "bot"),
        ({"bots": ["U999"], "deny_people": ["U999"]}, "person"),
        ({"bots": ["U999"], "deny_channels": ["C111"]}, "channel"),
    ],
)
def test_which_bots_are_answered(rules: dict[str, Any], expected: Reason | None) -> None:
    assert reason(standing=Standing(is_bot=True), person=BOT, **rules) == expected


@pytest.mark.parametrize(
    ("standing", "rules", "expected"),
    [
        (NOBODY, {}, False),
        (Standing(is_moderator=True), {}, True),
        (Standing(is_moderator=True, is_outside=True), {}, False),
        (NOBODY, {"moderators": ["U111"]}, True),
        (NOBODY, {"moderators": ["U222"]}, False),
        (WITH_ROLE, {"moderator_roles": ["S222"]}, True),
        (WITH_ROLE, {"moderator_roles": ["S333"]}, False),
    ],
)
def test_who_is_a_moderator(standing: Standing, rules: dict[str, Any], expected: bool) -> None:
    assert is_moderator(AccessSettings.model_validate(rules), ANA, standing) is expected


@pytest.mark.parametrize("wrong", ["#general", "general", "<@U111>", "", "U1", "12", "C1 ", "c111"])
def test_what_is_no_id_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="id as the platform gives it"):
        AccessSettings(deny_channels=(wrong,))
