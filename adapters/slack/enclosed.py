"""What a Slack message holds besides its text: files, and messages that were shared in it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.domain import Attachment, Quote

Json = Mapping[str, Any]

GONE = ("tombstone", "hidden_by_limit")
"""Modes of files that are no longer there, or no longer shown by a free workspace."""
DEPTH = 12
"""Blocks inside blocks that are looked into."""


def files(message: Json) -> tuple[Attachment, ...]:
    """The files of a message, and of the messages shared in it."""
    shared = (file for one in _shared(message) for file in _objects(one, "files"))
    return tuple(
        _file(file)
        for file in (*_objects(message, "files"), *shared)
        if file.get("id") and file.get("mode") not in GONE
    )


def quotes(message: Json, plain: Callable[[str], str]) -> tuple[Quote, ...]:
    """The messages shared in a message; `plain` gives Slack's text as people read it."""
    found = (
        Quote(str(one.get("author_name") or one.get("author_id") or ""), plain(_text(one)))
        for one in _shared(message)
    )
    return tuple(quote for quote in found if quote.text)


def _shared(message: Json) -> Iterator[Json]:
    """The attachments that are messages; others are unfolded links and what apps put there."""
    for one in _objects(message, "attachments"):
        if one.get("is_share") or one.get("is_msg_unfurl"):
            yield one


def _text(shared: Json) -> str:
    """A shared message's text; of one that has blocks alone, the text in these."""
    if text := str(shared.get("text") or ""):
        return text
    inner = (one.get("message") for one in _objects(shared, "message_blocks"))
    blocks = [each.get("blocks") for each in inner if isinstance(each, Mapping)]
    return "\n".join(_words(blocks, DEPTH)) or str(shared.get("fallback") or "")


def _words(value: object, depth: int) -> Iterator[str]:
    """The texts in blocks, in their order; those of one section of rich text are joined."""
    if depth == 0:
        return
    if isinstance(value, Mapping):
        if str(value.get("type")) == "rich_text_section":
            yield "".join(word for one in _objects(value, "elements") for word in _words(one, 1))
        elif isinstance(value.get("text"), str):
            yield value["text"]
        elif value.get("type") == "user":
            yield f"<@{value.get('user_id')}>"
        elif isinstance(value.get("url"), str):
            yield value["url"]
        else:
            for key in ("text", "fields", "elements"):
                yield from _words(value.get(key), depth - 1)
    elif isinstance(value, list):
        for each in value:
            yield from _words(each, depth - 1)


def _file(file: Json) -> Attachment:
    size = file.get("size")
    return Attachment(
        id=str(file["id"]),
        name=str(file.get("name") or file.get("title") or file["id"]),
        kind=str(file.get("mimetype") or ""),
        size=size if isinstance(size, int) else 0,
        # A file of another workspace may come without its address (Slack Connect).
        url=str(file.get("url_private_download") or file.get("url_private") or ""),
    )


def _objects(value: Json, key: str) -> list[Json]:
    found = value.get(key)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
