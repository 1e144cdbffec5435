"""The desk of both platforms: what comes of a pressed button, a command and a form, and what the
person is told of it.

Owns no state and no rights: holding answers is `bot.hold`'s, votes are `bot.feedback.voting`'s,
commands have a room of their own. Everything is durable once it returns, and may be repeated at
once when the store was away.
"""

from typing import Final, Protocol

import structlog

from adapters import wording
from adapters.interaction import Command, Form, Press, Said
from bot.access import Refused
from bot.domain import Control, Conversation, Person, Standing
from bot.feedback.voting import Voting
from bot.hold import Held, Hold
from bot.store.reasons import LONGEST, Reasons
from bot.store.votes import Sign
from bot.words import Word

log = structlog.get_logger()

WISHES: Final[dict[Control, Word]] = {"stop": "stop", "again": "again", "continue": "continue"}
SIGNS: Final[dict[Control, Sign]] = {"up": "+", "down": "-"}


class Commands(Protocol):
    """What answers commands, and takes the forms that they open. Both raise StoreUnavailable."""

    async def run(self, command: Command) -> Said:
        """Do what a command says."""

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        """Take a form that a command opened."""


class FrontDesk:
    """The desk of one process."""

    def __init__(self, hold: Hold, voting: Voting, reasons: Reasons, commands: Commands) -> None:
        self._hold = hold
        self._voting = voting
        self._reasons = reasons
        self._commands = commands

    async def press(self, press: Press) -> Said | None:
        """A button was pressed; None where the channel shows what came of it.

        Raises StoreUnavailable.
        """
        if press.standing.is_bot:
            return Said(wording.BOTS_DECIDE_NOTHING)
        if (sign := SIGNS.get(press.control)) is not None:
            return await self._voted(press, sign)
        wish = WISHES[press.control]
        outcome = await self._hold.by_turn(wish, press.turn, press.person, press.standing)
        return _told(outcome)

    async def stop_in(
        self, conversation: Conversation, person: Person, standing: Standing
    ) -> Said | None:
        """Stop what is being answered in a conversation; None where it is stopped.

        Raises StoreUnavailable.
        """
        outcome = await self._hold.stop_in(conversation, person, standing)
        return Said(wording.NOTHING_RUNS) if outcome == "ended" else _told(outcome)

    async def command(self, command: Command) -> Said:
        """A command was given. Raises StoreUnavailable."""
        return await self._commands.run(command)

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        """A form was sent. Raises StoreUnavailable."""
        if form.kind != "reason":
            return await self._commands.filled(form, person, text)
        if not await self._voting.knows(form.about):
            return Said(wording.FORGOTTEN)
        if not text.strip():
            return Said(wording.REASON_EMPTY)
        kept = await self._reasons.keep(form.about, person, text)
        log.info("reason", turn=form.about, person=person.key, characters=len(kept))
        if len(kept) < len(text.strip()):
            return Said(wording.REASON_CUT.format(count=LONGEST))
        return Said(wording.REASON_KEPT)

    async def _voted(self, press: Press, sign: Sign) -> Said:
        change = await self._voting.press(press.turn, press.person, sign)
        if change is None:
            return Said(wording.FORGOTTEN)
        line = wording.voted(change.now, pressed=change.pressed is True)
        if change.now == -1 and change.pressed:
            return Said(f"{line} {wording.SAY_WHY}", Form("reason", press.turn))
        return Said(line)


def _told(outcome: Held) -> Said | None:
    """What a person is told of a wish; None where it was granted."""
    if isinstance(outcome, Refused):
        return Said(wording.not_allowed(outcome.reason))
    line = wording.not_held(outcome)
    return None if line is None else Said(line)
