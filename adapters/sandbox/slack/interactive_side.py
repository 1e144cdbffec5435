"""What a person does beyond writing and reacting: the `Interactive` half of the loopback Slack."""

from collections.abc import Mapping, Sequence

from adapters.sandbox.interactive import CommandView, ModalView
from adapters.sandbox.platform import ControlError
from adapters.sandbox.slack.agents import stop, stoppable
from adapters.sandbox.slack.directory import AWAY_IDS, USER_IDS
from adapters.sandbox.slack.interactions import Interactions
from adapters.sandbox.slack.modals import Modal, Modals
from adapters.sandbox.slack.person import (
    check_person,
    message_in,
    modal_view,
    room_of,
    seen_message,
)
from adapters.sandbox.slack.settings import COMMANDS, Knobs
from adapters.sandbox.slack.workspace import Workspace


class InteractiveSide:
    """People by their handles and channels by their names, over `Interactions`."""

    away: tuple[str, ...] = tuple(AWAY_IDS)

    def __init__(
        self, workspace: Workspace, knobs: Knobs, modals: Modals, interactions: Interactions
    ) -> None:
        self.workspace = workspace
        self.knobs = knobs
        self._modals = modals
        self._interactions = interactions

    async def press(self, *, channel: str, message: str, user: str, button: str) -> None:
        """Press a button under a message, or a private one. Raises ControlError."""
        room = room_of(self.workspace, channel, user)
        found = seen_message(room, message, USER_IDS[user])
        await self._interactions.press(room, found, USER_IDS[user], button)

    async def command(
        self, *, channel: str, user: str, text: str, thread: str | None = None
    ) -> None:
        """Run a slash command. Raises ControlError, in a thread always: Slack has none there."""
        room = room_of(self.workspace, channel, user)
        if thread is not None:
            raise ControlError(f"{text.split()[0]} is not supported in threads. Sorry!")
        await self._interactions.command(room, USER_IDS[user], text)

    async def shortcut(self, *, channel: str, message: str, user: str, name: str) -> None:
        """Use an entry of a message's menu. Raises ControlError."""
        room = room_of(self.workspace, channel, user)
        found = message_in(room, message)
        await self._interactions.shortcut(room, found, USER_IDS[user], name)

    async def submit(self, *, user: str, modal: str, values: Mapping[str, str]) -> None:
        """Hand in the modal that is open before a person. Raises ControlError."""
        await self._interactions.submit(self._top(user, modal), values)

    async def dismiss(self, *, user: str, modal: str) -> None:
        """Close the modal that is open before a person. Raises ControlError."""
        await self._interactions.dismiss(self._top(user, modal))

    async def press_in_modal(self, *, user: str, modal: str, button: str) -> None:
        """Press a button in the modal that is open before a person. Raises ControlError."""
        await self._interactions.press_in_modal(self._top(user, modal), button)

    def modal(self, *, user: str) -> ModalView | None:
        """The modal that a person sees. Raises ControlError."""
        check_person(self.workspace, user)
        top = self._modals.top(USER_IDS[user])
        return None if top is None else modal_view(top)

    def commands(self) -> Sequence[CommandView]:
        """The slash commands, as the page offers them."""
        return [one for one in COMMANDS if f"/{one.name.split()[0]}" in self.knobs.commands]

    def shortcuts(self) -> Sequence[str]:
        """The entries of a message's menu."""
        return tuple(self.knobs.shortcuts)

    async def stop(self, *, channel: str, user: str, thread: str | None = None) -> None:
        """Press Slack's own Stop in a thread, or where it was shown last. Raises ControlError."""
        room = room_of(self.workspace, channel, user)
        shown = stoppable(self.workspace, room)
        if not shown or thread not in (None, *shown):
            raise ControlError("Slack shows no Stop there")
        stop(self.workspace, room, thread or shown[-1], USER_IDS[user])

    def _top(self, user: str, modal: str) -> Modal:
        check_person(self.workspace, user)
        top = self._modals.top(USER_IDS[user])
        if top is None or top.id != modal:
            raise ControlError(f"the modal {modal!r} is not before {user}")
        return top
