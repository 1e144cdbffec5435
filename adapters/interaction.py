"""What people do with an answer other than reacting to it, and what they are told: the nouns that
both platforms' buttons, commands and forms are translated into.
"""

from dataclasses import dataclass
from typing import Literal, Protocol

from bot.domain import NOBODY, Control, Conversation, Person, Standing

FormKind = Literal["reason", "feedback"]

CONTROLS: tuple[Control, ...] = ("stop", "again", "continue", "up", "down")
FORMS: tuple[FormKind, ...] = ("reason", "feedback")

_PREFIX = "candor"


@dataclass(frozen=True, slots=True)
class Press:
    """Somebody pressed a button under an answer."""

    turn: str
    control: Control
    person: Person
    standing: Standing = NOBODY


@dataclass(frozen=True, slots=True)
class Command:
    """A command of ours, such as `/candor persona text …`: its name, and what came after it.

    `parent` is the channel that a thread hangs in, as in `Incoming`.
    """

    name: str
    text: str
    person: Person
    where: Conversation
    standing: Standing = NOBODY
    parent: str | None = None

    @property
    def home(self) -> str:
        """The channel whose persona and numbers are meant: `slack/C0123ABCD`."""
        return f"{self.where.platform}/{self.parent or self.where.channel}"


@dataclass(frozen=True, slots=True)
class Form:
    """A form with one field of text; `about` is the turn, or "" for none."""

    kind: FormKind
    about: str = ""

    @property
    def id(self) -> str:
        """What a platform gives back of it."""
        return f"{_PREFIX}:form:{self.kind}:{self.about}"


@dataclass(frozen=True, slots=True)
class Said:
    """What a person is told, privately; with a form, which is theirs to open."""

    text: str
    form: Form | None = None


class Desk(Protocol):
    """Where interactions of both platforms arrive. All raise StoreUnavailable."""

    async def press(self, press: Press) -> Said | None:
        """A button was pressed; None where the channel shows what came of it."""

    async def stop_in(
        self, conversation: Conversation, person: Person, standing: Standing
    ) -> Said | None:
        """Stop what is being answered in a conversation."""

    async def command(self, command: Command) -> Said:
        """A command was given."""

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        """A form was sent."""


def button_id(control: Control, turn: str) -> str:
    """What a platform keeps with a button, so that it works without any state of ours."""
    return f"{_PREFIX}:{control}:{turn}"


def pressed(id_: str) -> tuple[Control, str] | None:
    """The control and the turn of a button's id; None for any other."""
    prefix, _, rest = id_.partition(":")
    control, _, turn = rest.partition(":")
    if prefix != _PREFIX or control not in CONTROLS or not turn:
        return None
    return control, turn


def form_of(id_: str) -> Form | None:
    """The form of an id; None for any other."""
    prefix, _, rest = id_.partition(":")
    what, _, rest = rest.partition(":")
    kind, _, about = rest.partition(":")
    if prefix != _PREFIX or what != "form" or kind not in FORMS:
        return None
    return Form(kind, about)
