"""What Slack still tells of what has happened there."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import structlog
from slack_sdk.errors import SlackApiError

from adapters.files import Files, Hosts
from adapters.slack.calls import Calls
from adapters.slack.errors import code
from adapters.slack.talk import talk_before
from adapters.slack.translate import incoming, standing
from bot.context.material import Talk
from bot.domain import Attachment, Conversation, Incoming, MessageRef, Reaction, Turn
from bot.errors import MessageGone, PlatformUnavailable, Unreadable, WorkspaceGone
from bot.store.places import Places

log = structlog.get_logger()

KINDS: Final = ("public_channel", "private_channel", "mpim", "im")
"""Kinds of channels; each needs a scope of its own to be listed."""

PAGE: Final = 200
PAGES: Final = 5
"""Pages of one channel or thread that are looked at."""

THREADS_S: Final = 86_400.0
"""A channel tells of a thread whose first message is younger than this before what was missed."""
KNOWN_S: Final = 7 * 86_400.0
OLDER: Final = 50
"""Threads with an older first message that are looked at all the same: each costs a call. They are
those that asked us something within `KNOWN_S`, the latest first."""

AHEAD_S: Final = 60.0
"""How far Slack's clock may be ahead of ours."""

Message = Mapping[str, Any]


class SlackHistory:
    """Reading back, for the bot's user of one workspace."""

    def __init__(
        self,
        calls: Calls,
        who: Callable[[], tuple[str, str]],
        places: Places,
        *,
        is_alone: bool = True,
        bots: Collection[str] = (),
    ) -> None:
        """`who` tells the workspace's team id and the bot's user id; `is_alone`: all of Slack's
        conversations that are known are this workspace's. What `bots` write is read, too."""
        self._bots = bots
        self._calls = calls
        self._who = who
        self._places = places
        self._is_alone = is_alone

    async def question(self, ref: MessageRef) -> Incoming | None:
        """A message as it stands now; None when it was deleted, or is no question any more."""
        team, me = self._who()
        try:
            message = await self._message(ref)
        except WorkspaceGone:
            raise
        except MessageGone:
            return None
        except SlackApiError as error:
            raise PlatformUnavailable(f"Slack does not show a message: {code(error)}") from error
        return incoming({**message, "channel": ref.channel}, team=team, me=me, bots=self._bots)

    async def talk(self, first: Turn, most: int) -> Talk:
        """What was said in a thread before its first question. Raises MessageGone, too."""
        _, me = self._who()
        return await talk_before(self._calls, first, most, me=me)

    async def fetch(self, question: MessageRef, file: Attachment, most: int) -> bytes:
        """A file's content; the bot's token is shown to Slack's own hosts. Raises Unreadable."""
        client = self._calls.client
        own = Hosts(client.base_url)
        hosts = Hosts(client.base_url, "slack-files.com", "slack-edge.com")
        if not file.url:
            raise Unreadable("denied")  # it lies elsewhere, or is shown by a further call only
        return await Files(hosts, trusted=own, token=client.token).fetch(file, most)

    async def reactions(self, ref: MessageRef) -> Sequence[Reaction]:
        """The reactions of people on a message. Raises MessageGone, also where it is not shown."""
        _, me = self._who()
        try:
            message = await self._message(ref)
        except SlackApiError as error:  # such as a missing scope
            raise MessageGone(f"Slack does not show reactions: {code(error)}") from error
        return standing(message, ref, people=lambda user: user != me)

    async def beside(
        self, ref: MessageRef, conversation: Conversation
    ) -> Sequence[tuple[MessageRef, Sequence[Reaction]]]:
        """The bot's messages of a thread, or those before one at the top level, up to `PAGE`."""
        _, me = self._who()
        where: dict[str, Any] = {"channel": ref.channel, "latest": ref.message, "inclusive": True}
        method = "conversations.history"
        if conversation.root:
            method, where["ts"] = "conversations.replies", conversation.root
        try:
            answer = await self._calls.do(method, limit=PAGE, **where)
        except SlackApiError as error:
            raise MessageGone(f"Slack does not show messages: {code(error)}") from error
        ours = {
            replace(ref, message=str(each.get("ts"))): each
            for each in answer.get("messages") or ()
            if isinstance(each, Mapping) and each.get("user") == me
        }
        return [
            (one, standing(each, one, people=lambda user: user != me)) for one, each in ours.items()
        ]

    async def missed(self, since: float) -> AsyncIterator[Incoming]:
        """What people wrote since then in the bot's channels, and in threads there.

        Raises StoreUnavailable, too.
        """
        channels = await self._channels()
        for channel in channels:
            for question in await self._of(channel, self._written(channel, since)):
                yield question
        for channel, root in await self._older_threads(since - THREADS_S):
            if not self._is_alone and channel not in channels:
                continue  # most likely another workspace's
            for question in await self._of(channel, self._replies(channel, root, since)):
                yield question

    async def _of(
        self, channel: str, reading: Coroutine[Any, Any, list[Message]]
    ) -> list[Incoming]:
        """The questions among messages, oldest first; none where they cannot be read."""
        team, me = self._who()
        try:
            found = await reading
        except WorkspaceGone:
            raise
        except MessageGone as error:
            log.info("channel not caught up", channel=channel, error=str(error))
            return []
        except SlackApiError as error:
            log.warning("channel not caught up", channel=channel, error=code(error))
            return []
        found.sort(key=lambda each: _seconds(each, "ts"))
        questions = [
            incoming({**each, "channel": channel}, team=team, me=me, bots=self._bots)
            for each in found
        ]
        return [question for question in questions if question is not None]

    async def _message(self, ref: MessageRef) -> Message:
        """A message wherever it stands, also in a thread whose parent is not known."""
        answer = await self._calls.do(
            "reactions.get", channel=ref.channel, timestamp=ref.message, full=True
        )
        message: Message = answer.get("message") or {}
        return await self._told(ref, message) if message.get("user") == self._who()[1] else message

    async def _told(self, ref: MessageRef, message: Message) -> Message:
        """A message of ours with its metadata, which `reactions.get` does not tell."""
        answer = await self._calls.do(
            "conversations.replies",
            channel=ref.channel,
            ts=str(message.get("thread_ts") or ref.message),
            oldest=ref.message,
            latest=ref.message,
            inclusive=True,
            limit=2,
            include_all_metadata=True,
        )
        found = [each for each in answer.get("messages") or () if each.get("ts") == ref.message]
        return found[0] if found else message

    async def _channels(self) -> list[str]:
        """The channels that the bot is in."""
        found: list[str] = []
        for kind in KINDS:
            try:
                listed = await self._pages("users.conversations", "channels", types=kind)
            except SlackApiError as error:
                log.warning("what was missed is not seen everywhere", kind=kind, error=code(error))
                continue
            found += [str(channel["id"]) for channel in listed if channel.get("id")]
        return found

    async def _older_threads(self, before: float) -> list[tuple[str, str]]:
        """Channel and first message of the threads that no channel tells of any more."""
        since = time.time() - KNOWN_S
        known = await self._places.conversations("slack", since, OLDER)
        return [(one.channel, one.root) for one in known if one.root and float(one.root) < before]

    async def _written(self, channel: str, since: float) -> list[Message]:
        """The messages of a channel and its threads since then."""
        parents = await self._pages(
            "conversations.history",
            "messages",
            channel=channel,
            include_all_metadata=True,  # our echoes of questions are known by it
            oldest=f"{since - THREADS_S:.6f}",
            # With it the newest come first, which are what was missed.
            latest=f"{time.time() + AHEAD_S:.6f}",
        )
        found = [each for each in parents if _seconds(each, "ts") >= since]
        for parent in parents:
            if _seconds(parent, "latest_reply") >= since:
                found += await self._replies(channel, str(parent.get("ts")), since)
        return found

    async def _replies(self, channel: str, root: str, since: float) -> list[Message]:
        """The messages of a thread since then."""
        found = await self._pages(
            "conversations.replies",
            "messages",
            channel=channel,
            ts=root,
            oldest=f"{since:.6f}",
            include_all_metadata=True,
        )
        # The first message is always among them.
        return [each for each in found if each.get("ts") != root and _seconds(each, "ts") >= since]

    async def _pages(self, method: str, of: str, **arguments: Any) -> list[Message]:
        found: list[Message] = []
        cursor = ""
        for _ in range(PAGES):
            answer = await self._calls.do(method, limit=PAGE, cursor=cursor or None, **arguments)
            found += [each for each in answer.get(of) or () if isinstance(each, Mapping)]
            cursor = str((answer.get("response_metadata") or {}).get("next_cursor") or "")
            if not cursor:
                return found
        log.warning("not all is looked at", method=method, pages=PAGES)
        return found


def _seconds(message: Message, name: str) -> float:
    """A time of a message; 0 where it has none that can be read."""
    try:
        return float(message.get(name) or 0)
    except (TypeError, ValueError):
        return 0.0
