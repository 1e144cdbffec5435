"""slack_sdk's errors turned into ours, in one place.

PlatformUnavailable
├── RateLimited   refused before the work, so any call may be repeated after `retry_after_s`
├── NotSent       Slack was not reached, so any call may be repeated
├── TokenRefused  Slack does not take the token (any more): repeating is no use
└── (itself)      whether the work was done is not known
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError, SlackRequestError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import MessageGone, PlatformUnavailable

CALL_S: Final = 60.0
"""Seconds that a call may take."""
PAUSE_S: Final = 5.0
"""Seconds to wait where Slack limits a call and does not say for how long."""

GONE: Final = frozenset(
    {
        "message_not_found",
        "cant_update_message",
        "edit_window_closed",
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "thread_not_found",
        "restricted_action",
    }
)
"""Errors after which repeating is no use."""

LIMITED: Final = frozenset({"ratelimited", "rate_limited"})
LATER: Final = frozenset(
    {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
)
REVOKED: Final = frozenset({"token_revoked", "token_expired", "account_inactive", "invalid_auth"})


class RateLimited(PlatformUnavailable):
    """Slack refuses a call for `retry_after_s` seconds, before any work."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message, retry_after_s)
        self.pause_s = retry_after_s


class NotSent(PlatformUnavailable):
    """No connection to Slack was made, so nothing was sent."""


class TokenRefused(PlatformUnavailable):
    """Slack refuses the token; `code` is its name for why."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Slack refuses our token: {code}")
        self.code = code


def code(error: SlackApiError) -> str:
    """Slack's name of an error, or "" for an answer that is not Slack's JSON."""
    response = error.response
    if isinstance(response, AsyncSlackResponse) and isinstance(response.data, dict):
        return str(response.data.get("error") or "")
    return ""


@asynccontextmanager
async def converted() -> AsyncIterator[None]:
    """Bound a call in time; raises PlatformUnavailable and MessageGone for what went wrong.

    A SlackApiError that is neither (our mistake, such as invalid_blocks) goes through.
    """
    try:
        async with asyncio.timeout(CALL_S):
            yield
    except TimeoutError as error:
        raise PlatformUnavailable("Slack takes too long") from error
    except SlackApiError as error:
        raised = _of_answer(error)
        if raised is error:
            raise
        raise raised from error
    except aiohttp.ClientConnectorError as error:
        raise NotSent(f"Slack cannot be reached: {error}") from error
    except (SlackRequestError, SlackClientError, aiohttp.ClientError, OSError) as error:
        raise PlatformUnavailable(f"Slack cannot be reached: {error}") from error
    except (AttributeError, UnicodeDecodeError) as error:
        # What the SDK makes of a body that is JSON but no object, or not text at all.
        raise PlatformUnavailable("Slack's answer cannot be read") from error


def _of_answer(error: SlackApiError) -> Exception:
    """Our error for Slack's answer, or the same error."""
    name = code(error)
    # A body that was no JSON comes with aiohttp's answer in place of the SDK's.
    status = int(getattr(error.response, "status_code", getattr(error.response, "status", 200)))
    if name in REVOKED:
        return TokenRefused(name)
    if name in LIMITED or status == 429:
        return RateLimited("Slack limits our calls", _retry_after_s(error))
    if name in GONE:
        return MessageGone(f"Slack: {name}")
    if name in LATER or status >= 500 or not name:
        return PlatformUnavailable(f"Slack answers {name or status}")
    return error


def _retry_after_s(error: SlackApiError) -> float:
    headers = getattr(error.response, "headers", None) or {}
    wait = str(headers.get("Retry-After", ""))
    return float(wait) if wait.isdecimal() else PAUSE_S
