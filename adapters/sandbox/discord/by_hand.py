"""The part of the world that is `Interactive`: what people do that the application answers."""

from collections.abc import Mapping, Sequence

from adapters.sandbox.discord.hands import Hands
from adapters.sandbox.interactive import CommandView, ModalView


class ByHand:
    """The acts of people, handed on to the world's `Hands`; all raise ControlError."""

    _hands: Hands

    async def press(self, *, channel: str, message: str, user: str, button: str) -> None:
        """Press a button and wait for the bot's answer."""
        await self._hands.press(channel=channel, message=message, user=user, button=button)

    async def command(
        self, *, channel: str, user: str, text: str, thread: str | None = None
    ) -> None:
        """Run a slash command as typed and wait for the bot's answer."""
        await self._hands.command(channel=channel, user=user, text=text, thread=thread)

    async def shortcut(self, *, channel: str, message: str, user: str, name: str) -> None:
        """Use an entry of a message's menu and wait for the bot's answer."""
        await self._hands.shortcut(channel=channel, message=message, user=user, name=name)

    async def submit(self, *, user: str, modal: str, values: Mapping[str, str]) -> None:
        """Hand in the form that is open and wait for the bot's answer."""
        await self._hands.submit(user=user, modal=modal, values=values)

    async def dismiss(self, *, user: str, modal: str) -> None:
        """Close the form that is open."""
        self._hands.dismiss(user=user, modal=modal)

    def modal(self, *, user: str) -> ModalView | None:
        """The form that is open before the person, if any."""
        return self._hands.modal(user=user)

    def commands(self) -> Sequence[CommandView]:
        """The slash commands that the bot registered."""
        return self._hands.commands()

    def shortcuts(self) -> Sequence[str]:
        """The entries of messages' menus that the bot registered."""
        return self._hands.shortcuts()
