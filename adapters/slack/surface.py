"""A place on Slack where an answer grows: by a native stream where there is one, else by edits."""

import asyncio
import html
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, Final, Literal

import structlog
from slack_sdk.errors import SlackApiError

from adapters.markdown import CodeFile
from adapters.slack.blocks import buttons_of, message_of
from adapters.slack.calls import Calls
from adapters.slack.dialect import SLACK, harmless
from adapters.slack.errors import code
from adapters.slack.status import Statuses
from adapters.slack.stream import StoppedByPerson, Stream, Streams
from adapters.slack.uploads import share, upload
from adapters.surface import Content, Known
from bot.domain import MessageRef, Person
from bot.errors import MessageGone, PlatformUnavailable

log = structlog.get_logger()

PART: Final = "candor_part"
"""The type of the metadata that our messages carry."""
THUMBS: Final = ("+1", "-1")
PAGE: Final = 200
PAGES: Final = 10


class SlackSurface:
    """A thread, or the top level of a direct message."""

    dialect = SLACK

    def __init__(
        self,
        calls: Calls,
        *,
        channel: str,
        workspace: str,
        thread: str | None,
        question: str,
        asker: str = "",
        streams: Streams | None = None,
        statuses: Statuses | None = None,
        stopped: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`thread` is the parent's ts, None for the top level; `question` is the question's ts.

        With `streams`, a thread of a direct message grows natively; `asker` is its person's id,
        and `stopped` is called when they press Slack's own Stop; without it, the place counts as
        gone then.
        """
        self._calls = calls
        self._asker = asker
        self._streams = streams if channel.startswith("D") else None
        self._statuses = statuses
        self._stopped = stopped
        self._stream: Stream | None = None
        self._label: dict[str, Any] = {}
        self._shows = asyncio.Event()
        self._channel = channel
        self._workspace = workspace
        self._thread = thread
        self._question = question

    @property
    def scope(self) -> str:
        """Slack counts edits by workspace."""
        return self._workspace

    @property
    def growth(self) -> Literal["edit", "append"]:
        """A stream is appended to, any other message edited."""
        return "edit" if self._stream is None else "append"

    async def post(self, content: Content, *, turn: str, part: int) -> MessageRef:
        """Post a part; its metadata tells the turn and the part.

        Raises PlatformUnavailable also where the part may have been posted (`find` knows), and
        MessageGone.
        """
        await self.conclude()  # the part before is whole
        if turn and self._streams is not None and self._thread is not None:
            self._stream = await self._streams.start(
                harmless(content.text),
                channel=self._channel,
                thread=self._thread,
                asker=self._asker,
                team=self._workspace,
            )
            if self._stream is not None:
                self._label = _metadata(turn, part)
                self._shows.set()
                return self._ref(self._stream.ts)
        answer = await self._calls.do(
            "chat.postMessage",
            channel=self._channel,
            thread_ts=self._thread,
            unfurl_links=False,
            unfurl_media=False,
            metadata=_metadata(turn, part),
            **message_of(content, turn),
        )
        self._shows.set()
        if not answer.get("ts"):
            raise PlatformUnavailable("Slack does not say which message it posted")
        return self._ref(str(answer["ts"]))

    async def edit(
        self, ref: MessageRef, content: Content, *, turn: str, urgent: bool = False
    ) -> None:
        """Replace what a part shows; an `urgent` edit is the last one, and goes before all others
        that wait. Raises PlatformUnavailable, MessageGone."""
        self._shows.set()
        try:
            if await self._streamed(ref, content, turn, last=urgent):
                return
        except StoppedByPerson as error:
            if self._stopped is None:
                raise MessageGone("the person stopped the answer") from error
            await self._stopped()
            return
        try:
            await self._update(ref, content, turn, urgent=urgent)
        except SlackApiError as error:
            if code(error) != "streaming_state_conflict":
                raise
            # A stream that another process began, or of whose end we did not hear.
            await self._end(ref)
            await self._update(ref, content, turn, urgent=urgent)

    async def conclude(self) -> None:
        """Nothing more comes for the last part: end its stream, if it has one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.stop((), self._label)

    async def delete(self, ref: MessageRef) -> None:
        """Delete a part; one that is not there any more is fine."""
        await self._calls.do("chat.delete", channel=ref.channel, ts=ref.message)

    async def attach(
        self,
        files: Sequence[CodeFile],
        *,
        last: MessageRef,
        begun: str,
        begin: Callable[[str], Awaitable[None]],
    ) -> None:
        """Post files after an answer, as one message; `begun` are the ids of their first try.

        Raises PlatformUnavailable, MessageGone, FilesRefused.
        """
        if begun and await self._has_files(frozenset(begun.split(","))):
            return
        ids = await upload(self._calls, files)
        await begin(",".join(ids))
        await share(self._calls, ids, files, channel=self._channel, thread=self._thread)

    async def seed(self, ref: MessageRef) -> None:
        """Put both thumbs under a part; those that are there already are fine."""
        try:
            for name in THUMBS:
                await self._calls.do(
                    "reactions.add", channel=ref.channel, timestamp=ref.message, name=name
                )
        except SlackApiError as error:  # such as an app without the scope
            raise PlatformUnavailable(f"Slack takes no reaction: {code(error)}") from error

    async def find(self, text: str, *, turn: str, part: int, known: Known) -> MessageRef | None:
        """The message of a part that was posted, though we never heard so; None if there is none.

        Looked for after the question, in its thread or channel. A stream has no metadata before
        its end: in a direct message, where all else that we write has, it is the newest of ours
        without any that is not `known`. Raises PlatformUnavailable and MessageGone where nothing
        can be known.
        """
        cursor = ""
        bare: list[str] = []
        for _ in range(PAGES):
            messages, cursor = await self._page(cursor)
            for message in messages:
                if not _is_after(message, self._question):
                    continue
                if _is_part(message, turn, part):
                    return self._ref(str(message["ts"]))
                if message.get("bot_id") and not message.get("metadata"):
                    bare.append(str(message["ts"]))
            if not cursor:
                break
        else:
            log.warning("not all messages were looked at", channel=self._channel, pages=PAGES)
        if self._streams is not None and self._thread is not None:
            for ts in sorted(bare, key=float, reverse=True):
                if not await known(self._ref(ts)):
                    return self._ref(ts)
        return None

    @property
    def is_discreet(self) -> bool:
        """An ephemeral message is one person's."""
        return True

    async def tell(self, person: Person, text: str) -> None:
        """Tell one person something, which nobody else sees. Raises PlatformUnavailable,
        MessageGone."""
        try:
            await self._calls.do(
                "chat.postEphemeral",
                channel=self._channel,
                user=person.id,
                thread_ts=self._thread if self._thread != self._question else None,
                text=html.escape(text, quote=False),
            )
        except SlackApiError as error:  # such as somebody who has left
            raise MessageGone(f"Slack tells nobody: {code(error)}") from error

    def busy(self) -> AbstractAsyncContextManager[None]:
        """Show "is thinking…", until the growing message itself shows it."""
        if self._statuses is None:
            return nullcontext()
        return self._statuses.shown(self._channel, self._thread, self._shows)

    async def _streamed(self, ref: MessageRef, content: Content, turn: str, *, last: bool) -> bool:
        """Whether a part shows its text by its stream. Raises StoppedByPerson."""
        stream = self._stream
        if stream is None or stream.ts != ref.message:
            return False
        self._stream = None
        text = harmless(content.text)
        if last:
            return await stream.finish(text, buttons_of(content.controls, turn), self._label)
        if not await stream.grow(text):
            return False
        self._stream = stream
        return True

    async def _update(self, ref: MessageRef, content: Content, turn: str, *, urgent: bool) -> None:
        await self._calls.do(
            "chat.update",
            urgent=urgent,
            channel=ref.channel,
            ts=ref.message,
            **message_of(content, turn),
        )

    async def _end(self, ref: MessageRef) -> None:
        """End a stream that is not ours to append to."""
        try:
            await self._calls.do("chat.stopStream", channel=ref.channel, ts=ref.message)
        except SlackApiError as error:
            log.info("a stream has ended before its time", error=code(error))

    async def _has_files(self, ids: frozenset[str]) -> bool:
        """Whether a message after the question carries one of these files."""
        cursor = ""
        for _ in range(PAGES):
            messages, cursor = await self._page(cursor)
            if any(
                str(file.get("id")) in ids
                for message in messages
                for file in message.get("files") or ()
            ):
                return True
            if not cursor:
                break
        return False

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


def _metadata(turn: str, part: int) -> dict[str, Any]:
    """What our messages carry, so that they can be found."""
    return {"event_type": PART, "event_payload": {"turn": turn, "part": part}}
