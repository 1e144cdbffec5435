"""What can go wrong on the loopback Discord: the kinds of faults, and those that are acts."""

from collections.abc import Mapping
from typing import Final

from adapters.sandbox.discord import messages
from adapters.sandbox.discord.gateway import Gateway
from adapters.sandbox.discord.ids import BOT_USER_ID
from adapters.sandbox.discord.model import Message
from adapters.sandbox.discord.person import channel_name
from adapters.sandbox.discord.state import State
from adapters.sandbox.errors import ControlError
from adapters.sandbox.faults import Fault, Kind, Site

_EVENT: Final[frozenset[Site]] = frozenset({"event"})
_CALL: Final[frozenset[Site]] = frozenset({"call"})
_ANSWER: Final[frozenset[Site]] = frozenset({"answer"})
_PASSING: Final[frozenset[Site]] = frozenset({"event", "call"})

KINDS: Final[Mapping[str, Kind]] = {
    "redeliver": Kind(
        about="the event comes again: the bot is asked to reconnect, and its resume replays it",
        sites=_EVENT,
    ),
    "reorder": Kind(
        about="the event is held until the next one has gone, or for so many seconds",
        sites=_EVENT,
        seconds=5.0,
    ),
    "delay_event": Kind(about="the event comes late", sites=_EVENT, seconds=1.0),
    "rate_limit": Kind(
        about="429 with Retry-After, before the work",
        sites=_CALL,
        variants=("user", "shared", "global"),
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
        about="401 for calls, 4004 for IDENTIFY and RESUME",
        sites=frozenset({"call", "handshake"}),
        refuses=True,
    ),
    "lose_reply": Kind(
        about="the work is done, the connection is cut instead of the answer", sites=_ANSWER
    ),
    "delay_answer": Kind(
        about="the work is done, the answer comes late", sites=_ANSWER, seconds=1.0
    ),
    "kill_socket": Kind(
        about="the gateway's connections break without a close frame", sites=_PASSING, is_act=True
    ),
    "close_socket": Kind(
        about="the gateway's connections are closed with a code",
        sites=_PASSING,
        code=4000,
        is_act=True,
    ),
    "silence_socket": Kind(
        about="the gateway's connections stay open, nothing comes and nothing is answered",
        sites=_PASSING,
        is_act=True,
    ),
    "reconnect": Kind(about="opcode 7: reconnect and resume", sites=_PASSING, is_act=True),
    "invalidate_session": Kind(
        about="opcode 9: the session is invalid, for good or to be resumed",
        sites=_PASSING,
        variants=("final", "resumable"),
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

    def __init__(self, state: State, gateway: Gateway) -> None:
        self._state = state
        self._gateway = gateway

    def perform(self, fault: Fault, channel: str | None) -> None:
        """Perform an act; raises ControlError when nobody is connected or nothing is there."""
        if fault.kind == "delete_message":
            self._delete_newest(fault.channel or channel)
            return
        if not self._gateway.connected():
            raise ControlError("no bot is connected to the gateway")
        match fault.kind:
            case "kill_socket":
                self._gateway.cut(None)
            case "close_socket":
                self._gateway.cut(fault.code or 4000)
            case "silence_socket":
                self._gateway.silence()
            case "reconnect":
                self._gateway.ask_to_reconnect()
            case "invalidate_session":
                self._gateway.invalidate(resumable=fault.variant == "resumable")
            case unknown:
                raise ValueError(f"not an act: {unknown}")

    def _delete_newest(self, channel: str | None) -> None:
        own: list[Message] = [
            message
            for place in self._state.channels.values()
            if channel in (None, channel_name(self._state, place.id))
            for message in self._state.history(place.id)
            if message.author_id == BOT_USER_ID
        ]
        if not own:
            raise ControlError("the bot has no message there")
        messages.delete(self._state, max(own, key=lambda one: one.id), BOT_USER_ID)
