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
| material:{turn} | string | what was read of its question's files, as JSON |
| talk:{conversation} | string | what was said there before its first question, as JSON |
| parts | sorted set | messages of answers, by the time of their posting |
| parked:{message} | hash | reactions on a message that is not known yet → "1" or "0" |
| message:{message} | string | the turn that a message is the question, a part or a surplus of |
| conversation:{conversation} | list | turn ids, oldest first |
| asked:{conversation} | string | when its first question was written, seconds |
| retries:{turn} | list | the turns that try its question again, oldest first |
| retried | sorted set | turns whose question was tried again, by the time of the last time |
| window:{conversation} | string | the first turn that its memory still holds |
| release:{release} | string | one release as JSON |
| stable | string | the id of the release that answers |
| reactions:{turn}:{person} | set | what the person's reactions on the turn are now |
| pressed:{turn}:{person} | string | the button that the person pressed just now |
| reasons:{turn} | hash | person → why they voted against it, as JSON |
| reasons | sorted set | "{turn} {person}", by the time of the reason |
| votes:{turn} | hash | person → value of the vote |
| tally:{turn} | hash | up, down → number of people; changes → how often a vote changed |
| votes | sorted set | "{turn} {person}", by the time of the last change |
| events | stream | every reaction that was applied, in order |
| people | hash | person → name |
| slack-installations | hash | workspace → its installation, encrypted, see `vault` |
| pass:{purpose}:{hash} | string | "1": a word that is good for one use, see `passes` |
| asked_by:{person} | set | the turns that a person asked |
| asked_in:{home} | sorted set | turns of the last `HOME_S`, by the time of their acceptance |
| fresh:{conversation} | string | the time from which its memory begins anew, seconds |
| bots:{place} | set | messages of bots answered there since a person's last question |
| refused:{person} | hash | the last refusal as JSON; told {channel} → when they were told of one |
| persona:{persona} | string | one persona as JSON |
| personas | hash | home → the persona that answers there |
| personas:{home} | list | its changes as JSON, the latest first |
| audit | stream | who changed what, where, from what, to what |
| remarks | stream | what people told those who run the bot |
| forgotten | hash | person → the time until which nothing of them is known |
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

PRESSED_MS: Final = 1500
"""A second press of one button within this time is the same one: a double click, or a repeat."""

RETRIED_KEPT: Final = 100_000
"""Questions with more than one answer that are listed; older ones are trimmed."""

REASONS_KEPT: Final = 50_000
"""Reasons that are listed; older ones are trimmed."""

PARTS_KEPT: Final = 50_000
"""Parts whose reactions may be read back; older ones are trimmed."""

PLACES_KEPT: Final = 10_000
"""Conversations and askers of a platform that are known as such; older ones are trimmed."""

CONVERSATION_TURNS: Final = 1000
"""Turn ids kept for one conversation."""

EVENTS_KEPT: Final = 1_000_000
"""Entries of the event log, about; older ones are trimmed."""

HOME_S: Final = 31 * 86_400
"""How long a channel's turns are counted in its statistics."""

HOME_TURNS: Final = 20_000
"""Turns of a channel that are counted; older ones are trimmed."""

BOTS_S: Final = 86_400
"""After so long without another one, the questions of bots begin a new row."""

REFUSED_S: Final = 86_400
"""How long a refusal is kept."""

PERSONAS_KEPT: Final = 100
"""Changes of a channel's persona that are listed; the audit trail has them all."""

AUDIT_KEPT: Final = 100_000
"""Entries of the audit trail, about; older ones are trimmed."""

REMARKS_KEPT: Final = 10_000
"""Remarks, about; older ones are trimmed."""


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


def retries(turn_id: str) -> str:
    return f"{PREFIX}retries:{turn_id}"


def window(conversation_key: str) -> str:
    return f"{PREFIX}window:{conversation_key}"


def material(turn_id: str) -> str:
    return f"{PREFIX}material:{turn_id}"


def talk(conversation_key: str) -> str:
    return f"{PREFIX}talk:{conversation_key}"


def release(release_id: str) -> str:
    return f"{PREFIX}release:{release_id}"


def reactions(turn_id: str, person: str) -> str:
    return f"{PREFIX}reactions:{turn_id}:{person}"


def pressed(turn_id: str, person: str) -> str:
    return f"{PREFIX}pressed:{turn_id}:{person}"


def reasons(turn_id: str) -> str:
    return f"{PREFIX}reasons:{turn_id}"


def votes(turn_id: str) -> str:
    return f"{PREFIX}votes:{turn_id}"


def tally(turn_id: str) -> str:
    return f"{PREFIX}tally:{turn_id}"


def one_pass(purpose: str, digest: str) -> str:
    return f"{PREFIX}pass:{purpose}:{digest}"


RETRIED: Final = f"{PREFIX}retried"
REASONS: Final = f"{PREFIX}reasons"


def asked_by(person: str) -> str:
    return f"{PREFIX}asked_by:{person}"


def asked_in(home_key: str) -> str:
    return f"{PREFIX}asked_in:{home_key}"


def fresh(conversation_key: str) -> str:
    return f"{PREFIX}fresh:{conversation_key}"


def bots(place: str) -> str:
    return f"{PREFIX}bots:{place}"


def refused(person: str) -> str:
    return f"{PREFIX}refused:{person}"


def persona(persona_id: str) -> str:
    return f"{PREFIX}persona:{persona_id}"


def personas(home_key: str) -> str:
    return f"{PREFIX}personas:{home_key}"


STABLE: Final = f"{PREFIX}stable"
PARTS: Final = f"{PREFIX}parts"
VOTES: Final = f"{PREFIX}votes"
EVENTS: Final = f"{PREFIX}events"
PEOPLE: Final = f"{PREFIX}people"
SLACK_INSTALLATIONS: Final = f"{PREFIX}slack-installations"
PERSONAS: Final = f"{PREFIX}personas"
AUDIT: Final = f"{PREFIX}audit"
REMARKS: Final = f"{PREFIX}remarks"
FORGOTTEN: Final = f"{PREFIX}forgotten"


def ticket(message: str) -> str:
    return f"{PREFIX}ticket:{message}"


def asked_about(form: str) -> str:
    return f"{PREFIX}about:{form}"
