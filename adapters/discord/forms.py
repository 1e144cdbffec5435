"""The forms (modals) that people fill in, and reading them back after any restart.

discord.py knows a form by the object that was sent; here its id says what it is, and what came is
read from the interaction itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import discord

from adapters.interaction import Form, FormKind

FIELD: Final = "text"
MAX_CHARS: Final = 2000

_ASK: Final = "candor:ask:"

_WORDS: Final[dict[FormKind, tuple[str, str]]] = {
    "reason": ("What was wrong?", "Only whoever runs me reads this"),
    "feedback": ("Feedback", "Only whoever runs me reads this"),
}
"""Title and label."""


def modal_of(form: Form) -> discord.ui.Modal:
    """The form of a kind."""
    title, label = _WORDS[form.kind]
    return _modal(title, form.id, label, MAX_CHARS, required=True)


def question_modal(key: str, most: int) -> discord.ui.Modal:
    """The form for a question about a message; `key` is what it is found by again."""
    label = "Your question (may stay empty)"
    return _modal("Ask Candor about this", f"{_ASK}{key}", label, most, required=False)


def question_key(custom_id: str) -> str | None:
    """The key of a form for a question; None for any other."""
    return custom_id.removeprefix(_ASK) if custom_id.startswith(_ASK) else None


def text_in(data: Mapping[str, Any]) -> str:
    """What stands in the text field of a form that came in."""
    return next((str(one.get("value") or "") for one in _fields(data)), "").strip()


def _fields(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The text field, in a label or in a row, as Discord nests it."""
    inner = [*(node.get("components") or ()), node.get("component")]
    for one in inner:
        if isinstance(one, Mapping):
            if one.get("custom_id") == FIELD:
                yield one
            yield from _fields(one)


def _modal(
    title: str, custom_id: str, label: str, most: int, *, required: bool
) -> discord.ui.Modal:
    modal = discord.ui.Modal(title=title, custom_id=custom_id, timeout=None)
    field: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=FIELD, style=discord.TextStyle.long, max_length=most, required=required
    )
    modal.add_item(discord.ui.Label(text=label, component=field))
    modal.stop()  # or discord.py would keep it for ever
    return modal
