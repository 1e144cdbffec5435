"""Events and calls as faults are aimed at them: by type or method, and by the channel's name."""

from collections.abc import Mapping
from typing import Any

from adapters.sandbox.faults import Passing
from adapters.sandbox.platform import DM
from adapters.sandbox.slack.directory import AWAY_IDS, CHANNEL_IDS, IM_IDS, USER_IDS
from adapters.sandbox.slack.messages import Json

CHANNEL_NAMES: Mapping[str, str] = {
    **{id_: name for name, id_ in (CHANNEL_IDS | AWAY_IDS).items()},
    # A post may name a user instead of the direct message with that user.
    **dict.fromkeys((*IM_IDS.values(), *USER_IDS.values()), DM),
}
"""Channel id -> the name that people have for it."""


def event_passing(body: Json) -> Passing:
    """An event in its envelope."""
    event = body["event"]
    channel = event.get("channel") or event.get("item", {}).get("channel")
    return Passing(event["type"], CHANNEL_NAMES.get(channel))


def call_passing(method: str, arguments: Mapping[str, Any]) -> Passing:
    """A call of the Web API."""
    channel = arguments.get("channel") or arguments.get("channel_id")
    return Passing(method, CHANNEL_NAMES.get(channel) if isinstance(channel, str) else None)
