"""What a message of ours is made of on Slack: a markdown block, buttons, and plain text beside it.

Pure. Plain buttons and not `feedback_buttons`, which never tell that a choice was taken back.
"""

import html
from collections.abc import Sequence
from typing import Any, Final

from slack_sdk.models.blocks import ActionsBlock, ButtonElement, MarkdownBlock, PlainTextObject

from adapters import wording
from adapters.interaction import Form, button_id
from adapters.markdown import gist, utf8_size
from adapters.slack.dialect import harmless
from adapters.surface import Content
from bot.domain import Control

FALLBACK: Final = 1_000
"""UTF-8 bytes of the plain text beside the blocks: with the largest part, 9,000 in all."""
LONGEST_SIGN: Final = 5
"""Bytes that one character may become: `&` is `&amp;`."""

Blocks = list[dict[str, Any]]


def message_of(content: Content, turn: str) -> dict[str, Any]:
    """The arguments `text` and `blocks` of a message, and that no mention is to be found in it."""
    return {
        "text": fallback(content.text),
        "blocks": blocks_of(content, turn),
        "parse": "none",
        "link_names": False,
    }


def fallback(text: str) -> str:
    """A text's beginning for notifications, escaped as mrkdwn wants it."""
    for size in (FALLBACK, FALLBACK // LONGEST_SIGN):
        escaped = html.escape(harmless(gist(text, size)), quote=False)
        if utf8_size(escaped) <= FALLBACK:
            break
    return escaped


def blocks_of(content: Content, turn: str) -> Blocks:
    """A part's text, and under it its buttons."""
    text = MarkdownBlock(text=harmless(content.text)).to_dict()
    return [text, *buttons_of(content.controls, turn)]


def buttons_of(controls: Sequence[Control], turn: str) -> Blocks:
    """The block of a turn's buttons, on its own as `chat.stopStream` wants it; empty without."""
    return _actions(
        [_button(wording.BUTTONS[control], button_id(control, turn)) for control in controls]
    )


def private_of(text: str, form: Form | None) -> dict[str, Any]:
    """The arguments of a message to one person; with a form, the button that opens it."""
    blocks: Blocks = [MarkdownBlock(text=harmless(text)).to_dict()]
    if form is not None:
        blocks += _actions([_button(wording.OPENS[form.kind], form.id)])
    return {"text": fallback(text), "blocks": blocks}


def _button(label: str, action_id: str) -> ButtonElement:
    return ButtonElement(text=PlainTextObject(text=label, emoji=True), action_id=action_id)


def _actions(elements: Sequence[ButtonElement]) -> Blocks:
    return [ActionsBlock(elements=list(elements)).to_dict()] if elements else []
