"""The loopback Slack lets an app in, in two workspaces, and takes it out again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from yarl import URL

from adapters.sandbox.errors import ControlError
from adapters.sandbox.server import Sandbox
from adapters.sandbox.slack import App, SecondWorld, SlackWorld
from tests.adapters.sandbox.slack_bench import (
    APP_TOKEN,
    SIGNING_SECRET,
    Bot,
    Served,
    bolt_app,
    connected_bot,
    error_of,
)
from tests.waiting import until

T1, T2 = "T0SANDBOX1", "T2SANDBOX1"
BACK = "http://127.0.0.1:9/back"
APP = App("1.2", client_secret="a client secret")


@asynccontextmanager
async def offices() -> AsyncIterator[tuple[Served, SecondWorld]]:
    """Two workspaces, served with the control API."""
    world = SlackWorld(bot_token=None, app_token=APP_TOKEN, signing_secret=SIGNING_SECRET, app=APP)
    second = SecondWorld(world)
    async with Sandbox(platforms=[world], port=0) as sandbox:
        yield Served(world, sandbox.url), second


def authorize(served: Served, **changed: str) -> URL:
    query = {"client_id": "1.2", "scope": "chat:write,users:read", "redirect_uri": BACK}
    return URL(f"{served.base_url}/slack/oauth/v2/authorize").with_query(
        {**query, "state": "s1", **changed}
    )


async def code(served: Served, team: str, **changed: str) -> str:
    """A code, as a person who allows it gets one."""
    url = authorize(served, **changed)
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            url, data={**url.query, "team": team, "answer": "allow"}, allow_redirects=False
        ) as response,
    ):
        back = URL(response.headers["Location"])
    assert str(back.with_query(None)) == BACK
    assert back.query["state"] == "s1"
    return back.query["code"]


async def exchange(served: Served, given: str, **changed: str) -> Any:
    form = {
        "client_id": "1.2",
        "client_secret": "a client secret",
        "code": given,
        "redirect_uri": BACK,
        **changed,
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.base_url}/slack/api/oauth.v2.access", data=form) as response,
    ):
        return await response.json()


async def token(served: Served, team: str) -> str:
    answer = await exchange(served, await code(served, team))
    assert answer["ok"]
    assert answer["team"]["id"] == team
    return str(answer["access_token"])


async def test_a_code_gives_the_token_of_the_workspace_that_a_person_chose() -> None:
    async with offices() as (served, second):
        for team in (T1, T2):
            client = served.client(await token(served, team))
            me = await client.auth_test()
            assert me["team_id"] == team
            user = "U0ALICE" if team == T1 else "U2ALICE"
            profile: Any = (await client.users_info(user=user))["user"]
            assert (profile["id"], profile["team_id"]) == (user, team)
        assert len(second.calls) == 2, "each has its own"
        assert len(served.world.calls) == 2


async def test_the_page_names_the_workspaces_and_refuses_what_slack_refuses() -> None:
    async with offices() as (served, _), aiohttp.ClientSession() as session:
        async with session.get(authorize(served)) as response:
            page = await response.text()
        assert f'value="{T1}"' in page
        assert f'value="{T2}"' in page
        for changed, refusal in (
            ({"client_id": "9"}, "invalid_client_id"),
            ({"scope": ""}, "invalid_scope"),
            ({"scope": "admin"}, "invalid_scope"),
            ({"redirect_uri": "https://example.com/"}, "bad_redirect_uri"),
        ):
            async with session.get(authorize(served, **changed)) as response:
                assert (response.status, await response.text()) == (400, refusal)


async def test_who_cancels_is_sent_back_without_a_code() -> None:
    async with offices() as (served, _), aiohttp.ClientSession() as session:
        url = authorize(served)
        form = {**url.query, "team": T2, "answer": "cancel"}
        async with session.post(url, data=form, allow_redirects=False) as response:
            assert dict(URL(response.headers["Location"]).query) == {
                "error": "access_denied",
                "state": "s1",
            }


async def test_a_code_is_good_once_and_for_its_app_and_address_alone() -> None:
    async with offices() as (served, _):
        assert (await exchange(served, "guessed"))["error"] == "invalid_code"
        given = await code(served, T2)
        assert (await exchange(served, given, client_id="9"))["error"] == "invalid_client_id"
        wrong = await exchange(served, given, client_secret="9")
        assert wrong["error"] == "bad_client_secret"
        assert (await exchange(served, given))["ok"]
        assert (await exchange(served, given))["error"] == "code_already_used"
        other = await exchange(served, await code(served, T2), redirect_uri="http://127.0.0.1/")
        assert other["error"] == "bad_redirect_uri"


async def test_a_workspace_s_events_come_over_the_app_s_one_socket_with_its_ids() -> None:
    async with offices() as (served, second):
        await second.post(channel="general", user="alice", text="nobody hears it yet")
        client = served.client(await token(served, T2))
        bot = Bot(AsyncApp(client=client, signing_secret=SIGNING_SECRET))
        bodies: list[dict[str, Any]] = []

        @bot.app.use
        async def keep(body: dict[str, Any], next: Any) -> None:
            bodies.append(body)
            await next()

        async with connected_bot(served, bot=bot):
            await second.post(channel="general", user="alice", text="@candor Why?")
            await until(lambda: len(bodies) == 2)
        for body in bodies:
            assert body["team_id"] == body["authorizations"][0]["team_id"] == T2
            assert body["event"]["channel"] == "C2GENERAL"
            assert body["event"]["text"] == "<@U2SANDBOX1> Why?"
        said: Any = await client.chat_postMessage(channel="C2GENERAL", text="<@U2ALICE> So.")
        assert said["channel"] == "C2GENERAL"
        assert [one.text for one in second.messages(channel="general", user="bob")][-1] == (
            "@alice So."
        )
        with pytest.raises(SlackApiError, match="channel_not_found"):
            await client.chat_postMessage(channel="C9GENERAL", text="lost")


async def control(served: Served, **body: str) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{served.base_url}/control/slack/remove", json=body) as response,
    ):
        return response.status, await response.json()


@pytest.mark.parametrize(
    ("how", "refusal", "told"),
    [
        ("revoke", "token_revoked", ["tokens_revoked"]),
        ("uninstall", "account_inactive", ["app_uninstalled", "tokens_revoked"]),
    ],
)
async def test_an_app_that_is_taken_out_is_told_and_its_token_is_dead(
    how: str, refusal: str, told: list[str]
) -> None:
    async with offices() as (served, second):
        assert (await control(served, how=how, team=T2))[0] == 400, "it is not in"
        first, gone = [served.client(await token(served, team)) for team in (T1, T2)]
        bot = bolt_app(served)
        for kind in ("app_uninstalled", "tokens_revoked"):
            bot.app.event(kind)(_keep_in(bot.bodies))
        async with connected_bot(served, bot=bot):
            assert await control(served, how=how, team=T2) == (200, {})
            await until(lambda: sorted(body["event"]["type"] for body in bot.bodies) == told)
        assert {body["team_id"] for body in bot.bodies} == {T2}
        assert await error_of(gone.auth_test()) == refusal
        assert (await first.auth_test())["ok"]
        with pytest.raises(ControlError, match="not installed"):
            second.remove("revoke")


def _keep_in(bodies: list[dict[str, Any]]) -> Any:
    async def keep(body: dict[str, Any]) -> None:
        bodies.append(body)

    return keep
