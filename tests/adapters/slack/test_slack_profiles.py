"""Who people are: asked once, kept for a while, never waited for long."""

import asyncio

import pytest

from adapters.sandbox.slack import DEFAULT_SCOPES, USER_IDS
from adapters.slack import profiles as profiles_module
from adapters.slack.profiles import KEPT_S, Profile, Profiles
from adapters.slack.translate import outside
from bot.domain import NOBODY, Standing
from tests.adapters.sandbox.slack_bench import slack
from tests.adapters.slack.slack_line import arm, calls_of

ALICE, BOB = USER_IDS["alice"], USER_IDS["bob"]


async def test_an_admin_is_a_moderator_and_is_asked_for_once_in_a_while() -> None:
    now = [0.0]
    async with slack(admins=frozenset({"alice"})) as served:
        profiles = Profiles(calls_of(served), clock=lambda: now[0])
        found = await asyncio.gather(*(profiles.of(ALICE) for _ in range(5)))
        assert set(found) == {Profile("Alice", is_moderator=True)}
        assert await profiles.standing(ALICE) == Standing(is_moderator=True)
        assert await profiles.standing(BOB) == NOBODY
        assert len(served.world.calls_to("users.info")) == 2
        now[0] += KEPT_S + 1
        await profiles.of(ALICE)
        assert len(served.world.calls_to("users.info")) == 3
        outsider = await profiles.standing(ALICE, Standing(is_outside=True))
        assert outsider == Standing(is_outside=True), "an admin elsewhere is none here"


async def test_a_person_s_user_groups_are_their_roles() -> None:
    groups = {"S1": ("alice", "bob"), "S2": ("alice",)}
    async with slack(user_groups=groups) as served:
        profiles = Profiles(calls_of(served))
        assert (await profiles.standing(ALICE)).roles == {"S1", "S2"}
        assert (await profiles.standing(BOB)).roles == {"S1"}
        assert (await profiles.standing(USER_IDS["carol"])).roles == frozenset()
        assert len(served.world.calls_to("usergroups.list")) == 1
    async with slack(scopes=DEFAULT_SCOPES - {"usergroups:read"}, user_groups=groups) as served:
        profiles = Profiles(calls_of(served))
        assert [(await profiles.standing(ALICE)).roles for _ in range(2)] == [frozenset()] * 2
        assert len(served.world.calls_to("usergroups.list")) == 1


async def test_without_the_scope_nobody_has_a_standing_and_nobody_asks_again_at_once() -> None:
    async with slack(scopes=DEFAULT_SCOPES - {"users:read"}, admins=frozenset({"alice"})) as served:
        profiles = Profiles(calls_of(served))
        assert [await profiles.standing(ALICE) for _ in range(3)] == [NOBODY] * 3
        assert len(served.world.calls_to("users.info")) == 1


async def test_slack_s_silence_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles_module, "WAIT_S", 0.1)
    async with slack(admins=frozenset({"alice"})) as served:
        arm(served, "delay_answer", on="users.info", seconds=0.8)
        profiles = Profiles(calls_of(served))
        assert await profiles.standing(ALICE) == NOBODY
        await profiles.close()
        assert await profiles.of(ALICE) == Profile("Alice", is_moderator=True)


@pytest.mark.parametrize(
    ("event", "body", "is_outside"),
    [
        ({}, {}, False),
        ({"team": "T1"}, {}, False),
        ({"team": "T1", "user_team": "T2"}, {"is_ext_shared_channel": True}, True),
        ({"team": "T2"}, {"is_ext_shared_channel": True}, True),
        ({"team": "T2"}, {}, True),
        ({"team": "T2"}, {"is_ext_shared_channel": False}, False),
        ({"user_team": "E1"}, {"is_ext_shared_channel": True, "enterprise_id": "E1"}, False),
        ({"user_team": "E2"}, {"is_ext_shared_channel": True, "enterprise_id": "E1"}, True),
    ],
)
def test_people_of_another_organisation_are_outside(
    event: dict[str, str], body: dict[str, object], is_outside: bool
) -> None:
    assert outside(event, body, team="T1") is is_outside
