"""The state of the loopback workspace and every transition of it. No HTTP, no sockets, no clock
of its own.

Each transition keeps Slack's rules (timestamps, threads, reactions) and reports what the app would
hear through `emit(event, subscription)`, that something visible changed through `changed()`, and
each state of a message through `shown(message)`.
Arguments are trusted: the Web API and the person side check them first.
"""

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from adapters.sandbox.slack import payload
from adapters.sandbox.slack.directory import (
    AWAY_IDS,
    BOT_USER_ID,
    IM_IDS,
    USER_IDS,
    Channel,
    channels,
)
from adapters.sandbox.slack.messages import Json, Message, Session, Status, Thread
from adapters.sandbox.slack.text import compose, mentions_bot

Emit = Callable[[Json, str], None]

KEPT_EPHEMERALS = 100
"""Of a channel; on Slack they are gone with the next start of a client."""


@dataclass(slots=True)
class Room:
    """One channel's messages, oldest first, and whether the bot is a member."""

    channel: Channel
    bot_is_member: bool = True
    last_ts_us: int = 0
    messages: dict[str, Message] = field(default_factory=dict)
    ephemerals: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT_EPHEMERALS))
    replies: dict[str, list[str]] = field(default_factory=dict)


class Workspace:
    """One team's channels and messages.

    `people` is user id -> handle of those who are there, `users` the ids of them and the bot.
    """

    def __init__(
        self,
        *,
        people: Sequence[str],
        clock: Callable[[], float],
        emit: Emit,
        changed: Callable[[], None],
        shown: Callable[[Message], None] = lambda _: None,
    ) -> None:
        self.people = {USER_IDS[handle]: handle for handle in people}
        self.users = {*self.people, BOT_USER_ID}
        self.clock = clock
        self._emit = emit
        self._changed = changed
        self._shown = shown
        away = set(AWAY_IDS.values())
        self._rooms = {
            id_: Room(channel, bot_is_member=id_ not in away)
            for id_, channel in channels(people).items()
        }
        self._statuses: dict[tuple[str, str], Status] = {}
        self._sessions: dict[tuple[str, str], Session] = {}
        self.titles: dict[tuple[str, str], str] = {}
        self.prompts: dict[str, tuple[Json, ...]] = {}
        self.homes: dict[str, Json] = {}

    # Reading

    def room(self, channel_id: str) -> Room | None:
        """The room of a channel, None when there is none."""
        return self._rooms.get(channel_id)

    @property
    def rooms(self) -> Sequence[Room]:
        """All rooms, the public ones first."""
        return tuple(self._rooms.values())

    def thread(self, value: Message) -> Thread:
        """The replies under a message."""
        room = self._rooms[value.channel]
        return Thread(tuple(room.messages[ts] for ts in room.replies.get(value.ts, ())))

    def as_json(self, value: Message) -> Json:
        """The message object."""
        return payload.message(value, self.thread(value))

    def status(self, channel_id: str) -> str | None:
        """The newest status that is still shown in a channel, in any thread of it."""
        now = self.clock()
        shown = [
            status
            for (channel, _), status in self._statuses.items()
            if channel == channel_id and status.expires_at > now
        ]
        if shown:
            return shown[-1].text
        return "is working…" if self.processing(channel_id) else None

    def next_expiry(self) -> float | None:
        """When the next status ends by itself, on this workspace's clock; None if none will."""
        now = self.clock()
        times = [one.expires_at for one in self._statuses.values() if one.expires_at > now]
        return min(times, default=None)

    # Messages

    def next_ts(self, channel_id: str) -> str:
        """A timestamp that no message or event of the channel has, later than all of them."""
        room = self._rooms[channel_id]
        room.last_ts_us = max(int(self.clock() * 1_000_000), room.last_ts_us + 1)
        seconds, microseconds = divmod(room.last_ts_us, 1_000_000)
        return f"{seconds}.{microseconds:06d}"

    def post_as_person(
        self,
        channel_id: str,
        user: str,
        typed: str,
        thread_ts: str | None,
        *,
        files: tuple[Json, ...] = (),
        attachments: tuple[Json, ...] = (),
    ) -> Message:
        """Post what a person typed; the app hears of it, twice when it is mentioned."""
        text, elements = compose(typed, self.users)
        message = Message(
            channel=channel_id,
            ts=self.next_ts(channel_id),
            user=user,
            text=text,
            subtype="file_share" if files else None,
            thread_ts=thread_ts,
            blocks=(payload.rich_text(elements, uuid.uuid4().hex[:5]),) if typed else (),
            files=files,
            attachments=attachments,
            client_msg_id=str(uuid.uuid4()),
        )
        self.add(message)
        return message

    def edit_as_person(self, message: Message, typed: str) -> None:
        """Edit what a person said; the app is told of a mention in it once more."""
        text, elements = compose(typed, self.users)
        if text == message.text:
            return
        edited = replace(
            message,
            text=text,
            blocks=(payload.rich_text(elements, uuid.uuid4().hex[:5]),),
            edited_ts=f"{int(self.clock())}.000000",
        )
        self.replace_message(edited)
        room = self._rooms[message.channel]
        if self._tells_of_mention(room, edited):
            # As reported from the field (slack-go 1256): the message's own ts, with `edited`.
            parent = room.messages.get(edited.thread_ts or "")
            event = payload.mention_event(edited, self.thread(edited), room.channel, parent)
            self._emit(event | {"event_ts": self.next_ts(edited.channel)}, "app_mention")

    def add(self, message: Message) -> None:
        """Put a new message in its channel. A reply of the bot ends the thread's status."""
        room = self._rooms[message.channel]
        parent = None
        if message.thread_ts is not None:
            parent = room.messages[message.thread_ts]
            room.replies.setdefault(parent.ts, []).append(message.ts)
            if message.by_bot:
                self._statuses.pop((message.channel, parent.ts), None)
        room.messages[message.ts] = message
        self._shown(message)
        if self._tells_of_mention(room, message):
            event = payload.mention_event(message, Thread(()), room.channel, parent)
            self._emit(event, "app_mention")
        event = payload.message_event(message, self.thread(message), room.channel, parent)
        if message.metadata is not None:
            event["metadata"] = message.metadata
        self._emit_message(room, event)
        self._changed()

    def add_ephemeral(self, message: Message) -> None:
        """Show a message to its reader alone; nobody else and no event tells of it."""
        self._rooms[message.channel].ephemerals.append(message)
        self._changed()

    def change_ephemeral(self, old: Message, new: Message | None) -> None:
        """Show its reader another message in its place, or none."""
        kept = self._rooms[old.channel].ephemerals
        if old in kept:
            place = kept.index(old)
            if new is None:
                del kept[place]
            else:
                kept[place] = new
            self._changed()

    def replace_message(self, new: Message, *, announce: bool = True) -> None:
        """Put `new` in the place of the message with its ts."""
        room = self._rooms[new.channel]
        old = self.as_json(room.messages[new.ts])
        room.messages[new.ts] = new
        self._shown(new)
        if announce:
            ts = self.next_ts(new.channel)
            self._emit_message(
                room, payload.changed_event(old, self.as_json(new), room.channel, ts)
            )
        self._changed()

    def delete(self, message: Message) -> None:
        """Take a message away. A parent with replies leaves a tombstone, as on Slack."""
        if self.thread(message).replies:
            tombstone = Message(
                channel=message.channel,
                ts=message.ts,
                user="USLACKBOT",
                text="This message was deleted.",
                subtype="tombstone",
            )
            self.replace_message(tombstone)
            return
        room = self._rooms[message.channel]
        old = self.as_json(message)
        del room.messages[message.ts]
        if message.thread_ts is not None:
            room.replies[message.thread_ts].remove(message.ts)
        ts = self.next_ts(message.channel)
        self._emit_message(room, payload.deleted_event(old, room.channel, ts))
        self._changed()

    def _tells_of_mention(self, room: Room, message: Message) -> bool:
        is_mention = room.channel.kind == "channel" and mentions_bot(message.text)
        return room.bot_is_member and is_mention and not message.by_bot

    def _emit_message(self, room: Room, event: Json) -> None:
        if room.bot_is_member:
            name = "message.im" if room.channel.kind == "im" else "message.channels"
            self._emit(event, name)

    # Reactions

    def react(self, message: Message, *, name: str, user: str, present: bool) -> bool:
        """Add or remove a reaction; False, and no event, when there is nothing to do."""
        if message.has_reaction(name, user) == present:
            return False
        room = self._rooms[message.channel]
        changed = (
            message.with_reaction(name, user) if present else message.without_reaction(name, user)
        )
        room.messages[message.ts] = changed
        if room.bot_is_member:
            ts = self.next_ts(message.channel)
            event = payload.reaction_event(message, name=name, user=user, added=present, ts=ts)
            self._emit(event, event["type"])
        self._changed()
        return True

    # The rest

    def set_status(self, channel_id: str, thread_ts: str, text: str, lifetime_s: float) -> None:
        """Say what the bot is doing in a thread; an empty text clears it."""
        self._statuses.pop((channel_id, thread_ts), None)
        now = self.clock()
        self._statuses = {key: one for key, one in self._statuses.items() if one.expires_at > now}
        if text:
            self._statuses[channel_id, thread_ts] = Status(text, now + lifetime_s)
        self._changed()

    def session(self, channel_id: str, thread_ts: str) -> Session | None:
        """The agent session of a thread."""
        return self._sessions.get((channel_id, thread_ts))

    def set_session(self, channel_id: str, thread_ts: str, session: Session) -> None:
        """Make or change the agent session of a thread."""
        self._sessions[channel_id, thread_ts] = session
        self._changed()

    def processing(self, channel_id: str) -> list[str]:
        """The threads of a channel whose session is under way."""
        return [
            thread
            for (channel, thread), session in self._sessions.items()
            if channel == channel_id and session.status == "processing"
        ]

    def tell(self, event: Json) -> None:
        """Tell the app of something that changes nothing here."""
        self._emit(event, event["type"])

    def set_membership(self, channel_id: str, *, member: bool) -> None:
        """Put the bot into a public channel or take it out; outside, it hears nothing of it."""
        self._rooms[channel_id].bot_is_member = member
        self._changed()

    def open_home(self, handle: str, user: str, tab: str) -> None:
        """A person opens the app's home; `tab` is `home` or `messages`."""
        channel = self._rooms[IM_IDS[handle]].channel
        ts = self.next_ts(channel.id)
        self._emit(payload.home_opened_event(user, channel, tab=tab, ts=ts), "app_home_opened")

    def publish_home(self, user: str, view: Json) -> None:
        """Keep the view that the app shows a person in its home."""
        self.homes[user] = view
        self._changed()

    def visible(self, channel_id: str, user: str) -> Iterator[Message]:
        """What one person sees in a channel, oldest first."""
        room, now = self._rooms[channel_id], self.clock()
        mine = [one for one in room.ephemerals if one.reader == user]
        for message in sorted([*room.messages.values(), *mine], key=lambda one: one.ts):
            stream = message.stream
            # Field report: the others see the first piece of a channel stream, then nothing more
            # until it is stopped.
            if (
                stream is not None
                and message.is_streaming(now)
                and stream.recipient not in (None, user)
            ):
                first = {"type": "markdown", "text": stream.first_text or ""}
                yield replace(message, text=stream.first_text or "", blocks=(first,))
            else:
                yield message
