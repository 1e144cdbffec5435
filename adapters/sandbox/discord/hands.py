"""What people do that the application has to answer: buttons, commands, menus of messages, forms.

Each act sends INTERACTION_CREATE and waits for the application's first answer, as the client does.
All raise ControlError, in the client's own words where the application stays silent.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from adapters.sandbox.discord import person
from adapters.sandbox.discord.commands import Commands
from adapters.sandbox.discord.components import BUTTON, buttons_of
from adapters.sandbox.discord.dispatch import Dispatch
from adapters.sandbox.discord.flags import MessageFlag
from adapters.sandbox.discord.ids import GUILD_ID
from adapters.sandbox.discord.interaction_forms import InputForm, submitted
from adapters.sandbox.discord.interaction_payload import interaction_event
from adapters.sandbox.discord.interactions import (
    COMMAND,
    COMPONENT,
    MODAL,
    Context,
    Interaction,
    Interactions,
)
from adapters.sandbox.discord.model import (
    AwayChannel,
    Channel,
    DirectChannel,
    Json,
    Message,
    TextChannel,
    Thread,
)
from adapters.sandbox.discord.payload import Payloads
from adapters.sandbox.discord.places import Places
from adapters.sandbox.discord.responses import OpenModal, Responses
from adapters.sandbox.discord.state import State
from adapters.sandbox.discord.typed import listed, typed
from adapters.sandbox.discord.whispers import Whispers
from adapters.sandbox.errors import ControlError
from adapters.sandbox.interactive import CommandView, FieldView, ModalView

SILENT: Final = {
    COMMAND: "The application did not respond",
    COMPONENT: "This interaction failed",
    MODAL: "Something went wrong. Try again.",
}
"""What the client says when there is no answer in time."""

_SLASH: Final = 1
_MENU: Final = 3


class Hands:
    """The acts of all people. `send` dispatches an event to the bot's sessions."""

    def __init__(
        self,
        *,
        state: State,
        places: Places,
        payloads: Payloads,
        commands: Commands,
        interactions: Interactions,
        responses: Responses,
        whispers: Whispers,
        send: Callable[[Dispatch], None],
        tell: Callable[[], None],
    ) -> None:
        self._state = state
        self._places = places
        self._payloads = payloads
        self._commands = commands
        self._interactions = interactions
        self._responses = responses
        self._whispers = whispers
        self._send = send
        self._tell = tell

    async def press(self, *, channel: str, message: str, user: str, button: str) -> None:
        """Press a button of a message, an ephemeral one included."""
        presser = person.person_id(self._state, user)
        found = self._seen(channel, message, presser)
        offered = {one.id: one for one in buttons_of(found.components)}
        if button not in offered:
            raise ControlError(f"no such button: {button[:100]!r}")
        if offered[button].disabled:
            raise ControlError("the button is disabled")
        place = self._state.channel(found.channel_id)
        owners = _owners(place, presser)
        if found.interaction is not None:
            # A component belongs to whoever's command made its message.
            owners = found.interaction["authorizing_integration_owners"]
        await self._act(
            self._interactions.open(
                COMPONENT,
                {"component_type": BUTTON, "custom_id": button, "id": 1},
                user_id=presser,
                channel_id=place.id,
                owners=owners,
                context=_context(place),
                source_id=found.id,
            ),
            found,
        )

    async def command(self, *, channel: str, user: str, text: str, thread: str | None) -> None:
        """Run a slash command as typed."""
        typist = person.person_id(self._state, user)
        with person.telling():
            place = self._places.to_speak(channel, typist, thread=thread)
        run = typed(person.storable(text), self._usable(_SLASH, place))
        data: Json = {
            "id": run.command["id"],
            "name": run.command["name"],
            "type": _SLASH,
            "options": run.options,
        }
        await self._command(data, typist, place)

    async def shortcut(self, *, channel: str, message: str, user: str, name: str) -> None:
        """Run a command of a message's menu; its target comes with all content."""
        asker = person.person_id(self._state, user)
        target = self._places.find(channel, message, asker)
        place = self._state.channel(target.channel_id)
        usable = {one["name"]: one for one in self._usable(_MENU, place)}
        if name not in usable:
            raise ControlError(f"no such entry in the menu: {name[:100]!r}")
        resolved = self._payloads.message(target, privileged=True)
        data: Json = {
            "id": usable[name]["id"],
            "name": name,
            "type": _MENU,
            "target_id": str(target.id),
            "resolved": {"messages": {str(target.id): resolved}},
        }
        await self._command(data, asker, place, target)

    async def submit(self, *, user: str, modal: str, values: Mapping[str, str]) -> None:
        """Hand the open form in; it stays open when the application does not answer."""
        filler, opened = self._opened(user, modal)
        inputs = opened.form.inputs()
        unknown = values.keys() - {field.custom_id for _, field in inputs}
        if unknown:
            raise ControlError(f"no such field: {min(unknown)[:100]!r}")
        filled = {
            field.custom_id: _fitting(label, field, values.get(field.custom_id, field.value or ""))
            for label, field in inputs
        }
        trigger = opened.trigger
        components = submitted(opened.form, filled)
        source = self._source(trigger)
        await self._act(
            self._interactions.open(
                MODAL,
                {"custom_id": opened.form.custom_id, "components": components},
                user_id=filler,
                channel_id=trigger.channel_id,
                owners=trigger.owners,
                context=trigger.context,
                source_id=trigger.source_id,
                trigger=trigger,
            ),
            source,
        )
        if self._responses.modals.get(filler) is opened:
            del self._responses.modals[filler]
            self._tell()

    def dismiss(self, *, user: str, modal: str) -> None:
        """Close the open form; the application is told nothing."""
        filler, _ = self._opened(user, modal)
        del self._responses.modals[filler]
        self._tell()

    def modal(self, *, user: str) -> ModalView | None:
        """The form that is open before the person."""
        opened = self._responses.modals.get(person.person_id(self._state, user))
        if opened is None:
            return None
        fields = tuple(
            FieldView(
                id=field.custom_id,
                label=label,
                value=field.value or "",
                placeholder=field.placeholder or "",
                required=field.required,
                multiline=field.style == 2,
                max_length=field.max_length or 4000,
            )
            for label, field in opened.form.inputs()
        )
        return ModalView(str(opened.trigger.id), opened.form.title, "Submit", fields)

    def commands(self) -> Sequence[CommandView]:
        """The slash commands of the guild."""
        return tuple(listed(self._commands.usable(_SLASH, 0, is_member=True)))

    def shortcuts(self) -> Sequence[str]:
        """The entries of messages' menus in the guild."""
        return tuple(one["name"] for one in self._commands.usable(_MENU, 0, is_member=True))

    def whispers(self, channel: str, user_id: int) -> list[Message]:
        """What the person alone sees in the channel and its threads, oldest first."""
        return [
            one
            for one in self._whispers.of(user_id)
            if self._places.reaches(self._state.channel(one.channel_id), channel, user_id)
        ]

    async def _command(
        self, data: Json, user_id: int, place: Channel, target: Message | None = None
    ) -> None:
        await self._act(
            self._interactions.open(
                COMMAND,
                data,
                user_id=user_id,
                channel_id=place.id,
                owners=_owners(place, user_id),
                context=_context(place),
                target_id=None if target is None else target.id,
            ),
            None,
        )

    async def _act(self, interaction: Interaction, source: Message | None) -> None:
        body = interaction_event(self._state, self._payloads, interaction, source)
        in_guild = self._payloads.in_guild(interaction.channel_id)
        self._send(
            Dispatch("INTERACTION_CREATE", None, in_guild, lambda _: body, interaction.channel_id)
        )
        try:
            async with asyncio.timeout(self._interactions.answer_s):
                await interaction.answered.wait()
        except TimeoutError:
            raise ControlError(SILENT[interaction.kind]) from None

    def _usable(self, kind: int, place: Channel) -> list[Json]:
        is_member = not isinstance(place, AwayChannel)
        return self._commands.usable(kind, _context(place), is_member=is_member)

    def _opened(self, user: str, modal: str) -> tuple[int, OpenModal]:
        filler = person.person_id(self._state, user)
        opened = self._responses.modals.get(filler)
        if opened is None or str(opened.trigger.id) != modal:
            raise ControlError(f"no such form: {modal[:40]!r}")
        return filler, opened

    def _seen(self, channel: str, message: str, user_id: int) -> Message:
        """A message that the person sees, which may be for them alone."""
        wanted = person.message_id(message)
        for one in self.whispers(channel, user_id):
            if one.id == wanted and not one.flags & MessageFlag.LOADING:
                return one
        return self._places.find(channel, message, user_id)

    def _source(self, trigger: Interaction) -> Message | None:
        """The message whose component opened the form, if it is still there."""
        if trigger.source_id is None:
            return None
        return self._whispers.find(trigger.source_id) or self._state.find_message(
            trigger.channel_id, trigger.source_id
        )


def _context(place: Channel) -> Context:
    if isinstance(place, DirectChannel):
        return 1
    is_group = isinstance(place, AwayChannel) and place.guild_id is None
    return 2 if is_group else 0


def _owners(place: Channel, user_id: int) -> Json:
    """Who installed the application: the guild, or with `1` the person alone."""
    if isinstance(place, TextChannel | Thread):
        return {"0": str(GUILD_ID)}
    return {"0": "0"} if isinstance(place, DirectChannel) else {"1": str(user_id)}


def _fitting(label: str, field: InputForm, value: str) -> str:
    person.storable(value)
    if field.required and not value:
        raise ControlError(f"{label}: missing")
    if value and len(value) < (field.min_length or 0):
        raise ControlError(f"{label}: must have at least {field.min_length} characters")
    if len(value) > (field.max_length or 4000):
        raise ControlError(f"{label}: must have at most {field.max_length or 4000} characters")
    return value
