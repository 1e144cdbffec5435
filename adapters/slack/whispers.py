"""What one person alone is told: by `chat.postEphemeral`, or by the URL of what they did.

The URL reaches them also where the bot is not; in a thread the method comes first, since only it is
documented to stand there.
"""

from typing import Any, Final

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.interaction import Said
from adapters.markdown import render
from adapters.slack.blocks import private_of
from adapters.slack.calls import Calls
from adapters.slack.dialect import SLACK
from adapters.slack.forms import Where
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

MOST: Final = 4
"""Messages of one answer: a URL takes five."""
URL_S: Final = 10


class Whispers:
    """Private lines in one workspace."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    async def tell(self, where: Where, said: Said) -> bool:
        """Tell it where the person is; whether that went well. What fails is logged."""
        parts = render(said.text, SLACK).parts[:MOST]
        for number, part in enumerate(parts, 1):
            form = said.form if number == len(parts) else None
            arguments = private_of(part, form)
            ways = [self._by_method, self._by_url]
            if where.url and not where.thread:
                ways.reverse()
            told = False
            for way in ways:
                told = told or await way(where, arguments)
            if not told:
                log.error("person not told", channel=where.channel, user=where.user)
                return False
        return True

    async def _by_method(self, where: Where, arguments: dict[str, Any]) -> bool:
        try:
            await self._calls.do(
                "chat.postEphemeral",
                channel=where.channel,
                user=where.user,
                thread_ts=where.thread or None,
                **arguments,
            )
        except (SlackApiError, PlatformUnavailable, MessageGone) as error:
            log.info("not told by chat.postEphemeral", channel=where.channel, error=str(error))
            return False
        return True

    async def _by_url(self, where: Where, arguments: dict[str, Any]) -> bool:
        if not where.url.startswith(("https://", "http://")):
            return False
        client = AsyncWebhookClient(
            where.url, timeout=URL_S, proxy=self._calls.client.proxy, retry_handlers=[]
        )
        try:
            answer = await client.send_dict(
                {
                    **arguments,
                    "response_type": "ephemeral",
                    "replace_original": False,
                    "unfurl_links": False,
                    "unfurl_media": False,
                }
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            # Without the URL, which is a secret.
            log.info("not told by a response URL", error=type(error).__name__)
            return False
        return answer.status_code == 200
