"""A place on Slack where an answer grows."""

import re
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from slack_sdk.models.blocks import MarkdownBlock
from slack_sdk.web.async_client import AsyncWebClient

from adapters.markdown import utf8_size
from adapters.slack.errors import converted
from bot.domain import Incoming, MessageRef

LIMIT = 8_000
"""UTF-8 bytes of a part: under the 12,000 characters of markdown blocks and every cap reported,
even with one more character for every `<!`."""
FALLBACK = 3_000
"""Characters of the plain text beside the block; chat.update refuses more than 4,000."""

_CONTROL = re.compile(r"<(?=[!@#])")


class SlackSurface:
    """The thread of a question, or the top level of a direct message."""

    limit = LIMIT

    def __init__(self, client: AsyncWebClient, question: Incoming) -> None:
        self._client = client
        self._ref = question.ref
        self._thread = question.thread

    @property
    def scope(self) -> str:
        """Slack counts edits by workspace."""
        return self._ref.workspace

    def measure(self, text: str) -> int:
        """Bytes in UTF-8."""
        return utf8_size(text)

    async def post(self, text: str, *, turn: str, part: int) -> MessageRef:
        """Post a part; its metadata tells the turn and the part."""
        async with converted():
            response = await self._client.chat_postMessage(
                channel=self._ref.channel,
                thread_ts=self._thread,
                unfurl_links=False,
                unfurl_media=False,
                metadata={
                    "event_type": "candor_part",
                    "event_payload": {"turn": turn, "part": part},
                },
                **_content(text),
            )
        return MessageRef("slack", self._ref.workspace, self._ref.channel, str(response["ts"]))

    async def edit(self, ref: MessageRef, text: str) -> None:
        """Replace a part's text."""
        async with converted():
            await self._client.chat_update(channel=ref.channel, ts=ref.message, **_content(text))

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Nothing: the growing message itself shows it."""
        return nullcontext()


def _content(text: str) -> dict[str, Any]:
    """The text as a markdown block, with its beginning as plain text for notifications."""
    safe = _CONTROL.sub("<\u2060", text)  # what a model writes pings nobody
    return {"text": safe[:FALLBACK], "blocks": [MarkdownBlock(text=safe).to_dict()]}
