"""What the Web API methods work on, and the look-ups that all of them share.

A look-up that fails raises SlackError with the code that Slack gives for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from adapters.sandbox.slack import blocks
from adapters.sandbox.slack.calls import Call
from adapters.sandbox.slack.directory import IM_IDS, USER_IDS
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.file_store import FileStore
from adapters.sandbox.slack.messages import Json, Message
from adapters.sandbox.slack.modals import Modals
from adapters.sandbox.slack.settings import Knobs
from adapters.sandbox.slack.triggers import Triggers
from adapters.sandbox.slack.workspace import Room, Workspace

_TS = re.compile(r"\d{1,12}\.\d{6}")
_IM_OF_USER = {USER_IDS[handle]: channel for handle, channel in IM_IDS.items()}


@dataclass(frozen=True, slots=True)
class Host:
    """The workspace with its settings, files and modals, and the maker of Socket Mode URLs."""

    workspace: Workspace
    knobs: Knobs
    files: FileStore
    triggers: Triggers
    modals: Modals
    base_url: Callable[[], str]
    open_socket_url: Callable[[], str]

    def room(self, channel_id: str) -> Room:
        """The room of a channel id."""
        room = self.workspace.room(channel_id)
        if room is None:
            raise SlackError("channel_not_found")
        return room

    def room_to_post(self, call: Call, channel_id: str) -> Room:
        """The room to post into; a user's id stands for the direct message with that user."""
        room = self.room(_IM_OF_USER.get(channel_id, channel_id))
        if not room.bot_is_member and "chat:write.public" not in call.scopes:
            raise SlackError("not_in_channel")
        return room

    def room_to_read(self, call: Call) -> Room:
        """The room whose messages the call may read."""
        room = self.room(call.text("channel"))
        call.need(room.channel.history_scope)
        if not room.bot_is_member:
            raise SlackError("not_in_channel")
        return room

    def message(self, room: Room, ts: str, *, error: str = "message_not_found") -> Message:
        """The message with a ts in a room."""
        message = room.messages.get(ts)
        if message is None:
            raise SlackError(error)
        return message

    def parent_ts(self, room: Room, ts: str) -> str | None:
        """The ts of the message to reply under, None for an empty `ts`.

        A reply cannot have replies: answering under one is refused.
        """
        if not ts:
            return None
        if not _TS.fullmatch(ts):
            raise SlackError("invalid_thread_ts")
        parent = self.message(room, ts, error="thread_not_found")
        if parent.thread_ts is not None:
            raise SlackError("cannot_reply_to_message")
        return parent.ts


def given_blocks(call: Call) -> tuple[Json, ...] | None:
    """The call's `blocks`, checked; None when it has none."""
    items = call.items("blocks", "invalid_blocks_format")
    return None if items is None else blocks.check(items)


def given_metadata(call: Call) -> Json | None:
    """The call's `metadata`, checked; an empty object is the wish to have none."""
    metadata = call.object("metadata", "invalid_metadata_format")
    if metadata and "entities" not in metadata:
        is_event = isinstance(metadata.get("event_type"), str)
        if not is_event or not isinstance(metadata.get("event_payload"), dict):
            raise SlackError("invalid_metadata_format")
    return metadata
