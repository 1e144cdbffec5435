"""Slack's events as ours.

In a channel an answer always stands in a thread, so a question at the top level begins one: its
conversation is the thread under it. The direct message's top level is a conversation of its own.
"""

import html
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from adapters.slack import enclosed
from adapters.slack.echo import echoed
from bot.domain import Incoming, MessageRef, Person, Reaction, Standing

SLACKBOT: Final = "USLACKBOT"
"""Slack's own bot, which comes as a user."""

SPOKEN: Final = frozenset({None, "file_share", "thread_broadcast"})
"""Subtypes that a person writes; all others tell of joins, edits, topics and the like."""

_MENTION = re.compile(r"<@([UW][A-Z0-9]+)(?:\|([^>]*))?>")
_CHANNEL = re.compile(r"<#([CG][A-Z0-9]+)(?:\|([^>]*))?>")
_DATE = re.compile(r"<!date\^[^|>]*\|([^>]*)>")
_SPECIAL = re.compile(r"<!(?:subteam\^)?([A-Za-z0-9]+)(?:\|([^>]*))?>")
_LINK = re.compile(r"<((?:https?|mailto):[^|>]+)(?:\|([^>]*))?>")


def incoming(
    event: Mapping[str, Any],
    *,
    team: str,
    me: str,
    body: Mapping[str, Any] | None = None,
    bots: Collection[str] = (),
) -> Incoming | None:
    """A `message` or `app_mention` event as a possible question; None when it can be none.

    `me` is the bot's user id, `body` what surrounded the event; the author's name is left empty.
    What the bots of these ids (their users', or `B…`) write may be one; of what we wrote ourselves,
    only the echo of somebody's question.
    """
    if event.get("user") == me and event.get("subtype") in SPOKEN:
        return echoed(event, team=team)
    user, channel, ts = (str(event.get(key) or "") for key in ("user", "channel", "ts"))
    bot = str(event.get("bot_id") or "") or (user if user == SLACKBOT else "")
    if bot and (listed := next((each for each in (user, bot) if each in bots), None)):
        user = listed  # an integration's message has no user
    elif bot:
        return None
    if event.get("subtype") not in (SPOKEN | {"bot_message"} if bot else SPOKEN):
        return None
    if event.get("hidden") or not (user and channel and ts) or me in (user, event.get("user")):
        return None
    text = str(event.get("text") or "")
    mentioned = {match[1] for match in _MENTION.finditer(text)}
    dm = event.get("channel_type") == "im" or channel.startswith("D")
    thread = str(event.get("thread_ts") or "") or (None if dm else ts)
    return Incoming(
        ref=MessageRef("slack", team, channel, ts),
        author=Person("slack", user),
        text=plain(text, me),
        place="dm" if dm else "thread",
        sent_at=float(ts),
        thread=thread,
        mentions_bot=me in mentioned,
        mentions_others=bool(mentioned - {me}) or _SPECIAL.search(text) is not None,
        attachments=enclosed.files(event),
        quotes=enclosed.quotes(event, lambda quoted: plain(quoted, me)),
        standing=Standing(is_outside=outside(event, body or {}, team=team), is_bot=bool(bot)),
        answers_bot=event.get("parent_user_id") == me,
    )


def outside(event: Mapping[str, Any], body: Mapping[str, Any], *, team: str) -> bool:
    """Whether the person of an event belongs to another organisation (Slack Connect).

    `body` is what surrounded the event, empty for a message that was read back: then whoever has
    another team counts as outside, since a grid's own teams are told apart by it alone.
    """
    home = str(event.get("user_team") or event.get("team") or "")
    inside = {"", team, str(body.get("enterprise_id") or body.get("context_enterprise_id") or "")}
    return home not in inside and body.get("is_ext_shared_channel") is not False


def changed(event: Mapping[str, Any], *, team: str, me: str) -> tuple[MessageRef, str] | None:
    """A `message_changed` event as the message and its text now; None when no person edited it.

    Unfolded links and the edits of bots come as such events, too.
    """
    message = event.get("message") or {}
    before = event.get("previous_message") or {}
    if event.get("subtype") != "message_changed" or message.get("text") == before.get("text"):
        return None
    question = incoming({**message, "channel": event.get("channel")}, team=team, me=me)
    return None if question is None else (question.ref, question.text)


def deleted(event: Mapping[str, Any], *, team: str) -> MessageRef | None:
    """An event that tells of a deletion, as the message that is gone.

    One with replies leaves a tombstone, which comes as a change.
    """
    channel, ts = (str(event.get(key) or "") for key in ("channel", "deleted_ts"))
    message = event.get("message") or {}
    if event.get("subtype") == "message_changed" and message.get("subtype") == "tombstone":
        ts = str(message.get("ts") or "")
    elif event.get("subtype") != "message_deleted":
        return None
    return MessageRef("slack", team, channel, ts) if channel and ts else None


def standing(
    message: Mapping[str, Any], ref: MessageRef, *, people: Callable[[str], bool]
) -> list[Reaction]:
    """The reactions on a message as it is read back, of those users who are `people`."""
    return [
        Reaction(ref, Person("slack", user), str(one["name"]), True, float(ref.message), ours=True)
        for one in message.get("reactions") or ()
        for user in map(str, one.get("users") or ())
        if people(user)
    ]


def reaction(event: Mapping[str, Any], *, team: str, me: str) -> Reaction | None:
    """A `reaction_added` or `reaction_removed` event; None when it is not on a message."""
    item = event.get("item") or {}
    if item.get("type") != "message":
        return None
    author = event.get("item_user")  # absent for what a webhook wrote
    return Reaction(
        ref=MessageRef("slack", team, str(item["channel"]), str(item["ts"])),
        person=Person("slack", str(event["user"])),
        emoji=str(event["reaction"]),
        present=event["type"] == "reaction_added",
        at=float(event.get("event_ts") or item["ts"]),
        ours=None if author is None else author == me,
    )


def plain(text: str, me: str) -> str:
    """Slack's text as people read it, and without the bot's own mention."""

    def mention(match: re.Match[str]) -> str:
        return "" if match[1] == me else "@" + (match[2] or match[1])

    def link(match: re.Match[str]) -> str:
        target = match[1].removeprefix("mailto:")
        return target if match[2] in (None, target, match[1]) else f"{match[2]} ({target})"

    text = _MENTION.sub(mention, text)
    text = _CHANNEL.sub(lambda match: "#" + (match[2] or match[1]), text)
    text = _DATE.sub(lambda match: match[1], text)
    text = _SPECIAL.sub(lambda match: "@" + (match[2] or match[1]).lstrip("@"), text)
    return html.unescape(_LINK.sub(link, text)).strip()
