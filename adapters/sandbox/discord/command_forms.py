"""Application commands as they are registered: the form, and what of it this world can offer."""

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from adapters.sandbox.discord.errors import invalid_field, not_modelled

SUBCOMMAND: Final = 1
GROUP: Final = 2
MODELLED: Final = frozenset({SUBCOMMAND, GROUP, 3, 4, 5, 10})
"""Option types: a subcommand, a group of them, text, whole number, yes or no, number."""

_NAME: Final = re.compile(r"[\w'-]{1,32}")


class ChoiceForm(BaseModel):
    """One of the values that an option may have."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    value: str | int | float


class OptionForm(BaseModel):
    """An option of a slash command, or a subcommand with options of its own."""

    type: Annotated[int, Field(ge=1, le=11)]
    name: Annotated[str, Field(min_length=1, max_length=32)]
    description: Annotated[str, Field(min_length=1, max_length=100)]
    required: bool = False
    choices: Annotated[list[ChoiceForm], Field(max_length=25)] = []
    options: Annotated[list["OptionForm"], Field(max_length=25)] = []
    min_length: Annotated[int, Field(ge=0, le=6000)] | None = None
    max_length: Annotated[int, Field(ge=1, le=6000)] | None = None
    autocomplete: bool = False


class CommandForm(BaseModel):
    """One application command; what is not checked here is kept as it came."""

    type: Literal[1, 2, 3] = 1
    name: Annotated[str, Field(min_length=1, max_length=32)]
    description: Annotated[str, Field(max_length=100)] = ""
    options: Annotated[list[OptionForm], Field(max_length=25)] = []
    integration_types: list[Literal[0, 1]] | None = None
    contexts: list[Literal[0, 1, 2]] | None = None

    def require_modelled(self) -> None:
        """Raise 50035 for names that Discord refuses and for what nobody could use here."""
        if self.type != 1:
            return
        _require_name(self.name)
        _require_options(self.options)


def _require_options(options: list[OptionForm]) -> None:
    for option in options:
        _require_name(option.name)
        if option.type not in MODELLED:
            raise not_modelled("options", f"options of type {option.type}")
        if option.autocomplete:
            raise not_modelled("options", "autocomplete")
        _require_options(option.options)
    required = [option.required for option in options]
    if required != sorted(required, reverse=True):
        raise invalid_field(
            "options",
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
            "Required options must be placed before non-required options",
        )


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name != name.lower():
        raise invalid_field("name", "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid")
