"""A desk at which nothing is done: it tells people so, for a bot that was wired without one."""

from adapters import wording
from adapters.interaction import Command, Form, Press, Said
from bot.domain import Conversation, Person, Standing


class ClosedDesk:
    """Answers every act with the same honest line."""

    async def press(self, press: Press) -> Said | None:
        """A button was pressed."""
        return Said(wording.NOT_HERE)

    async def stop_in(
        self, conversation: Conversation, person: Person, standing: Standing
    ) -> Said | None:
        """Slack's Stop was pressed."""
        return Said(wording.NOT_HERE)

    async def command(self, command: Command) -> Said:
        """A command was given."""
        return Said(wording.NOT_HERE)

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        """A form was sent."""
        return Said(wording.NOT_HERE)
