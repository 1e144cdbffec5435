"""What a message may carry of components: rows of buttons, or a whole layout (Components V2)."""

from collections.abc import Iterator, Sequence
from typing import Final

from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field
from adapters.sandbox.discord.model import Json, Message

MAX_ROWS: Final = 5
MAX_COMPONENTS: Final = 40
MAX_DISPLAY_TEXT: Final = 4000
ACTION_ROW: Final = 1
TEXT_DISPLAY: Final = 10


def require_rows(components: Sequence[Json]) -> None:
    """Raise 50035 unless these are at most five action rows."""
    if len(components) > MAX_ROWS or any(one.get("type") != ACTION_ROW for one in components):
        raise invalid_field(
            "components",
            "BASE_TYPE_CHOICES",
            f"Must be {MAX_ROWS} or fewer action rows without MessageFlags.IS_COMPONENTS_V2",
        )


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


def _flatten(components: Sequence[Json]) -> Iterator[Json]:
    """Every component with those inside it."""
    for one in components:
        yield one
        inside = one.get("components")
        inner = [*(inside if isinstance(inside, list) else ())]
        inner += [one.get("component"), one.get("accessory")]
        yield from _flatten([part for part in inner if isinstance(part, dict)])
