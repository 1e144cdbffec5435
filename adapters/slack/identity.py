"""Who the bot is on Slack: asked once at the start, and watched from then on."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_sdk.errors import SlackApiError

from adapters.backoff import Backoff
from adapters.slack.calls import Calls
from adapters.slack.errors import TokenRefused, code
from bot.errors import MessageGone, PlatformError, PlatformUnavailable

log = structlog.get_logger()

WATCH_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Identity:
    """The bot's user, its id as a bot, and its workspace."""

    user: str
    bot: str
    team: str


async def identify(calls: Calls, *, backoff: Backoff) -> Identity:
    """Ask Slack who we are, for as long as it does not answer.

    Raises PlatformError when Slack refuses the token.
    """
    while True:
        try:
            answer = await calls.do("auth.test")
        except TokenRefused as error:
            raise _refused(error.code) from error
        except SlackApiError as error:
            raise _refused(code(error)) from error
        except PlatformUnavailable as error:
            pause_s = backoff.failed(at_least_s=error.retry_after_s)
            log.warning("Slack does not answer", error=str(error), again_in_s=round(pause_s, 1))
            await asyncio.sleep(pause_s)
        else:
            log.info("known to Slack", user=answer.get("user"), team=answer.get("team"))
            return Identity(
                user=str(answer["user_id"]),
                bot=str(answer.get("bot_id") or ""),
                team=str(answer["team_id"]),
            )


def _refused(name: str) -> PlatformError:
    return PlatformError(
        f"Slack refuses slack.bot_token ({name}): copy it from the app's OAuth & Permissions page"
    )


async def watch(calls: Calls, *, every_s: float = WATCH_S) -> None:
    """Try the token now and then: without a call nobody would hear that it was taken back.

    `Calls` logs what changes.
    """
    while True:
        await asyncio.sleep(every_s)
        try:
            await calls.do("auth.test")
        except (PlatformUnavailable, SlackApiError, MessageGone) as error:
            log.debug("Slack does not say who we are", error=str(error))


class Bearer(Protocol):
    """A workspace that is served."""

    @property
    def identity(self) -> Identity:
        """Who the bot is there."""

    @property
    def token(self) -> str:
        """The bot's token there."""


class Known(AsyncAuthorize):
    """What bolt asks of each event: whose it is. Answered from what we know.

    Bolt's own asks `auth.test` at the first events, and acknowledges them, unread, when that fails.
    """

    def __init__(self, find: Callable[[str], Awaitable[Bearer | None]]) -> None:
        """`find` finds a workspace by its id; what it raises leaves an event unacknowledged."""
        self._find = find

    async def __call__(self, *, team_id: str | None, **_: Any) -> AuthorizeResult:
        """The bot's authorization; without a token for a workspace that is not served."""
        found = await self._find(team_id or "")
        if found is None:
            return AuthorizeResult(enterprise_id=None, team_id=team_id)
        return AuthorizeResult(
            enterprise_id=None,
            team_id=found.identity.team,
            bot_user_id=found.identity.user,
            bot_id=found.identity.bot or None,
            bot_token=found.token,
        )
