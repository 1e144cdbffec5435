"""What Slack still tells of what has happened there."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters.slack.calls import Calls
from adapters.slack.errors import code
from adapters.slack.translate import incoming, standing
from bot.domain import Incoming, MessageRef, Reaction
from bot.errors import MessageGone

log = structlog.get_logger()

KINDS: Final = ("public_channel", "private_channel", "mpim", "im")
"""Kinds of channels; each needs a scope of its own to be listed."""

PAGE: Final = 200
PAGES: Final = 5
"""Pages of one channel or thread that are looked at."""

THREADS_S: Final = 86_400.0
"""A thread is looked at when its first message is younger than this before what was missed."""


class SlackHistory:
    """Reading back, for the bot's user of one workspace."""

    def __init__(self, calls: Calls, who: Callable[[], tuple[str, str]]) -> None:
        """`who` tells the workspace's team id and the bot's user id."""
        self._calls = calls
        self._who = who

    async def question(self, ref: MessageRef) -> Incoming | None:
        """A message as it stands now; None when it was deleted, or is no question any more."""
        team, me = self._who()
        try:
            message = await self._message(ref)
        except MessageGone:
            return None
        return incoming({**message, "channel": ref.channel}, team=team, me=me)

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        """The reactions of people on a message. Raises MessageGone."""
        _, me = self._who()
        return standing(await self._message(ref), ref, people=lambda user: user != me)

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        """What people wrote since then in the bot's channels and in threads not too old there."""
        team, me = self._who()
        for channel in await self._channels():
            try:
                found = await self._written(channel, since)
            except MessageGone as error:
                log.info("channel not caught up", channel=channel, error=str(error))
                continue
            for message in sorted(found, key=lambda each: float(each["ts"])):
                question = incoming({**message, "channel": channel}, team=team, me=me)
                if question is not None:
                    yield question

    async def _message(self, ref: MessageRef) -> Mapping[str, Any]:
        """A message wherever it stands, also in a thread whose parent is not known."""
        answer = await self._calls.do(
            "reactions.get", channel=ref.channel, timestamp=ref.message, full=True
        )
        return answer.get("message") or {}

    async def _channels(self) -> list[str]:
        """The channels that the bot is in."""
        found: list[str] = []
        for kind in KINDS:
            try:
                listed = await self._pages("users.conversations", "channels", types=kind)
            except SlackApiError as error:
                if code(error) != "missing_scope":
                    raise
                log.info("what was missed is not seen everywhere", kind=kind, error=code(error))
                continue
            found += [str(channel["id"]) for channel in listed]
        return found

    async def _written(self, channel: str, since: float) -> list[Mapping[str, Any]]:
        """The messages of a channel and its threads since then."""
        parents = await self._pages(
            "conversations.history", "messages", channel=channel, oldest=f"{since - THREADS_S:.6f}"
        )
        found = [each for each in parents if float(each["ts"]) >= since]
        for parent in parents:
            if float(parent.get("latest_reply") or 0) >= since:
                found += [
                    each
                    for each in await self._pages(
                        "conversations.replies",
                        "messages",
                        channel=channel,
                        ts=str(parent["ts"]),
                        oldest=f"{since:.6f}",
                    )
                    if each["ts"] != parent["ts"]
                ]
        return found

    async def _pages(self, method: str, of: str, **arguments: Any) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        cursor = ""
        for _ in range(PAGES):
            answer = await self._calls.do(method, limit=PAGE, cursor=cursor or None, **arguments)
            found += answer.get(of) or ()
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return found
        log.warning("not all is looked at", method=method, pages=PAGES)
        return found
