"""What a message may carry of components: rows of buttons, or a whole layout (Components V2)."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field, invalid_form
from adapters.sandbox.discord.forms import checked
from adapters.sandbox.discord.model import Json, Message
from adapters.sandbox.platform import ButtonView

MAX_ROWS: Final = 5
MAX_COMPONENTS: Final = 40
MAX_DISPLAY_TEXT: Final = 4000
MAX_IN_ROW: Final = 5
ACTION_ROW: Final = 1
BUTTON: Final = 2
LINK: Final = 5
TEXT_DISPLAY: Final = 10


class EmojiForm(BaseModel):
    """The emoji on a button."""

    id: str | int | None = None
    name: str | None = None


class ButtonForm(BaseModel):
    """A button. A link (style 5) has an address, every other an id of the bot's own."""

    type: Literal[2]
    style: Literal[1, 2, 3, 4, 5]
    label: Annotated[str, Field(max_length=80)] | None = None
    emoji: EmojiForm | None = None
    custom_id: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    url: Annotated[str, Field(max_length=512)] | None = None
    disabled: bool = False


def require_rows(components: Sequence[Json]) -> None:
    """Raise 50035 unless these are at most five action rows, and their buttons valid."""
    if len(components) > MAX_ROWS or any(one.get("type") != ACTION_ROW for one in components):
        raise invalid_field(
            "components",
            "BASE_TYPE_CHOICES",
            f"Must be {MAX_ROWS} or fewer action rows without MessageFlags.IS_COMPONENTS_V2",
        )
    named: set[str] = set()
    for number, row in enumerate(components):
        inside = row.get("components")
        if not isinstance(inside, list) or not 1 <= len(inside) <= MAX_IN_ROW:
            raise _flawed(number, "BASE_TYPE_BAD_LENGTH", f"Must be between 1 and {MAX_IN_ROW}.")
        for one in inside:
            _require_component(number, one, named)


def _require_component(row: int, one: object, named: set[str]) -> None:
    if not isinstance(one, dict):
        raise _flawed(row, "DICT_TYPE_CONVERT", "Only dictionaries may be used")
    if one.get("type") == BUTTON:
        button = checked(ButtonForm, one)
        if not (button.label or button.emoji):
            raise _flawed(row, "BUTTON_COMPONENT_LABEL_OR_EMOJI_REQUIRED", "A button needs either")
        if (button.url is None) == (button.style == LINK) or (
            (button.custom_id is None) != (button.style == LINK)
        ):
            raise _flawed(row, "BUTTON_COMPONENT_INVALID_URL_OR_ID", "A custom id or a url must be")
    custom_id = one.get("custom_id")
    if custom_id in named:
        raise _flawed(
            row, "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"
        )
    if custom_id is not None:
        named.add(custom_id)


def _flawed(row: int, code: str, message: str) -> ApiError:
    return invalid_form({("components", row, "components"): [(code, message)]})


def require_layout(message: Message) -> None:
    """Raise unless the message is a valid layout: no content, no embeds, within the limits."""
    for name, present in (("content", message.content), ("embeds", message.embeds)):
        if present:
            raise invalid_field(
                name,
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                f"The '{name}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2",
            )
    every = list(_flatten(message.components))
    if not every:
        raise ApiError(Refusal.EMPTY_MESSAGE)
    shown = sum(
        len(str(one.get("content", ""))) for one in every if one.get("type") == TEXT_DISPLAY
    )
    if len(every) > MAX_COMPONENTS or shown > MAX_DISPLAY_TEXT:
        raise invalid_field(
            "components",
            "BASE_TYPE_MAX_LENGTH",
            f"Must be {MAX_COMPONENTS} or fewer, with {MAX_DISPLAY_TEXT} or fewer characters",
        )


def buttons_of(components: Sequence[Json]) -> Iterator[ButtonView]:
    """The buttons that can be pressed, in their order; links are none of them."""
    for one in _flatten(components):
        if one.get("type") == BUTTON and one.get("custom_id"):
            face = one.get("emoji") or {}
            label = " ".join(filter(None, [face.get("name"), one.get("label")]))
            yield ButtonView(one["custom_id"], label, bool(one.get("disabled")))


def _flatten(components: Sequence[Json]) -> Iterator[Json]:
    """Every component with those inside it."""
    for one in components:
        yield one
        inside = one.get("components")
        inner = [*(inside if isinstance(inside, list) else ())]
        inner += [one.get("component"), one.get("accessory")]
        yield from _flatten([part for part in inner if isinstance(part, dict)])
