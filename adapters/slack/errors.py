"""slack_sdk's errors turned into ours, in one place."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError, SlackRequestError

from bot.errors import MessageGone, PlatformUnavailable

CALL_S: Final = 60.0
"""Seconds that a call may take."""

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

LATER: Final = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"}
)


def code(error: SlackApiError) -> str:
    """Slack's name of an error."""
    return str(error.response.get("error") or "") if error.response is not None else ""


@asynccontextmanager
async def converted() -> AsyncIterator[None]:
    """Bound a call in time; raises PlatformUnavailable and MessageGone for what went wrong."""
    try:
        async with asyncio.timeout(CALL_S):
            yield
    except TimeoutError as error:
        raise PlatformUnavailable("Slack takes too long") from error
    except SlackApiError as error:
        name = code(error)
        status = getattr(error.response, "status_code", 200)
        if name in GONE:
            raise MessageGone(f"Slack: {name}") from error
        if name in LATER or status == 429 or status >= 500:
            wait = (getattr(error.response, "headers", None) or {}).get("Retry-After")
            raise PlatformUnavailable(
                f"Slack answers {name or status}", float(wait) if wait else None
            ) from error
        raise
    except (SlackRequestError, SlackClientError, aiohttp.ClientError, OSError) as error:
        raise PlatformUnavailable(f"Slack cannot be reached: {error}") from error
