"""What answers an interaction: callbacks and the forms (modals) that they may open."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from adapters.sandbox.discord.bodies import CreateForm
from adapters.sandbox.discord.errors import invalid_field, not_modelled
from adapters.sandbox.discord.flags import SENDABLE, MessageFlag
from adapters.sandbox.discord.forms import checked
from adapters.sandbox.discord.model import Json

MESSAGE: Final = 4
DEFERRED: Final = 5
DEFERRED_UPDATE: Final = 6
UPDATE: Final = 7
OPEN_MODAL: Final = 9
"""Callback types."""

_ROW: Final = 1
_INPUT: Final = 4
_TEXT: Final = 10
_LABEL: Final = 18


class CallbackForm(BaseModel):
    """POST of a callback; the data is read by its type."""

    type: int
    data: dict[str, Any] | None = None


class AnswerForm(CreateForm):
    """A message that answers: as one that is sent, and it may be ephemeral."""

    def sent_flags(self) -> int:
        """The flags that the message may carry."""
        return (self.flags or 0) & (SENDABLE | MessageFlag.EPHEMERAL)


class InputForm(BaseModel):
    """A text field of a modal."""

    type: Literal[4]
    custom_id: Annotated[str, Field(min_length=1, max_length=100)]
    style: Literal[1, 2]
    label: Annotated[str, Field(min_length=1, max_length=45)] | None = None
    min_length: Annotated[int, Field(ge=0, le=4000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=4000)] | None = None
    required: bool = True
    value: Annotated[str, Field(max_length=4000)] | None = None
    placeholder: Annotated[str, Field(max_length=100)] | None = None


class LabelForm(BaseModel):
    """The words over a field of a modal."""

    type: Literal[18]
    label: Annotated[str, Field(min_length=1, max_length=45)]
    description: Annotated[str, Field(max_length=100)] | None = None
    component: InputForm


class ModalForm(BaseModel):
    """The data of a callback of type 9."""

    custom_id: Annotated[str, Field(min_length=1, max_length=100)]
    title: Annotated[str, Field(min_length=1, max_length=45)]
    components: Annotated[list[Json], Field(min_length=1, max_length=5)]

    def inputs(self) -> list[tuple[str, InputForm]]:
        """The text fields with their labels; raises 50035 for what is none."""
        found = [_input(one) for one in self.components if one.get("type") != _TEXT]
        names = [field.custom_id for _, field in found]
        if len(names) != len(set(names)):
            raise invalid_field(
                "components",
                "COMPONENT_CUSTOM_ID_DUPLICATED",
                "Component custom id cannot be duplicated",
            )
        return found


def _input(component: Json) -> tuple[str, InputForm]:
    match component.get("type"):
        case 18:
            inner = component.get("component")
            if isinstance(inner, dict) and inner.get("type") != _INPUT:
                raise not_modelled("components", f"components of type {inner.get('type')}")
            label = checked(LabelForm, component)
            return label.label, label.component
        case 1:
            inside = component.get("components")
            if not isinstance(inside, list) or len(inside) != 1:
                raise invalid_field("components", "BASE_TYPE_BAD_LENGTH", "Must be 1 in length.")
            field = checked(InputForm, inside[0])
            if field.label is None:
                raise invalid_field("label", "BASE_TYPE_REQUIRED", "This field is required")
            return field.label, field
        case other:
            raise not_modelled("components", f"components of type {other} in a modal")


def submitted(modal: ModalForm, values: dict[str, str]) -> list[Json]:
    """The components as a modal's submission carries them."""
    return [_filled(one, values, number) for number, one in enumerate(modal.components, 1)]


def _filled(component: Json, values: dict[str, str], number: int) -> Json:
    if component.get("type") == _TEXT:
        return {"type": _TEXT, "id": number}
    _, field = _input(component)
    inner = {
        "type": _INPUT,
        "id": 100 + number,
        "custom_id": field.custom_id,
        "value": values[field.custom_id],
    }
    if component["type"] == _ROW:
        return {"type": _ROW, "id": number, "components": [inner]}
    return {"type": _LABEL, "id": number, "component": inner}
