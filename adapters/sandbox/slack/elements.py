"""The interactive elements of blocks: what Slack refuses, and what a person can press.

Pure. Buttons and feedback buttons are modelled whole; the other elements are known by their names.
Like Slack it names a block or an element that the app left without an id.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from adapters.sandbox.slack.errors import SlackError
from adapters.sandbox.slack.messages import Json

MAX_ID_CHARS = 255
MAX_LABEL_CHARS = 75
MAX_VALUE_CHARS = 2_000
MAX_URL_CHARS = 3_000
MAX_READERS = 10

_OTHERS_OF_ACTIONS = frozenset(
    {
        "channels_select",
        "checkboxes",
        "conversations_select",
        "datepicker",
        "datetimepicker",
        "external_select",
        "multi_channels_select",
        "multi_conversations_select",
        "multi_external_select",
        "multi_static_select",
        "multi_users_select",
        "overflow",
        "radio_buttons",
        "static_select",
        "timepicker",
        "users_select",
        "workflow_button",
    }
)


@dataclass(frozen=True, slots=True)
class Pressable:
    """Something to press: `label` is shown, `element` is the block's own, `choice` one side of it.

    `id` names it within its message.
    """

    id: str
    label: str
    block_id: str
    element: Json
    choice: Json | None = None


def refuse(problem: str, pointer: str) -> NoReturn:
    """Raise SlackError `invalid_blocks` with Slack's line for the developer."""
    raise SlackError("invalid_blocks", messages=(f"[ERROR] {problem} [json-pointer:{pointer}]",))


def checked(block: Json, at: str) -> Json:
    """An `actions` or `context_actions` block with its elements checked and named.

    Raises SlackError.
    """
    check = _action if block["type"] == "actions" else _context_action
    elements = [check(one, f"{at}/elements/{index}") for index, one in enumerate(block["elements"])]
    ids = [one["action_id"] for one in elements]
    if len(ids) != len(set(ids)):
        refuse("`action_id`s must be unique in a block", f"{at}/elements")
    return {**block, "block_id": block.get("block_id") or _name(), "elements": elements}


def accessory(block: Json, at: str) -> Json:
    """A `section` with its accessory checked and named. Raises SlackError."""
    element = block["accessory"]
    if isinstance(element, dict) and element.get("type") == "image":
        return block
    named = _action(element, f"{at}/accessory")
    return {**block, "block_id": block.get("block_id") or _name(), "accessory": named}


def check_text(value: Any, most: int, kinds: tuple[str, ...], at: str) -> None:
    """Raise SlackError unless `value` is a text object of one of `kinds` within `most`."""
    if not isinstance(value, dict) or value.get("type") not in kinds:
        refuse(f"must be a text object of type {' or '.join(kinds)}", at)
    text = value.get("text")
    if not isinstance(text, str) or not text:
        refuse("must be more than 0 characters", f"{at}/text")
    if len(text) > most:
        refuse(f"must be less than {most + 1} characters", f"{at}/text")


def pressable(blocks: Sequence[Json]) -> Iterator[Pressable]:
    """What a person can press in the blocks of a message, in order."""
    for block in blocks:
        elements = block.get("elements", ())
        if block["type"] == "section":
            elements = [block["accessory"]] if isinstance(block.get("accessory"), dict) else []
        elif block["type"] not in ("actions", "context_actions"):
            continue
        for element in elements:
            match element.get("type"):
                case "button":
                    yield _pressable(block, element, element["text"]["text"])
                case "icon_button":
                    yield _pressable(block, element, f"🗑 {element['text']['text']}")
                case "feedback_buttons":
                    for side in ("positive", "negative"):
                        choice = element[f"{side}_button"]
                        yield Pressable(
                            id=f"{element['action_id']}/{side}",
                            label=choice["text"]["text"],
                            block_id=block["block_id"],
                            element=element,
                            choice=choice,
                        )


def _pressable(block: Json, element: Json, label: str) -> Pressable:
    return Pressable(element["action_id"], label, block["block_id"], element)


def _action(value: Any, at: str) -> Json:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind != "button" and kind not in _OTHERS_OF_ACTIONS:
        refuse(f"unsupported type: {kind}", f"{at}/type")
    element = _named(value, at)
    if kind == "button":
        check_text(element.get("text"), MAX_LABEL_CHARS, ("plain_text",), f"{at}/text")
        _check_string(element, "value", MAX_VALUE_CHARS, at)
        _check_string(element, "url", MAX_URL_CHARS, at)
        _check_string(element, "accessibility_label", MAX_LABEL_CHARS, at)
        if element.get("style") not in (None, "primary", "danger"):
            refuse("must be primary or danger", f"{at}/style")
    return element


def _context_action(value: Any, at: str) -> Json:
    kind = value.get("type") if isinstance(value, dict) else None
    if kind not in ("feedback_buttons", "icon_button"):
        refuse(f"unsupported type: {kind}", f"{at}/type")
    element = _named(value, at)
    if kind == "icon_button":
        if element.get("icon") != "trash":
            refuse("must be trash", f"{at}/icon")
        check_text(element.get("text"), MAX_LABEL_CHARS, ("plain_text",), f"{at}/text")
        _check_string(element, "value", MAX_VALUE_CHARS, at)
        readers = element.get("visible_to_user_ids") or []
        if not isinstance(readers, list) or len(readers) > MAX_READERS:
            refuse(f"must be a list of at most {MAX_READERS} items", f"{at}/visible_to_user_ids")
        return element
    for side in ("positive_button", "negative_button"):
        button = element.get(side)
        if not isinstance(button, dict):
            refuse(f"missing required field: {side}", at)
        check_text(button.get("text"), MAX_LABEL_CHARS, ("plain_text",), f"{at}/{side}/text")
        if not isinstance(button.get("value"), str):
            refuse("missing required field: value", f"{at}/{side}")
        _check_string(button, "value", MAX_VALUE_CHARS, f"{at}/{side}")
        _check_string(button, "accessibility_label", MAX_LABEL_CHARS, f"{at}/{side}")
    return element


def _named(element: Json, at: str) -> Json:
    _check_string(element, "action_id", MAX_ID_CHARS, at)
    return {**element, "action_id": element.get("action_id") or _name()}


def _check_string(holder: Json, name: str, most: int, at: str) -> None:
    value = holder.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        refuse(f"must be a string of at most {most} characters", f"{at}/{name}")


def _name() -> str:
    return uuid.uuid4().hex[:5]
