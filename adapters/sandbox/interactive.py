"""What a person can do besides writing and reacting: press, command, use a shortcut, fill in.

A platform that models it is `Interactive` as well as a `Platform`. Each act is over when the bot's
application has answered it as the platform demands; what it answered with shows in the person's
messages (`MessageView.private`, for what nobody else sees) or in their open form.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

AWAY: tuple[str, ...] = ("elsewhere", "group")
"""Channels where the bot is not, by name; a platform has those that it lists in `away`.

`elsewhere` is a channel that it is no member of (Discord: of a guild that it is not in), `group` a
conversation of several people without it (Discord alone). What people write there it never sees.
"""


@dataclass(frozen=True, slots=True)
class FieldView:
    """One text field of a form; `id` is what its value is handed in under."""

    id: str
    label: str
    value: str
    placeholder: str
    required: bool
    multiline: bool
    max_length: int


@dataclass(frozen=True, slots=True)
class ModalView:
    """A form that is open before one person; they fill it in or close it."""

    id: str
    title: str
    submit: str
    fields: tuple[FieldView, ...]


@dataclass(frozen=True, slots=True)
class CommandView:
    """A slash command as it is typed, without the slash: `candor help`, and what it says it does.

    `takes_text` tells whether words of the person's own follow.
    """

    name: str
    about: str
    takes_text: bool


@runtime_checkable
class Interactive(Protocol):
    """Acts of people that the bot's application answers.

    All raise ControlError for what does not exist or cannot be done by that person there, and for
    an application that does not answer in time or is not connected.
    """

    away: tuple[str, ...]

    async def press(self, *, channel: str, message: str, user: str, button: str) -> None:
        """Press the button of that id under a message that the person sees."""

    async def command(
        self, *, channel: str, user: str, text: str, thread: str | None = None
    ) -> None:
        """Run a slash command as typed, `/` first: `/ask what is candour?`, `/candor help`."""

    async def shortcut(self, *, channel: str, message: str, user: str, name: str) -> None:
        """Use the entry of that name in a message's menu."""

    async def submit(self, *, user: str, modal: str, values: Mapping[str, str]) -> None:
        """Hand in the open form; `values` by the ids of its fields, absent ones as they stand."""

    async def dismiss(self, *, user: str, modal: str) -> None:
        """Close the open form without handing it in."""

    def modal(self, *, user: str) -> ModalView | None:
        """The form that is open before the person, if any."""

    def commands(self) -> Sequence[CommandView]:
        """The slash commands that people can type now."""

    def shortcuts(self) -> Sequence[str]:
        """The entries of a message's menu that come from applications."""
