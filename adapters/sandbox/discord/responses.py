"""What the application answers to interactions: callbacks, follow-ups, and edits of both.

All raise ApiError for what Discord would refuse. A deferred answer is a message that loads; the
first follow-up fills it in, and where it was ephemeral it stays so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from adapters.sandbox.discord import messages
from adapters.sandbox.discord.changes import MessageChanged
from adapters.sandbox.discord.drafts import Draft, Edit, rewritten, written
from adapters.sandbox.discord.errors import ApiError, Refusal, invalid_field, not_modelled
from adapters.sandbox.discord.flags import MessageFlag
from adapters.sandbox.discord.forms import checked
from adapters.sandbox.discord.ids import BOT_USER_ID
from adapters.sandbox.discord.interaction_forms import (
    DEFERRED,
    DEFERRED_UPDATE,
    MESSAGE,
    OPEN_MODAL,
    UPDATE,
    ModalForm,
)
from adapters.sandbox.discord.interaction_payload import metadata
from adapters.sandbox.discord.interactions import COMMAND, COMPONENT, MODAL, Interaction
from adapters.sandbox.discord.model import (
    DEFAULT,
    MENU_ANSWER,
    REPLY,
    SLASH_ANSWER,
    Json,
    Message,
    Reference,
)
from adapters.sandbox.discord.state import State
from adapters.sandbox.discord.whispers import Whispers

FOLLOW_UPS_BY_USER: Final = 5
"""Follow-ups to one interaction where only the person installed the application (Followup Messages,
Receiving and Responding to Interactions)."""


@dataclass(frozen=True, slots=True)
class OpenModal:
    """A form before a person, and the interaction that it answered."""

    trigger: Interaction
    form: ModalForm


class Responses:
    """The transitions; `tell` is called when what one person alone sees has changed."""

    def __init__(self, state: State, whispers: Whispers, tell: Callable[[], None]) -> None:
        self._state = state
        self._whispers = whispers
        self._tell = tell
        self.modals: dict[int, OpenModal] = {}

    def defer(self, interaction: Interaction, flags: int) -> Message:
        """Type 5: a message that loads."""
        draft = Draft(flags=(flags & MessageFlag.EPHEMERAL) | MessageFlag.LOADING)
        interaction.is_loading = True
        return self._first(interaction, DEFERRED, draft)

    def answer(self, interaction: Interaction, draft: Draft) -> Message:
        """Type 4: a message."""
        return self._first(interaction, MESSAGE, draft)

    def defer_update(self, interaction: Interaction) -> None:
        """Type 6: nothing to see; `@original` is the message whose component was used."""
        self._require_component(interaction)
        interaction.original_id = interaction.source_id
        self._settle(interaction, DEFERRED_UPDATE)

    def update(self, interaction: Interaction, edit: Callable[[Message], Edit]) -> Message:
        """Type 7: edit the message whose component was used."""
        self._require_component(interaction)
        source = self.message(interaction, interaction.source_id)
        changed = self.change(interaction, source, edit(source))
        interaction.original_id = changed.id
        self._settle(interaction, UPDATE)
        return changed

    def open_modal(self, interaction: Interaction, data: Json) -> None:
        """Type 9: a form before the person; a submitted form opens no other."""
        if interaction.kind == MODAL:
            raise invalid_field("type", "BASE_TYPE_CHOICES", "A modal cannot answer a modal")
        form = checked(ModalForm, data)
        form.inputs()
        self.modals[interaction.user_id] = OpenModal(interaction, form)
        self._settle(interaction, OPEN_MODAL)

    def follow_up(self, interaction: Interaction, draft: Draft) -> Message:
        """Another message; the first after a deferred answer fills that one in."""
        if interaction.is_loading:
            loading = self.message(interaction, interaction.original_id)
            edit = Edit(
                content=draft.content,
                embeds=draft.embeds,
                components=draft.components,
                attachments=draft.attachments,
                flags=draft.flags | (loading.flags & MessageFlag.EPHEMERAL),
                allowed=draft.allowed,
            )
            return self.change(interaction, loading, edit)
        if interaction.is_by_user_alone and interaction.num_follow_ups >= FOLLOW_UPS_BY_USER:
            raise ApiError(Refusal.TOO_MANY_FOLLOW_UPS)
        original = interaction.original_id
        pointer = None if original is None else Reference(interaction.channel_id, original)
        about = metadata(self._state, interaction, original_id=original)
        message = self._send(
            interaction, replace(draft, type=REPLY, reference=pointer, interaction=about)
        )
        interaction.num_follow_ups += 1
        return message

    def message(self, interaction: Interaction, message_id: int | None) -> Message:
        """One of the messages that the token reaches; raises 10008."""
        found = None
        if message_id is not None:
            found = self._whispers.find(message_id) or self._state.find_message(
                interaction.channel_id, message_id
            )
        reached = {interaction.original_id, interaction.source_id}
        if found is None or not (found.id in reached or _is_of(found, interaction)):
            raise ApiError(Refusal.UNKNOWN_MESSAGE)
        return found

    def change(self, interaction: Interaction, message: Message, edit: Edit) -> Message:
        """Edit one of them; what loads is done with that."""
        loads = bool(message.flags & MessageFlag.LOADING)
        kept = message.flags & MessageFlag.EPHEMERAL
        if loads:
            interaction.is_loading = False
            message = replace(message, flags=message.flags & ~MessageFlag.LOADING)
            edit = replace(edit, flags=(edit.flags or 0) | kept)
        changed = rewritten(self._state, message, edit)
        if loads:
            changed = replace(changed, edited_at=None)
        self._put(changed)
        return changed

    def remove(self, message: Message) -> None:
        """Delete one of them."""
        if message.seen_by is None:
            messages.delete(self._state, message, BOT_USER_ID)
        else:
            self._whispers.drop(message)
            self._tell()

    def _first(self, interaction: Interaction, kind: int, draft: Draft) -> Message:
        pointer = (
            Reference(interaction.channel_id, interaction.source_id)
            if interaction.kind == COMPONENT and interaction.source_id is not None
            else None
        )
        about = metadata(self._state, interaction)
        message = self._send(
            interaction,
            replace(draft, type=_type(interaction), reference=pointer, interaction=about),
        )
        interaction.original_id = message.id
        self._settle(interaction, kind)
        return message

    def _send(self, interaction: Interaction, draft: Draft) -> Message:
        channel = self._state.channel(interaction.channel_id)
        if not draft.flags & MessageFlag.EPHEMERAL:
            return messages.create(self._state, channel, BOT_USER_ID, draft)
        if draft.attachments:
            raise not_modelled("attachments", "files in ephemeral messages")
        message = written(self._state, channel, BOT_USER_ID, draft, seen_by=interaction.user_id)
        self._put(message)
        return message

    def _put(self, message: Message) -> None:
        if message.seen_by is None:
            self._state.put_message(message)
            self._state.emit(MessageChanged(message))
        else:
            self._whispers.put(message)
            self._tell()

    def _settle(self, interaction: Interaction, kind: int) -> None:
        interaction.answer = kind
        interaction.answered.set()
        self._tell()

    def _require_component(self, interaction: Interaction) -> None:
        if interaction.source_id is None:
            raise invalid_field("type", "BASE_TYPE_CHOICES", "There is no message to update")


def _type(interaction: Interaction) -> int:
    """The type of the message that answers the interaction."""
    match interaction.kind:
        case 2:
            return SLASH_ANSWER if interaction.data["type"] == 1 else MENU_ANSWER
        case 3:
            return REPLY
        case 5 if interaction.trigger is not None and interaction.trigger.kind == COMMAND:
            return _type(interaction.trigger)
        case _:
            return DEFAULT


def _is_of(message: Message, interaction: Interaction) -> bool:
    """Whether the message answers that very interaction."""
    return message.interaction is not None and message.interaction["id"] == str(interaction.id)
