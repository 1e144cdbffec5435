"""All key names and lifetimes. Every key begins with `candor:`.

| key | type | holds |
|---|---|---|
| seen:{message} | string | "1": the message was accepted |
| turn:{turn} | hash | one turn, see `turns` |
| message:{message} | string | the turn that a message is the question or a part of |
| conversation:{conversation} | list | turn ids, oldest first |
| window:{conversation} | string | the first turn that its memory still holds |
| release:{release} | string | one release as JSON |
| stable | string | the id of the release that answers |
| reactions:{turn}:{person} | set | what the person's reactions on the turn are now |
| votes:{turn} | hash | person → value of the vote |
| tally:{turn} | hash | up, down → number of people |
| votes | sorted set | "{turn} {person}", by the time of the last change |
| events | stream | every reaction that was applied, in order |
| people | hash | person → name |
"""

from typing import Final

PREFIX: Final = "candor:"

SEEN_S: Final = 24 * 3600
"""A platform may deliver an event again for up to 24 hours (Slack's delayed events)."""

CONVERSATION_TURNS: Final = 1000
"""Turn ids kept for one conversation."""

EVENTS_KEPT: Final = 1_000_000
"""Entries of the event log, about; older ones are trimmed."""


def seen(message: str) -> str:
    return f"{PREFIX}seen:{message}"


def turn(turn_id: str) -> str:
    return f"{PREFIX}turn:{turn_id}"


def message(message_key: str) -> str:
    return f"{PREFIX}message:{message_key}"


def conversation(conversation_key: str) -> str:
    return f"{PREFIX}conversation:{conversation_key}"


def window(conversation_key: str) -> str:
    return f"{PREFIX}window:{conversation_key}"


def release(release_id: str) -> str:
    return f"{PREFIX}release:{release_id}"


def reactions(turn_id: str, person: str) -> str:
    return f"{PREFIX}reactions:{turn_id}:{person}"


def votes(turn_id: str) -> str:
    return f"{PREFIX}votes:{turn_id}"


def tally(turn_id: str) -> str:
    return f"{PREFIX}tally:{turn_id}"


STABLE: Final = f"{PREFIX}stable"
VOTES: Final = f"{PREFIX}votes"
EVENTS: Final = f"{PREFIX}events"
PEOPLE: Final = f"{PREFIX}people"
