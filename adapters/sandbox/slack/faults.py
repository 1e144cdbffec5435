"""What can go wrong on the loopback Slack: the kinds of faults, and those that are acts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from adapters.sandbox.errors import ControlError
from adapters.sandbox.faults import Fault, Kind, Site
from adapters.sandbox.slack.passing import CHANNEL_NAMES
from adapters.sandbox.slack.socket import SocketMode
from adapters.sandbox.slack.workspace import Workspace

EVENTS = (
    "agent_session_stopped",
    "app_home_opened",
    "app_mention",
    "message",
    "reaction_added",
    "reaction_removed",
)
"""The event types that this workspace sends."""

_EVENT: frozenset[Site] = frozenset({"event"})
_CALL: frozenset[Site] = frozenset({"call"})
_ANSWER: frozenset[Site] = frozenset({"answer"})
_PASSING: frozenset[Site] = frozenset({"event", "call"})

KINDS: Mapping[str, Kind] = {
    "redeliver": Kind(
        about="the event comes again though it was acknowledged, as a first repetition",
        sites=_EVENT,
    ),
    "reorder": Kind(
        about="the event is held until a later one has gone, or for so many seconds",
        sites=_EVENT,
        seconds=5.0,
    ),
    "delay_event": Kind(about="the event comes late", sites=_EVENT, seconds=1.0),
    "drop_ack": Kind(
        about="the acknowledgement never comes, so the event is repeated", sites=frozenset({"ack"})
    ),
    "rate_limit": Kind(
        about="429 with Retry-After in whole seconds, before the work",
        sites=_CALL,
        seconds=1.0,
        refuses=True,
    ),
    "server_error": Kind(
        about="a server error, before the work; 502 and 503 are HTML",
        sites=_CALL,
        variants=("500", "502", "503"),
        refuses=True,
    ),
    "revoke_token": Kind(
        about="the call is refused for its token",
        sites=_CALL,
        variants=("token_revoked", "invalid_auth"),
        refuses=True,
    ),
    "expire_stream": Kind(
        about="the stream has ended before the call: message_not_in_streaming_state",
        sites=_CALL,
        names=("chat.appendStream", "chat.stopStream"),
    ),
    "lose_reply": Kind(
        about="the work is done, the connection is cut instead of the answer", sites=_ANSWER
    ),
    "delay_answer": Kind(
        about="the work is done, the answer comes late", sites=_ANSWER, seconds=1.0
    ),
    "kill_socket": Kind(
        about="the Socket Mode connections break without a close frame",
        sites=_PASSING,
        is_act=True,
    ),
    "close_socket": Kind(
        about="the Socket Mode connections are closed with a code",
        sites=_PASSING,
        code=1001,
        is_act=True,
    ),
    "silence_socket": Kind(
        about="the Socket Mode connections stay open, nothing comes and nothing is answered",
        sites=_PASSING,
        is_act=True,
    ),
    "disconnect": Kind(
        about="a disconnect message, and the connection is closed when it has not gone by itself",
        sites=_PASSING,
        variants=("warning", "refresh_requested", "link_disabled"),
        is_act=True,
    ),
    "delete_message": Kind(
        about="the bot's newest message is deleted, in the channel named or else the one at hand",
        sites=_PASSING,
        is_act=True,
    ),
}


class Acts:
    """Does to the world what a fault asks for."""

    def __init__(self, workspace: Workspace, sockets: SocketMode) -> None:
        self._workspace = workspace
        self._sockets = sockets

    def perform(self, fault: Fault, channel: str | None) -> None:
        """Perform an act; raises ControlError when nobody is connected or nothing is there."""
        if fault.kind == "delete_message":
            self._delete_newest(fault.channel or channel)
            return
        if not self._sockets.num_connections:
            raise ControlError("no bot is connected over Socket Mode")
        match fault.kind:
            case "kill_socket":
                self._sockets.kill_all()
            case "close_socket":
                self._sockets.close_all(fault.code or 1001)
            case "silence_socket":
                self._sockets.silence_all()
            case "disconnect":
                match fault.variant:
                    case "refresh_requested" | "link_disabled":
                        self._sockets.disconnect_all(fault.variant)
                    case _:
                        self._sockets.disconnect_all("warning")
            case unknown:
                raise ValueError(f"not an act: {unknown}")

    def _delete_newest(self, channel: str | None) -> None:
        rooms = [
            room
            for room in self._workspace.rooms
            if channel in (None, CHANNEL_NAMES[room.channel.id])
        ]
        own = [one for room in rooms for one in room.messages.values() if one.by_bot]
        if not own:
            raise ControlError("the bot has no message there")
        self._workspace.delete(max(own, key=lambda one: one.ts))


def expire_stream(workspace: Workspace, arguments: Mapping[str, Any]) -> None:
    """End the stream that a call names, as its life's end does; nothing if there is none."""
    channel, ts = arguments.get("channel"), arguments.get("ts")
    room = workspace.room(channel) if isinstance(channel, str) else None
    message = room.messages.get(ts) if room is not None and isinstance(ts, str) else None
    if message is not None and message.stream is not None:
        ended = replace(message.stream, expires_at=workspace.clock())
        workspace.replace_message(replace(message, stream=ended), announce=False)
