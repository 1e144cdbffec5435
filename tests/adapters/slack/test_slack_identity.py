"""Who the bot is on Slack: asked at the start, watched from then on."""

import asyncio

import pytest
from structlog.testing import capture_logs

from adapters.backoff import Backoff
from adapters.slack.identity import identify, watch
from bot.errors import PlatformError
from tests.adapters.sandbox.slack_bench import slack
from tests.adapters.slack.slack_line import arm, calls_of, scripted
from tests.waiting import until


def quick() -> Backoff:
    return Backoff(0.05, 0.1)


async def test_slack_says_who_the_bot_is() -> None:
    async with slack() as served:
        answer = await served.client().auth_test()
        known = await identify(calls_of(served), backoff=quick())
        assert (known.user, known.bot, known.team) == tuple(
            answer[key] for key in ("user_id", "bot_id", "team_id")
        )


@pytest.mark.parametrize("kind", ["server_error", "lose_reply", "rate_limit"])
async def test_a_slack_that_does_not_answer_at_first_is_waited_for(kind: str) -> None:
    async with slack() as served:
        arm(served, kind, on="auth.test", times=2)
        assert (await identify(calls_of(served, wait_s=0.1), backoff=quick())).user


@pytest.mark.parametrize("error", ["token_revoked", "account_inactive", "not_authed", "no_such"])
async def test_a_token_that_slack_refuses_is_fatal(error: str) -> None:
    async with scripted() as api:
        api.answer = {"ok": False, "error": error}
        with pytest.raises(PlatformError, match=rf"slack\.bot_token \({error}\)"):
            await identify(api.calls(), backoff=quick())
        assert len(api.told) == 1


async def test_a_token_that_is_taken_back_is_noticed_in_a_quiet_workspace() -> None:
    with capture_logs() as logged:
        async with slack() as served:
            watching = asyncio.create_task(watch(calls_of(served), every_s=0.05))
            fault = arm(served, "revoke_token", on="auth.test", times=None)
            await until(lambda: len(served.world.calls_to("auth.test")) >= 3)
            served.world.faults.disarm(fault)
            await until(lambda: any(one["log_level"] == "info" for one in logged))
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    told = [one["event"] for one in logged if one["log_level"] != "debug"]
    assert told == ["Slack refuses our token", "Slack takes our token again"]
