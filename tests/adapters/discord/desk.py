"""A desk that keeps what reaches it and says what a test wants."""

import asyncio
from dataclasses import dataclass, field

from adapters.interaction import Command, Form, Press, Said
from bot.domain import Conversation, Person, Standing


@dataclass
class RecordingDesk:
    """`Desk`, without anything behind it."""

    says: Said | None = field(default_factory=lambda: Said("Noted."))
    takes_s: float = 0.0
    fails: Exception | None = None
    presses: list[Press] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    forms: list[tuple[Form, Person, str]] = field(default_factory=list)

    async def press(self, press: Press) -> Said | None:
        self.presses.append(press)
        return await self._said()

    async def stop_in(
        self, conversation: Conversation, person: Person, standing: Standing
    ) -> Said | None:
        raise NotImplementedError("Discord has no Stop of its own")

    async def command(self, command: Command) -> Said:
        self.commands.append(command)
        said = await self._said()
        assert said is not None
        return said

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        self.forms.append((form, person, text))
        said = await self._said()
        assert said is not None
        return said

    async def _said(self) -> Said | None:
        await asyncio.sleep(self.takes_s)
        if self.fails is not None:
            raise self.fails
        return self.says
