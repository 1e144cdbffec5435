"""All key names and lifetimes. Every key begins with `candor:`.

| key | type | holds |
|---|---|---|
| seen:{message} | string | "1": the message was accepted, or refused |
| gone:{message} | string | "1": the message was deleted before it could be accepted |
| inbox:{platform} | stream | accepted turns that have not ended, one entry each |
| open:{conversation} | list | its turns that have not ended, in the order of their answers |
| places:{platform} | sorted set | its conversations, by the time of the last question |
| askers:{platform} | sorted set | ids of people, by the time of their last question |
| direct:{platform} | hash | person's id → channel of the direct messages with them |
| awake:{platform} | string | the time until which its events were taken in |
| turn:{turn} | hash | one turn, see `turns` |
| parts | sorted set | messages of answers, by the time of their posting |
| parked:{message} | hash | reactions on a message that is not known yet → "1" or "0" |
| message:{message} | string | the turn that a message is the question, a part or a surplus of |
| conversation:{conversation} | list | turn ids, oldest first |
| asked:{conversation} | string | when its first question was written, seconds |
| window:{conversation} | string | the first turn that its memory still holds |
| release:{release} | string | one release as JSON |
| stable | string | the id of the release that answers |
| reactions:{turn}:{person} | set | what the person's reactions on the turn are now |
| votes:{turn} | hash | person → value of the vote |
| tally:{turn} | hash | up, down → number of people; changes → how often a vote changed |
| votes | sorted set | "{turn} {person}", by the time of the last change |
| events | stream | every reaction that was applied, in order |
| people | hash | person → name |
| slack-installations | hash | workspace → its installation, encrypted, see `vault` |
| pass:{purpose}:{hash} | string | "1": a word that is good for one use, see `passes` |
| ticket:{message} | string | the token by which a question is answered, as JSON, while it works |
| about:{form} | string | the message that a form asks about, as JSON |
"""

from typing import Final

PREFIX: Final = "candor:"

SEEN_S: Final = 24 * 3600
"""A platform may deliver an event again for up to 24 hours (Slack's delayed events)."""

GONE_S: Final = 600
"""How much later than its deletion a message may still come."""

PARKED_S: Final = 900
"""How long a reaction waits for its message to become known."""

PARTS_KEPT: Final = 50_000
"""Parts whose reactions may be read back; older ones are trimmed."""

PLACES_KEPT: Final = 10_000
"""Conversations and askers of a platform that are known as such; older ones are trimmed."""

CONVERSATION_TURNS: Final = 1000
"""Turn ids kept for one conversation."""

EVENTS_KEPT: Final = 1_000_000
"""Entries of the event log, about; older ones are trimmed."""


def seen(message: str) -> str:
    return f"{PREFIX}seen:{message}"


def gone(message: str) -> str:
    return f"{PREFIX}gone:{message}"


def inbox(platform: str) -> str:
    return f"{PREFIX}inbox:{platform}"


def open_turns(conversation_key: str) -> str:
    return f"{PREFIX}open:{conversation_key}"


def places(platform: str) -> str:
    return f"{PREFIX}places:{platform}"


def askers(platform: str) -> str:
    return f"{PREFIX}askers:{platform}"


def direct(platform: str) -> str:
    return f"{PREFIX}direct:{platform}"


def awake(platform: str) -> str:
    return f"{PREFIX}awake:{platform}"


def parked(message: str) -> str:
    return f"{PREFIX}parked:{message}"


def turn(turn_id: str) -> str:
    return f"{PREFIX}turn:{turn_id}"


def message(message_key: str) -> str:
    return f"{PREFIX}message:{message_key}"


def conversation(conversation_key: str) -> str:
    return f"{PREFIX}conversation:{conversation_key}"


def asked(conversation_key: str) -> str:
    return f"{PREFIX}asked:{conversation_key}"


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


def one_pass(purpose: str, digest: str) -> str:
    return f"{PREFIX}pass:{purpose}:{digest}"


STABLE: Final = f"{PREFIX}stable"
PARTS: Final = f"{PREFIX}parts"
VOTES: Final = f"{PREFIX}votes"
EVENTS: Final = f"{PREFIX}events"
PEOPLE: Final = f"{PREFIX}people"
SLACK_INSTALLATIONS: Final = f"{PREFIX}slack-installations"


def ticket(message: str) -> str:
    return f"{PREFIX}ticket:{message}"


def asked_about(form: str) -> str:
    return f"{PREFIX}about:{form}"
