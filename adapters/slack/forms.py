"""Our forms on Slack: modals of one text field, and what comes back of them.

Pure. A form remembers by itself where its person was, so that any process can take it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from slack_sdk.models.blocks import InputBlock, PlainTextInputElement, PlainTextObject
from slack_sdk.models.views import View

from adapters import wording
from adapters.interaction import Form
from adapters.slack.echo import ASK, TEXT_CHARS

BLOCK: Final = "said"
ACTION: Final = "text"
REASON_CHARS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Where:
    """Where somebody was: what is told them goes there.

    `thread` is a parent's ts or "". `url` is Slack's for this one act, "" without one; it reaches
    the person also where the bot is not.
    """

    channel: str
    user: str
    thread: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """The message that somebody asks about, and where they were."""

    where: Where
    message: str


def reason_view(form: Form, where: Where) -> dict[str, Any]:
    """The modal of a form."""
    words = wording.FORMS[form.kind]
    return _view(form.id, words, where, {}, max_length=REASON_CHARS, optional=False)


def ask_view(about: About) -> dict[str, Any]:
    """The modal for a question about a message, which may be left empty."""
    more = {"message": about.message}
    return _view(ASK, wording.ASK_FORM, about.where, more, max_length=TEXT_CHARS, optional=True)


def typed(view: Mapping[str, Any]) -> str:
    """What a person typed into a modal of ours that was sent."""
    values = (view.get("state") or {}).get("values") or {}
    field = (values.get(BLOCK) or {}).get(ACTION) or {}
    return str(field.get("value") or "").strip()


def where_of(view: Mapping[str, Any], user: str) -> About | None:
    """Where the person of a modal was; None when it does not say."""
    try:
        kept = json.loads(view.get("private_metadata") or "{}")
    except ValueError:
        return None
    if not isinstance(kept, Mapping) or not kept.get("channel"):
        return None
    channel, thread, url, message = (
        str(kept.get(name) or "") for name in ("channel", "thread", "url", "message")
    )
    return About(Where(channel, user, thread, url), message)


def _view(
    callback_id: str,
    words: wording.FormWords,
    where: Where,
    more: Mapping[str, str],
    *,
    max_length: int,
    optional: bool,
) -> dict[str, Any]:
    kept = {"channel": where.channel, "thread": where.thread, "url": where.url, **more}
    field = PlainTextInputElement(
        action_id=ACTION,
        multiline=True,
        max_length=max_length,
        placeholder=PlainTextObject(text=words.placeholder),
    )
    view = View(
        type="modal",
        callback_id=callback_id,
        private_metadata=json.dumps(kept),
        title=PlainTextObject(text=words.title),
        submit=PlainTextObject(text=words.submit),
        close=PlainTextObject(text=wording.CLOSE),
        blocks=[
            InputBlock(
                block_id=BLOCK,
                label=PlainTextObject(text=words.label),
                element=field,
                optional=optional,
            )
        ],
    )
    return dict(view.to_dict())
