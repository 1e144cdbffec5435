"""Slack's text format: from what a person types to what is stored, and back to what is read.

Pure. `compose` escapes and links as Slack's composer does; `shown` undoes it for the eye.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any

from adapters.sandbox.slack.directory import AWAY_IDS, BOT_USER_ID, CHANNEL_IDS, HANDLES

_USERS = {handle: user for user, handle in HANDLES.items()}
_CHANNELS = {id_: name for name, id_ in (CHANNEL_IDS | AWAY_IDS).items()}
_BROADCASTS = ("channel", "here", "everyone")
_TYPED = re.compile(
    r"(?P<url>https?://[^\s<>|]*[^\s<>|.,;:!?)\]'\"])"
    r"|(?<![\w@])@(?P<name>\w+)"
)
_STORED = re.compile(r"<([^<>\s][^<>]*)>")
_MENTION = re.compile(r"<@([A-Z0-9]+)(?:\|[^<>]*)?>")


def escape(text: str) -> str:
    """The three characters that Slack escapes in stored text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def unescape(text: str) -> str:
    """The inverse of `escape`."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def compose(typed: str, users: Collection[str]) -> tuple[str, tuple[dict[str, Any], ...]]:
    """Turn typed text into the stored text and the elements of its rich text block.

    `users` are the ids of those who are there to be mentioned.
    """
    stored: list[str] = []
    elements: list[dict[str, Any]] = []
    for element in _elements(typed, users):
        elements.append(element)
        match element["type"]:
            case "user":
                stored.append(f"<@{element['user_id']}>")
            case "broadcast":
                stored.append(f"<!{element['range']}>")
            case "link":
                stored.append(f"<{escape(element['url'])}>")
            case _:
                stored.append(escape(element["text"]))
    return "".join(stored), tuple(elements)


def _elements(typed: str, users: Collection[str]) -> Iterator[dict[str, Any]]:
    at = 0
    for found in _TYPED.finditer(typed):
        name = found["name"]
        if name is not None and name not in _BROADCASTS and _USERS.get(name) not in users:
            continue
        if found.start() > at:
            yield {"type": "text", "text": typed[at : found.start()]}
        at = found.end()
        if name is None:
            yield {"type": "link", "url": found["url"]}
        elif name in _BROADCASTS:
            yield {"type": "broadcast", "range": name}
        else:
            yield {"type": "user", "user_id": _USERS[name]}
    if at < len(typed):
        yield {"type": "text", "text": typed[at:]}


def mentions_bot(stored: str) -> bool:
    """Whether stored text mentions the bot."""
    return any(found[1] == BOT_USER_ID for found in _MENTION.finditer(stored))


def show_mentions(text: str) -> str:
    """Replace `<@U…>` by `@handle` and leave the rest alone; for Markdown."""
    return _MENTION.sub(lambda found: "@" + HANDLES.get(found[1], found[1]), text)


def shown(stored: str) -> str:
    """What a person reads for stored text (mrkdwn signs such as `*` are left in)."""
    return unescape(_STORED.sub(_shown_reference, stored))


def _shown_reference(found: re.Match[str]) -> str:
    target, _, label = found[1].partition("|")
    if target.startswith("@"):
        return "@" + HANDLES.get(target[1:], label or target[1:])
    if target.startswith("#"):
        return "#" + _CHANNELS.get(target[1:], label or target[1:])
    if target.startswith("!"):
        return label or "@" + target[1:]
    return label or target
