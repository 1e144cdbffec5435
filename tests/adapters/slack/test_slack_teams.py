"""Which workspace an event is for."""

from typing import Any

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.calls import Calls
from adapters.slack.identity import Identity
from adapters.slack.team import Team
from adapters.slack.teams import concerned, team_id_of


def team(name: str) -> Team:
    """A workspace whose bot is the user `UBOT{name}`."""
    unused: Any = None
    identity = Identity(user=f"UBOT{name}", bot=f"B{name}", team=name)
    calls = Calls(AsyncWebClient())
    return Team(identity, calls, unused, unused, unused, unused, unused, token="xoxb-1")


T1, T2, T3 = (team(name) for name in ("T1", "T2", "T3"))


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"team_id": "T9", "authorizations": [{"team_id": "T1"}, {"team_id": "T2"}]}, "T1"),
        ({"team_id": "T1", "authorizations": []}, "T1"),
        ({"team_id": "T1", "authorizations": [{"team_id": None}]}, "T1"),
        ({"team": {"id": "T1", "domain": "one"}, "type": "block_actions"}, "T1"),
        ({"team": "T1"}, "T1"),
        ({"team": None}, ""),
        ({}, ""),
    ],
)
def test_an_event_s_workspace_is_the_one_that_it_is_authorized_for(
    body: dict[str, Any], found: str
) -> None:
    assert team_id_of(body) == found


@pytest.mark.parametrize(
    ("event", "found"),
    [
        ({"text": "<@UBOTT2> why?"}, T2),
        ({"text": "<@UBOTT2|candor> and <@UBOTT1>, why?"}, T1),
        ({"text": "<@UALICE> why?"}, T1),
        ({"text": "UBOTT2"}, T1),
        ({"subtype": "message_changed", "message": {"text": "<@UBOTT2> why?"}}, T2),
        ({"type": "reaction_added", "item_user": "UBOTT2"}, T2),
        ({"type": "reaction_added", "item_user": "UALICE"}, T1),
        ({}, T1),
    ],
)
def test_in_a_channel_that_workspaces_share_who_is_mentioned_answers(
    event: dict[str, Any], found: Team
) -> None:
    assert concerned(event, T1, (T1, T2, T3)) is found
    assert concerned(event, T1, (T1,)) is T1
