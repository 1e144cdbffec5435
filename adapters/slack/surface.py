"""A place on Slack where an answer grows."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final

import structlog
from slack_sdk.models.blocks import MarkdownBlock

from adapters.markdown import utf8_size
from adapters.slack.calls import Calls
from adapters.surface import Content, Known
from bot.domain import MessageRef
from bot.errors import PlatformUnavailable

log = structlog.get_logger()

LIMIT = 8_000
"""UTF-8 bytes of a part: under the 12,000 characters of markdown blocks and every cap reported,
even with one more character for every `<!`."""
FALLBACK = 3_000
"""Characters of the plain text beside the block; chat.update refuses more than 4,000."""
PART: Final = "candor_part"
"""The type of the metadata that our messages carry."""
PAGE: Final = 200
PAGES: Final = 10

_CONTROL = re.compile(r"<(?=[!@#])")


class SlackSurface:
    """A thread, or the top level of a direct message."""

    limit = LIMIT

    def __init__(
        self, calls: Calls, *, channel: str, workspace: str, thread: str | None, question: str
    ) -> None:
        """`thread` is the parent's ts, None for the top level; `question` is the question's ts."""
        self._calls = calls
        self._channel = channel
        self._workspace = workspace
        self._thread = thread
        self._question = question

    @property
    def scope(self) -> str:
        """Slack counts edits by workspace."""
        return self._workspace

    def measure(self, text: str) -> int:
        """Bytes in UTF-8."""
        return utf8_size(text)

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        """Post a part; its metadata tells the turn and the part.

        Raises PlatformUnavailable also where the part may have been posted (`find` knows), and
        MessageGone.
        """
        answer = await self._calls.do(
            "chat.postMessage",
            channel=self._channel,
            thread_ts=self._thread,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": PART, "event_payload": {"turn": turn, "part": part}},
            **_content(content.text),
        )
        if not answer.get("ts"):
            raise PlatformUnavailable("Slack does not say which message it posted")
        return self._ref(str(answer["ts"]))

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        """Replace what a part shows; an `urgent` edit goes before all others that wait."""
        await self._calls.do(
            "chat.update",
            urgent=urgent,
            channel=ref.channel,
            ts=ref.message,
            **_content(content.text),
        )

    async def delete(self, ref: MessageRef) -> None:
        """Delete a part; one that is not there any more is fine."""
        await self._calls.do("chat.delete", channel=ref.channel, ts=ref.message)

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        """The message of a part that was posted, though we never heard so; None if there is none.

        Looked for after the question, in its thread or channel. Raises PlatformUnavailable and
        MessageGone where nothing can be known.
        """
        cursor = ""
        for _ in range(PAGES):
            messages, cursor = await self._page(cursor)
            for message in messages:
                if _is_part(message, turn, part) and _is_after(message, self._question):
                    return self._ref(str(message["ts"]))
            if not cursor:
                return None
        log.warning("not all messages were looked at", channel=self._channel, pages=PAGES)
        return None

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Nothing: the growing message itself shows it."""
        return nullcontext()

    async def _page(self, cursor: str) -> tuple[Sequence[Mapping[str, Any]], str]:
        """Messages after the question, and the next cursor: of a thread from the oldest, else from
        the newest. A thread's parent is among them, whatever its age."""
        where: dict[str, Any] = {"channel": self._channel, "oldest": self._question}
        method = "conversations.history"
        if self._thread is not None:
            method, where["ts"] = "conversations.replies", self._thread
        answer = await self._calls.do(
            method, include_all_metadata=True, limit=PAGE, cursor=cursor or None, **where
        )
        following = (answer.get("response_metadata") or {}).get("next_cursor")
        return answer.get("messages") or (), str(following or "")

    def _ref(self, ts: str) -> MessageRef:
        return MessageRef("slack", self._workspace, self._channel, ts)


def _is_part(message: Mapping[str, Any], turn: str, part: int) -> bool:
    """Whether a message is that part of that turn, by its metadata."""
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return bool(
        metadata.get("event_type") == PART
        and payload.get("turn") == turn
        and payload.get("part") == part
    )


def _is_after(message: Mapping[str, Any], ts: str) -> bool:
    """Whether a message came after a ts; both are seconds and six digits."""
    return float(message.get("ts") or 0) > float(ts)


def _content(text: str) -> dict[str, Any]:
    """The text as a markdown block, with its beginning as plain text for notifications."""
    safe = _CONTROL.sub("<\u2060", text)  # what a model writes pings nobody
    return {"text": safe[:FALLBACK], "blocks": [MarkdownBlock(text=safe).to_dict()]}
