"""Installing in several workspaces: real bolt over real sockets, and people with browsers."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.fernet import Fernet
from redis.asyncio import Redis
from structlog.testing import capture_logs
from yarl import URL

from adapters.sandbox.faults import Fault
from adapters.sandbox.removal_routes import How
from adapters.sandbox.slack import SlackWorld
from adapters.sandbox.slack.payload import envelope
from adapters.slack.install import Install
from adapters.slack.installations import Installation, store_of
from adapters.slack.manifest import scopes
from bot.errors import ConfigError
from bot.settings import RedisSettings
from bot.store import keys
from bot.store.connection import connect
from tests.adapters.core_bench import frozen
from tests.adapters.sandbox.slack_bench import listening
from tests.adapters.slack.installing import (
    CLIENT_SECRET,
    T1,
    T2,
    TOKEN_KEY,
    Bot,
    Browser,
    Shared,
    installed,
    says,
    serving,
    settings_of,
    two_workspaces,
)
from tests.waiting import until

TRANSPORTS = pytest.mark.parametrize("http", [False, True], ids=["socket", "http"])


async def ask(world: SlackWorld, text: str, *, channel: str = "dm") -> str:
    return await world.post(channel=channel, user="alice", text=text)


async def answered(world: SlackWorld, text: str) -> None:
    await ask(world, text)
    await until(lambda: f"I heard: {text}" in says(world), lambda: f"{says(world)}", within_s=8)


async def everything_kept(client: "Redis") -> str:
    """All values of the store, as text."""
    found: list[Any] = []
    async for key in client.scan_iter("*"):
        match await client.type(key):
            case "string":
                found.append(await client.get(key))
            case "hash":
                found.append(await client.hgetall(key))
            case "list":
                found.append(await client.lrange(key, 0, -1))
            case "set":
                found.append(await client.smembers(key))
            case "zset":
                found.append(await client.zrange(key, 0, -1))
            case "stream":
                found.append(await client.xrange(key))
            case "none":  # it ended meanwhile
                continue
            case other:
                raise AssertionError(f"{key!r} is a {other!r}")
        found.append(key)
    return str(found)


async def tokens(client: "Redis", bot: Bot, shared: Shared) -> dict[str, str]:
    """Workspace -> its token."""
    store = store_of(settings_of(shared, 1, http=False, token_key=TOKEN_KEY), client)
    assert store is not None
    opened = [
        store.installations.open(one) for one in (await store.installations.listed()).values()
    ]
    return {one.team: one.token for one in opened if one is not None}


async def nothing_waits(bot: Bot) -> bool:
    return await bot.bench.inbox.waiting("slack") == 0


@TRANSPORTS
async def test_a_workspace_that_installs_the_app_is_answered_at_once_with_its_own_token(
    client: "Redis", http: bool
) -> None:
    async with two_workspaces() as shared, serving(client, shared, http=http) as bot:
        browser = Browser()
        await browser.install(bot, T2)
        status, page = browser.seen
        assert status == 200
        assert "Candor abroad" in page
        await answered(shared.second, "Why?")
        assert says(shared.first) == []
        posts = shared.second.calls_to("chat.startStream")
        assert [one.arguments["channel"] for one in posts] == ["D0ALICE"]
        assert not shared.first.calls_to("chat.startStream")
        await installed(bot, T1)
        await answered(shared.first, "And you?")


async def test_two_workspaces_are_served_side_by_side_and_do_not_mix(client: "Redis") -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        await installed(bot, T1, T2)
        await asyncio.gather(
            answered(shared.first, "from the first"), answered(shared.second, "from the second")
        )
        assert says(shared.first) == ["I heard: from the first"]
        assert says(shared.second) == ["I heard: from the second"]
        await shared.second.post(channel="general", user="bob", text="@candor hello")
        await until(lambda: "I heard: hello" in says(shared.second, channel="general"))
        assert says(shared.first, channel="general") == []


async def test_tokens_and_secrets_are_nowhere_in_clear(client: "Redis") -> None:
    with capture_logs() as logged:
        async with two_workspaces() as shared, serving(client, shared) as bot:
            browser = Browser()
            back = await browser.install(bot, T2)
            await answered(shared.second, "Why?")
            [(team, token)] = (await tokens(client, bot, shared)).items()
            assert team == T2
            assert token.startswith("xoxb-")
            kept = await everything_kept(client)
    state, code = (URL(back).query[name] for name in ("state", "code"))
    for secret in ("xoxb-", token, CLIENT_SECRET, TOKEN_KEY, state, code):
        assert secret not in kept
        assert secret not in str(logged)
    assert code not in browser.seen[1]


async def test_a_state_is_good_once(client: "Redis") -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        browser = Browser()
        state = URL(await browser.get(f"{bot.url}/slack/install")).query["state"]
        held = dict(browser.cookies)
        where = f"{shared.url}/slack/oauth/v2/authorize"
        asked = str(URL(where).with_query({**_query(bot), "state": state}))
        first, second = [await browser.decide(asked, T2) for _ in range(2)]
        await browser.get(first)
        assert browser.seen[0] == 200
        again = Browser(cookies=held)
        await again.get(second)
        assert again.seen[0] == 403
        assert "used already" in again.seen[1]


async def test_what_was_begun_in_another_browser_is_refused(client: "Redis") -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        mine, theirs = Browser(), Browser()
        back = await mine.decide(await mine.get(f"{bot.url}/slack/install"), T2)
        await theirs.get(f"{bot.url}/slack/install")
        for other in (theirs, Browser()):
            await other.get(back)
            assert other.seen[0] == 403
            assert "not begun in this browser" in other.seen[1]
        assert await client.hlen(keys.SLACK_INSTALLATIONS) == 0
        await mine.get(back)
        assert mine.seen[0] == 200, "nobody used it up meanwhile"


async def test_who_cancels_or_brings_a_wrong_code_has_installed_nothing(client: "Redis") -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        browser = Browser()
        begun = await browser.get(f"{bot.url}/slack/install")
        await browser.get(await browser.decide(begun, T2, "cancel"))
        assert browser.seen[0] == 400
        assert "access_denied" in browser.seen[1]
        state = URL(await browser.get(f"{bot.url}/slack/install")).query["state"]
        await browser.get(f"{bot.url}/slack/oauth_redirect?state={state}&code=guessed")
        assert browser.seen[0] == 400
        assert "invalid_code" in browser.seen[1]
        assert await client.hlen(keys.SLACK_INSTALLATIONS) == 0


@pytest.mark.parametrize("kind", ["server_error", "revoke_token", "lose_reply"])
async def test_a_slack_that_fails_in_between_leaves_nothing_behind(
    client: "Redis", kind: str
) -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        shared.second.faults.arm(Fault(kind=kind, on="auth.test", times=None))
        browser = Browser()
        await browser.install(bot, T2)
        assert browser.seen[0] == (400 if kind == "revoke_token" else 503)
        assert await client.hlen(keys.SLACK_INSTALLATIONS) == 0
        shared.second.faults.clear()
        await installed(bot, T2)


async def test_without_the_store_nobody_is_sent_to_slack(tmp_path: Path) -> None:
    async with (
        connect(RedisSettings(timeout_s=0.2), tmp_path / "state") as client,
        two_workspaces() as shared,
    ):
        settings = settings_of(shared, 1, http=False, token_key=TOKEN_KEY)
        store = store_of(settings, client)
        assert store is not None
        taken: list[str] = []

        async def served(team: str) -> None:
            taken.append(team)

        app = web.Application()
        app.add_routes(Install(settings, store.installations, store.passes, served).routes())
        async with listening(app) as port:
            begin = f"http://127.0.0.1:{port}/slack/install"
            browser = Browser()
            back = URL(await browser.decide(await browser.get(begin), T2))
            with frozen(tmp_path / "state"):
                assert await Browser().get(begin) == ""
                await browser.get(f"http://127.0.0.1:{port}{back.raw_path_qs}")
            assert browser.seen[0] == 503
            assert taken == []


async def test_an_address_that_holds_markup_shows_none(client: "Redis") -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        browser = Browser()
        await browser.get(str(URL(f"{bot.url}/slack/oauth_redirect?error=<script>1</script>")))
        assert "<script>" not in browser.seen[1]
        assert "&lt;script&gt;" in browser.seen[1]


async def test_the_next_process_serves_the_same_workspaces(client: "Redis") -> None:
    async with two_workspaces() as shared:
        async with serving(client, shared) as bot:
            await installed(bot, T1, T2)
        async with serving(client, shared):
            await answered(shared.first, "Why?")
            await answered(shared.second, "Why not?")


async def test_another_process_serves_a_new_workspace_at_its_first_event(client: "Redis") -> None:
    async with (
        two_workspaces() as shared,
        serving(client, shared, worker="worker-1") as one,
        serving(client, shared, worker="worker-2") as other,
    ):
        await installed(one, T2)
        # The one that took the installation in hears nothing more: every event is the other's.
        one.running.cancel()
        await asyncio.gather(one.running, return_exceptions=True)
        await answered(shared.second, "Why?")
        assert [team.id for team in other.adapter.served] == [T2]


@pytest.mark.parametrize("how", ["uninstall", "revoke"])
async def test_a_workspace_that_leaves_ends_alone(client: "Redis", how: How) -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        await installed(bot, T1, T2)
        await answered(shared.second, "Why?")
        shared.first.remove(how, team=T2)
        await until(lambda: [team.id for team in bot.adapter.served] == [T1])
        assert list(await client.hgetall(keys.SLACK_INSTALLATIONS)) == [T1]
        await answered(shared.first, "Still there?")
        await installed(bot, T2)
        await answered(shared.second, "Back again?")


async def test_an_answer_under_way_fails_when_its_workspace_leaves_and_others_go_on(
    client: "Redis",
) -> None:
    go_on = asyncio.Event()

    def answer(messages: list[dict[str, str]]) -> list[Any]:
        return ["I heard: ", go_on.wait, messages[-1]["content"]]

    async with two_workspaces() as shared, serving(client, shared, answer=answer) as bot:
        await installed(bot, T1, T2)
        ts = await ask(shared.second, "Why?")
        await ask(shared.first, "And here?")
        await until(lambda: says(shared.first) and says(shared.second), within_s=8)
        shared.first.remove("uninstall", team=T2)
        await until(lambda: len(bot.adapter.served) == 1)
        go_on.set()
        await until(lambda: says(shared.first) == ["I heard: And here?"], within_s=8)

        async def is_over() -> bool:
            turn = await bot.bench.turns.of_message(f"slack/D2ALICE/{ts}")
            return turn is not None and turn.status == "failed"

        await until(is_over, within_s=8)
        await until(lambda: nothing_waits(bot))


async def test_a_question_of_a_workspace_that_left_meanwhile_ends_as_failed(
    client: "Redis",
) -> None:
    never = asyncio.Event()
    async with two_workspaces() as shared:
        async with serving(client, shared, answer=lambda _: ["I heard", never.wait]) as bot:
            await installed(bot, T2)
            ts = await ask(shared.second, "Why?")
            await until(lambda: says(shared.second))
        await client.delete(keys.SLACK_INSTALLATIONS)
        async with serving(client, shared) as bot:

            async def is_over() -> bool:
                turn = await bot.bench.turns.of_message(f"slack/D2ALICE/{ts}")
                return turn is not None and turn.status == "failed"

            await until(is_over, within_s=8)
            await until(lambda: nothing_waits(bot))


async def test_a_workspace_that_installs_again_goes_on_with_its_new_token(
    client: "Redis",
) -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        await installed(bot, T2)
        before = await tokens(client, bot, shared)
        await installed(bot, T2)
        assert await tokens(client, bot, shared) != before
        assert [team.token for team in bot.adapter.served] == [
            (await tokens(client, bot, shared))[T2]
        ]
        await answered(shared.second, "Why?")


async def test_a_token_that_a_call_finds_revoked_ends_its_workspace_and_no_other(
    client: "Redis",
) -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        await installed(bot, T1, T2)
        shared.second.office.tokens.take_back("token_revoked")  # no event tells of it
        for team in bot.adapter.served:
            if team.id == T2:
                with pytest.raises(Exception, match="not served any more"):
                    await team.calls.do("auth.test")
        assert [team.id for team in bot.adapter.served] == [T1]

        async def is_forgotten() -> bool:
            return list(await client.hgetall(keys.SLACK_INSTALLATIONS)) == [T1]

        await until(is_forgotten)
        await answered(shared.first, "Still there?")


async def test_a_message_in_a_shared_channel_is_answered_once_by_whoever_it_mentions(
    client: "Redis",
) -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        await installed(bot, T1, T2)
        event = {
            "type": "message",
            "user": "U9STRANGER",
            "channel": "CSHARED",
            "channel_type": "channel",
            "text": "<@U2SANDBOX1> Why?",
            "ts": "1795000000.000100",
            "event_ts": "1795000000.000100",
        }
        for world in (shared.first, shared.second):
            body = envelope(event, event_id=f"Ev{world.office.id}", now=time.time())
            world._deliveries.submit(body["event_id"], body)
        await until(lambda: not shared.first.pending_events + shared.second.pending_events)
        turn = await bot.bench.turns.of_message("slack/CSHARED/1795000000.000100")
        assert turn is not None
        assert turn.question.workspace == T2
        assert await client.keys("candor:turn:*") == [f"candor:turn:{turn.id}"]


async def test_late_news_of_an_earlier_installation_end_no_newer_one(client: "Redis") -> None:
    async with two_workspaces() as shared, serving(client, shared) as bot:
        await installed(bot, T2)
        await bot.adapter._teams.left(T2, time.time() - 60)
        assert [team.id for team in bot.adapter.served] == [T2]
        await answered(shared.second, "Why?")


async def test_a_key_that_opens_nothing_is_one_clear_line(client: "Redis") -> None:
    async with two_workspaces() as shared:
        async with serving(client, shared) as bot:
            await installed(bot, T2)
        other = Fernet.generate_key().decode()
        with pytest.raises(BaseExceptionGroup) as caught:
            async with serving(client, shared, token_key=other):
                pass
        error = caught.value.exceptions[0]
        assert isinstance(error, ConfigError)
        assert str(error) == (
            f"slack.token_key does not open the installation of {T2}: add the key that it was "
            "encrypted with, after a comma"
        )
        async with serving(client, shared, token_key=f"{other}, {TOKEN_KEY}"):
            await answered(shared.second, "Why?")
        async with serving(client, shared, token_key=other):
            await answered(shared.second, "With the new key alone?")


async def test_votes_given_while_the_bot_was_away_are_read_back_in_each_workspace(
    client: "Redis",
) -> None:
    async with two_workspaces() as shared:
        async with serving(client, shared) as bot:
            await installed(bot, T1, T2)
            for world in (shared.first, shared.second):
                await answered(world, "Why?")
            await until(lambda: shared.first.pending_events == 0)
        for world in (shared.first, shared.second):
            [answer] = [one for one in world.messages(channel="dm", user="alice") if one.bot]
            await world.react(
                channel="dm", message=answer.id, user="alice", emoji="👍", present=True
            )
        async with serving(client, shared):

            async def both_voted() -> bool:
                return int(await client.zcard(keys.VOTES)) == 2

            await until(both_voted, within_s=8)


def _query(bot: Bot) -> dict[str, str]:
    return {
        "client_id": "1.2",
        "scope": ",".join(scopes()),
        "redirect_uri": f"{bot.url}/slack/oauth_redirect",
    }


def test_what_tells_of_an_installation_tells_no_token() -> None:
    assert "xoxb" not in repr(Installation("T1", "One", "U1", "B1", "U2", 1.0, token="xoxb-1"))
