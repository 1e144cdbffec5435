"""Slack's native streams: a message in a direct message that grows by what is appended to it.

Owns when a stream may begin, what was sent of it, and its end. A stream only appends, lives for a
few minutes and has limits of its own, so it is given up readily: the message is then edited like
any other. What a growing text may still take back, such as the end of a code fence, is not sent
before more comes.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.calls import Calls
from adapters.slack.errors import code
from bot.errors import PlatformUnavailable

log = structlog.get_logger()

MOST_LIVE: Final = 4
"""Streams of a workspace at once: each needs a stop, of which there are as few as of starts."""
LIFE_S: Final = 230.0
"""Slack ends a stream about five minutes after its start (python-slack-sdk issues 1859, 1880)."""
START_S: Final = 1.0
"""Seconds that a start may wait for its turn: a post is there at once."""
REFUSED_S: Final = 3600.0
"""So long no stream is tried after Slack refused one: for a scope, a plan or a feature."""

ENDED: Final = frozenset({"message_not_in_streaming_state", "stopped_by_user"})
"""Errors after which there is nothing left to stop."""

_TAIL: Final = re.compile(r"\s*(?:\n {0,3}(?:`{3,}|~{3,})[ \t]*)?\s*\Z")
"""What the end of a growing text may lose again: white space, and a fence that closes code."""


class StoppedByPerson(Exception):
    """The person pressed Slack's own Stop."""


class Streams:
    """The streams of one workspace."""

    def __init__(self, calls: Calls) -> None:
        self.calls = calls
        self.num_live = 0
        self._refused_until = float("-inf")

    async def start(
        self, text: str, *, channel: str, thread: str, asker: str, team: str
    ) -> "Stream | None":
        """Begin a message; None where there is no stream to be had now, so post it.

        Raises PlatformUnavailable where it may have begun all the same, and MessageGone.
        """
        loop = asyncio.get_running_loop()
        sent = steady(text)
        if (
            not sent
            or self.num_live >= MOST_LIVE
            or loop.time() < self._refused_until
            or not self.calls.is_free("chat.startStream")
        ):
            return None
        self.num_live += 1
        stream: Stream | None = None
        try:
            answer = await self.calls.do(
                "chat.startStream",
                wait_s=START_S,
                channel=channel,
                thread_ts=thread,
                recipient_user_id=asker,
                recipient_team_id=team,
                markdown_text=sent,
            )
            stream = Stream(self, channel, _ts_of(answer), sent, text)
        except SlackApiError as error:
            self._refused_until = loop.time() + REFUSED_S
            log.warning("Slack refuses to stream", error=code(error), again_in_s=REFUSED_S)
        except PlatformUnavailable as error:
            if error.retry_after_s is None:
                raise
            log.info("no stream now", error=str(error))
        finally:
            if stream is None:
                self.num_live -= 1
        return stream


class Stream:
    """One message that is streamed, until it is not any more."""

    def __init__(self, streams: Streams, channel: str, ts: str, sent: str, whole: str) -> None:
        self.ts = ts
        self._streams = streams
        self._calls = streams.calls
        self._channel = channel
        self._sent = sent
        self._whole = whole
        self._is_live = True
        self._ends_at = asyncio.get_running_loop().time() + LIFE_S

    async def grow(self, text: str) -> bool:
        """Show a text that goes on; False when that is no more possible by streaming.

        Raises StoppedByPerson, PlatformUnavailable, MessageGone.
        """
        wanted = steady(text)
        if not await self._goes_on(wanted):
            return False
        more = wanted[len(self._sent) :]
        if more:
            try:
                await self._call("chat.appendStream", markdown_text=more)
            except SlackApiError as error:
                if code(error) not in ENDED:
                    await self.stop()
                return False
            self._sent = wanted
        self._whole = text
        return True

    async def finish(
        self, text: str, blocks: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]
    ) -> bool:
        """Show the last text and end the stream; False when the message has to be edited.

        Raises StoppedByPerson, PlatformUnavailable, MessageGone.
        """
        if not await self._goes_on(text):
            return False
        self._whole = text
        if not self._calls.is_free("chat.stopStream") and not await self.grow(text):
            return False  # the text comes first, the end when there is a call for it
        return await self.stop(blocks, metadata)

    async def stop(
        self,
        blocks: Sequence[Mapping[str, Any]] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> bool:
        """End the stream with all that was asked for; False when that cannot be told."""
        if not self._is_live:
            return False
        try:
            await self._call(
                "chat.stopStream",
                markdown_text=self._whole[len(self._sent) :] or None,
                blocks=blocks or None,
                metadata=metadata,
            )
        except SlackApiError as error:
            log.info("a stream has ended before its time", error=code(error))
            return False
        finally:
            self.leave()
        return True

    def leave(self) -> None:
        """Count it no more: it has ended, or what became of it is not known."""
        self._streams.num_live -= self._is_live
        self._is_live = False

    async def _goes_on(self, wanted: str) -> bool:
        """Whether the text only goes on, in time; else the stream is ended."""
        is_young = asyncio.get_running_loop().time() < self._ends_at
        if self._is_live and is_young and wanted.startswith(self._sent):
            return True
        self._whole = self._sent
        await self.stop()
        return False

    async def _call(self, method: str, **arguments: Any) -> None:
        try:
            await self._calls.do(
                method, urgent=True, channel=self._channel, ts=self.ts, **arguments
            )
        except SlackApiError as error:
            self.leave()
            if code(error) == "stopped_by_user":
                raise StoppedByPerson from error
            raise
        except PlatformUnavailable as error:
            if error.retry_after_s is None:  # it may be there or not: nothing can be appended
                self.leave()
            raise


def _ts_of(answer: Mapping[str, Any]) -> str:
    if not answer.get("ts"):
        raise PlatformUnavailable("Slack does not say which message it began")
    return str(answer["ts"])


def steady(text: str) -> str:
    """The text without what its end may lose again while it grows."""
    return _TAIL.sub("", text)
