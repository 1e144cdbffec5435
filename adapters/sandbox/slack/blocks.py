"""Block Kit as far as a message needs it: what Slack refuses, and what a person reads.

Pure. Checks structure and the documented limits; it does not know every field of every block.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from adapters.sandbox.slack import elements
from adapters.sandbox.slack.elements import check_text, refuse
from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.messages import Json
from adapters.sandbox.slack.text import show_mentions, shown

MAX_BLOCKS = 50
MAX_MARKDOWN_CHARS = 12_000
# Field report: about 13,200 characters over all blocks of a message (bolt-js issue 2509).
MAX_TOTAL_CHARS = 13_200
MAX_SECTION_CHARS = 3_000
MAX_HEADER_CHARS = 150
MAX_BLOCK_ID_CHARS = 255

# Block type -> the list that it must carry, with the most elements that Slack takes.
_ELEMENT_LIMITS: dict[str, tuple[str, int]] = {
    "actions": ("elements", 25),
    "carousel": ("elements", 10),
    "context": ("elements", 10),
    "context_actions": ("elements", 5),
    "rich_text": ("elements", 1_000),
    "table": ("rows", 100),
}
_OTHER_TYPES = frozenset(
    {
        "alert",
        "card",
        "data_table",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "plan",
        "section",
        "task_card",
        "video",
    }
)


def check(blocks: Sequence[Any]) -> tuple[Json, ...]:
    """The blocks of a message, with ids for what can be pressed.

    Raises SlackError with Slack's code and a pointer.
    """
    if len(blocks) > MAX_BLOCKS:
        raise SlackError("msg_blocks_too_many")
    checked = tuple(_check_block(block, f"/blocks/{index}") for index, block in enumerate(blocks))
    ids = [block["block_id"] for block in checked if "block_id" in block]
    if len(ids) != len(set(ids)):
        refuse("`block_id`s must be unique", "/blocks")
    markdown = sum(len(block["text"]) for block in checked if block["type"] == "markdown")
    if markdown > MAX_MARKDOWN_CHARS or sum(map(_text_size, checked)) > MAX_TOTAL_CHARS:
        raise SlackError("msg_blocks_too_long")
    return checked


def _check_block(block: Any, at: str) -> Json:
    if not isinstance(block, dict):
        raise SlackError("invalid_blocks_format")
    kind = block.get("type")
    if kind not in _OTHER_TYPES and kind not in _ELEMENT_LIMITS:
        refuse(f"unsupported type: {kind}", f"{at}/type")
    block_id = block.get("block_id", "")
    if not isinstance(block_id, str) or len(block_id) > MAX_BLOCK_ID_CHARS:
        refuse("must be a string of at most 255 characters", f"{at}/block_id")
    if kind in _ELEMENT_LIMITS:
        name, most = _ELEMENT_LIMITS[kind]
        items = block.get(name)
        if not isinstance(items, list) or not 1 <= len(items) <= most:
            refuse(f"must be a list of 1 to {most} items", f"{at}/{name}")
        if kind in ("actions", "context_actions"):
            return elements.checked(block, at)
    elif kind == "markdown":
        if not isinstance(block.get("text"), str) or not block["text"]:
            refuse("missing required field: text", at)
    elif kind == "header":
        check_text(block.get("text"), MAX_HEADER_CHARS, ("plain_text",), f"{at}/text")
    elif kind == "section":
        if block.get("text") is None and not block.get("fields"):
            refuse("missing required field: text", at)
        if block.get("text") is not None:
            check_text(block["text"], MAX_SECTION_CHARS, ("mrkdwn", "plain_text"), f"{at}/text")
        if block.get("accessory") is not None:
            return elements.accessory(block, at)
    return block


def _text_size(value: Any) -> int:
    """Characters in every `text` of a block, however deep."""
    if isinstance(value, list):
        return sum(map(_text_size, value))
    if not isinstance(value, dict):
        return 0
    return sum(
        len(item) if key == "text" and isinstance(item, str) else _text_size(item)
        for key, item in value.items()
    )


def readable(blocks: Sequence[Json]) -> str:
    """What a person reads in the blocks, one paragraph each; controls such as buttons say nothing.

    Slack shows only the blocks of a message that has any: its `text` is for notifications.
    """
    return "\n\n".join(text for text in map(_readable_block, blocks) if text)


def _readable_block(block: Json) -> str:
    match block["type"]:
        case "markdown":
            return show_mentions(block["text"])
        case "section" | "header":
            return "\n".join(_texts([block.get("text"), *block.get("fields", ())]))
        case "context":
            return " ".join(_texts(block["elements"]))
        case "rich_text":
            return "".join(_rich_text(block["elements"])).strip("\n")
        case "task_card" | "plan":
            return str(block.get("title", ""))
        case _:
            return ""


def _texts(items: Sequence[Any]) -> Iterator[str]:
    for item in items:
        if isinstance(item, dict) and isinstance(item.get("text"), str):
            yield shown(item["text"]) if item.get("type") == "mrkdwn" else item["text"]


def _rich_text(elements: Sequence[Any]) -> Iterator[str]:
    for element in elements:
        if not isinstance(element, dict):
            continue
        if isinstance(element.get("elements"), list):
            yield "".join(_rich_text(element["elements"])) + "\n"
        elif element.get("type") == "user":
            yield show_mentions(f"<@{element.get('user_id', '')}>")
        elif element.get("type") == "broadcast":
            yield f"@{element.get('range', '')}"
        else:
            yield str(element.get("text") or element.get("url") or "")
