"""The forms (modals) that people fill in, and reading them back after any restart.

discord.py knows a form by the object that was sent; here its id says what it is, and what came is
read from the interaction itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import discord

from adapters import wording
from adapters.interaction import Form
from adapters.wording import FormWords

FIELD: Final = "text"
MAX_CHARS: Final = 2000

_ASK: Final = "candor:ask:"


def modal_of(form: Form) -> discord.ui.Modal:
    """The form of a kind."""
    return _modal(wording.FORMS[form.kind], form.id, MAX_CHARS, required=True)


def question_modal(key: str, most: int) -> discord.ui.Modal:
    """The form for a question about a message; `key` is what it is found by again."""
    return _modal(wording.ASK_FORM, f"{_ASK}{key}", most, required=False)


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


def _modal(words: FormWords, custom_id: str, most: int, *, required: bool) -> discord.ui.Modal:
    modal = discord.ui.Modal(title=words.title, custom_id=custom_id, timeout=None)
    field: discord.ui.TextInput[Any] = discord.ui.TextInput(
        custom_id=FIELD,
        style=discord.TextStyle.long,
        placeholder=words.placeholder,
        max_length=most,
        required=required,
    )
    modal.add_item(discord.ui.Label(text=words.label, component=field))
    modal.stop()  # or discord.py would keep it for ever
    return modal
