"""What Slack refuses in a view, and the text fields that a person finds in it.

Pure. Of a form's elements the single text field is modelled; a view with others is refused in
words, so that nobody takes a form for tested that cannot be filled in here.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from adapters.sandbox.slack.elements import (
    MAX_ID_CHARS,
    Pressable,
    check_text,
    checked,
    pressable,
    refuse,
)
from adapters.sandbox.slack.errors import SlackError, invalid_arguments
from adapters.sandbox.slack.messages import Json

MAX_VIEW_BYTES = 250_000
MAX_VIEW_BLOCKS = 100
MAX_TITLE_CHARS = 24
MAX_METADATA_CHARS = 3_000
MAX_INPUT_LABEL_CHARS = 2_000
MAX_PLACEHOLDER_CHARS = 150
MAX_INPUT_CHARS = 3_000

_SHOWN = frozenset({"section", "divider", "context", "header", "markdown", "rich_text", "image"})


@dataclass(frozen=True, slots=True)
class Field:
    """One text field of a modal: the ids under which its value is handed in, and its rules."""

    block_id: str
    action_id: str
    label: str
    value: str
    placeholder: str
    required: bool
    multiline: bool
    min_length: int
    max_length: int


def checked_modal(view: Any) -> Json:
    """A modal as the app gave it, with ids for its fields.

    Raises SlackError `invalid_arguments` with a line that says what is wrong, `view_too_large`.
    """
    if not isinstance(view, dict) or view.get("type") != "modal":
        raise invalid_arguments("must be a view of type modal: view")
    if len(json.dumps(view).encode()) > MAX_VIEW_BYTES:
        raise SlackError("view_too_large")
    try:
        return _checked(view)
    except SlackError as error:
        raise SlackError("invalid_arguments", messages=error.messages) from error


def _checked(view: Json) -> Json:
    check_text(view.get("title"), MAX_TITLE_CHARS, ("plain_text",), "/view/title")
    for name in ("submit", "close"):
        if view.get(name) is not None:
            check_text(view[name], MAX_TITLE_CHARS, ("plain_text",), f"/view/{name}")
    for name, most in (("callback_id", MAX_ID_CHARS), ("private_metadata", MAX_METADATA_CHARS)):
        value = view.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > most):
            refuse(f"must be a string of at most {most} characters", f"/view/{name}")
    blocks = view.get("blocks")
    if not isinstance(blocks, list) or not 1 <= len(blocks) <= MAX_VIEW_BLOCKS:
        refuse(f"must be a list of 1 to {MAX_VIEW_BLOCKS} items", "/view/blocks")
    named = [_block(block, index) for index, block in enumerate(blocks)]
    inputs = [block["block_id"] for block in named if block["type"] == "input"]
    if inputs and view.get("submit") is None:
        refuse("a view with input blocks needs submit", "/view/submit")
    if len(inputs) != len(set(inputs)):
        refuse("`block_id`s must be unique", "/view/blocks")
    return {**view, "blocks": named}


def _block(block: Any, index: int) -> Json:
    at = f"/view/blocks/{index}"
    kind = block.get("type") if isinstance(block, dict) else None
    if kind == "actions":
        return checked(block, at)
    if kind in _SHOWN:
        return dict(block)
    if kind != "input":
        refuse(f"unsupported type: {kind}", f"{at}/type")
    check_text(block.get("label"), MAX_INPUT_LABEL_CHARS, ("plain_text",), f"{at}/label")
    element = block.get("element")
    if not isinstance(element, dict) or element.get("type") != "plain_text_input":
        refuse("the loopback Slack models plain_text_input alone", f"{at}/element/type")
    if element.get("placeholder") is not None:
        where = f"{at}/element/placeholder"
        check_text(element["placeholder"], MAX_PLACEHOLDER_CHARS, ("plain_text",), where)
    for name, least in (("min_length", 0), ("max_length", 1)):
        value = element.get(name)
        if value is not None and not (isinstance(value, int) and least <= value <= MAX_INPUT_CHARS):
            refuse(f"must be from {least} to {MAX_INPUT_CHARS}", f"{at}/element/{name}")
    return {
        **block,
        "block_id": block.get("block_id") or f"b{index}",
        "element": {**element, "action_id": element.get("action_id") or f"a{index}"},
    }


def fields(blocks: Sequence[Json]) -> tuple[Field, ...]:
    """The text fields of a checked modal, in order."""
    return tuple(
        Field(
            block_id=block["block_id"],
            action_id=block["element"]["action_id"],
            label=block["label"]["text"],
            value=block["element"].get("initial_value") or "",
            placeholder=(block["element"].get("placeholder") or {}).get("text", ""),
            required=not block.get("optional", False),
            multiline=bool(block["element"].get("multiline", False)),
            min_length=block["element"].get("min_length") or 0,
            max_length=block["element"].get("max_length") or MAX_INPUT_CHARS,
        )
        for block in blocks
        if block["type"] == "input"
    )


def buttons(blocks: Sequence[Json]) -> tuple[Pressable, ...]:
    """What can be pressed in a checked modal."""
    return tuple(pressable([block for block in blocks if block["type"] == "actions"]))
