"""The commands under `/candor`, for both platforms: what each does, and what the person is told.

Changes nothing for somebody who may not ask here; what people have a right to (why, privacy,
forget) and help are for everybody. Needs nothing of a message's content but the command's own.
"""

import difflib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

import structlog

from adapters import wording
from adapters.interaction import Command, Form, Said
from bot.domain import Person, Platform, Release
from bot.gate import Gate
from bot.persona import NOTHING, Persona, Unfit, sampled, sampling_of, told
from bot.store.forgetting import Forgetting
from bot.store.people import People
from bot.store.personas import Personas
from bot.store.refusals import Refusals
from bot.store.remarks import Remarks
from bot.store.stats import Activity
from bot.store.turns import Turns

log = structlog.get_logger()

DAY_S: Final = 86_400.0
CHANGING: Final = frozenset({"new", "persona", "feedback"})
"""Commands that change something, and so are only for those who may ask."""

Lacks = Callable[[Platform], Sequence[str]]
"""Sentences about what does not work on a platform, and why."""


class Commands:
    """The commands; every method raises StoreUnavailable."""

    def __init__(
        self,
        *,
        gate: Gate,
        turns: Turns,
        people: People,
        personas: Personas,
        activity: Activity,
        forgetting: Forgetting,
        refusals: Refusals,
        remarks: Remarks,
        release: Release,
        contact: str,
        lacks: Lacks = lambda platform: (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`contact` is whom people may ask, "" for whoever runs the bot."""
        self._gate = gate
        self._turns = turns
        self._people = people
        self._personas = personas
        self._activity = activity
        self._forgetting = forgetting
        self._refusals = refusals
        self._remarks = remarks
        self._release = release
        self._contact = contact
        self._lacks = lacks
        self._clock = clock
        self._known: Mapping[str, Callable[[Command], Awaitable[Said]]] = {
            "help": self._help,
            "new": self._new,
            "model": self._model,
            "persona": self._persona,
            "stats": self._stats,
            "privacy": self._privacy,
            "forget": self._forget,
            "why": self._why,
            "feedback": self._feedback,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The commands that there are."""
        return tuple(self._known)

    async def run(self, command: Command) -> Said:
        """Do what a command asks, and what to tell its person; help for an unknown one."""
        command = replace(command, name=command.name.strip().lower() or "help")
        answer = self._known.get(command.name)
        if answer is None:
            near = difflib.get_close_matches(command.name, self._known, n=1)
            unknown = command.name[:40].replace("`", "'")
            return self._helped(command, unknown, near[0] if near else "")
        if command.name in CHANGING and not _only_shows(command):
            refused = await self._gate.refuses(
                command.person, command.standing, command.where, command.parent
            )
            if refused is not None:
                return Said(wording.not_allowed(refused.reason))
        return await answer(command)

    async def filled(self, form: Form, person: Person, text: str) -> Said:
        """Keep what a person wrote in the feedback form."""
        if form.kind != "feedback":
            raise ValueError(f"a form of the kind {form.kind!r} is not for the commands")
        if not text.strip():
            return Said(wording.REMARK_EMPTY)
        await self._remarks.add(person, text)
        log.info("remark", person=person.key)
        return Said(wording.REMARK_KEPT)

    async def _help(self, command: Command) -> Said:
        return self._helped(command)

    def _helped(self, command: Command, unknown: str = "", nearest: str = "") -> Said:
        lacks = self._lacks(command.where.platform)
        return Said(wording.help_text(lacks, unknown, nearest))

    async def _new(self, command: Command) -> Said:
        if command.where.place == "channel":
            return Said(wording.NEW_IN_CHANNEL)
        await self._turns.begin_anew(command.where, self._clock())
        log.info("conversation begins anew", conversation=command.where.key)
        return Said(wording.NEW)

    async def _model(self, command: Command) -> Said:
        given = await self._personas.get(await self._personas.current(command.home))
        return Said(wording.model(self._release, sampling_of(self._release, given), given.id))

    async def _persona(self, command: Command) -> Said:
        if _only_shows(command):
            return await self._shown_persona(command)
        if not self._gate.is_moderator(command.person, command.standing):
            return Said(wording.PERSONA_FOR_MODERATORS)
        before = await self._personas.current(command.home)
        try:
            after = self._changed(await self._personas.get(before), command.text)
        except Unfit as unfit:
            return Said(f"{unfit} {wording.PERSONA_USAGE}")
        if after.id != before:
            if not await self._personas.change(
                command.home, before, after, command.person, self._clock()
            ):
                return Said(wording.PERSONA_RACE)
            await self._people.remember(command.person)
            log.info(
                "persona changed",
                person=command.person.key,
                home=command.home,
                before=before,
                after=after.id,
            )
        return await self._shown_persona(command)

    def _changed(self, before: Persona, text: str) -> Persona:
        what, _, rest = text.strip().partition(" ")
        match what.lower():
            case "text":
                return told(before, rest)
            case "sampling":
                return sampled(before, rest.split(), self._release.sampling.max_tokens)
            case "reset":
                return NOTHING
        raise Unfit(f"I don't know `{what[:40].replace('`', chr(39))}`.")

    async def _shown_persona(self, command: Command) -> Said:
        given = await self._personas.get(await self._personas.current(command.home))
        versions = await self._personas.versions(command.home, 1)
        since = ""
        if versions:
            [by] = await self._people.get_many([versions[0].by])
            since = f", since {wording.when(versions[0].at)}, by {by.name}"
        return Said(wording.persona(given, since))

    async def _stats(self, command: Command) -> Said:
        now = self._clock()
        week, month = await self._activity.since(command.home, now - 7 * DAY_S, now - 30 * DAY_S)
        return Said(wording.stats(week, month))

    async def _privacy(self, command: Command) -> Said:
        return Said(wording.privacy(self._contact))

    async def _forget(self, command: Command) -> Said:
        if command.text.strip().lower() != "me":
            return Said(wording.FORGET)
        done = await self._forgetting.forget(command.person, self._clock())
        log.info("person forgotten", questions=done.questions, votes=done.votes)
        return Said(wording.forgot(done))

    async def _why(self, command: Command) -> Said:
        refusal = await self._refusals.last(command.person)
        if refusal is None:
            return Said(wording.NOT_REFUSED)
        return Said(wording.why(refusal, self._contact))

    async def _feedback(self, command: Command) -> Said:
        if not command.text.strip():
            return Said(wording.FEEDBACK, Form("feedback"))
        return await self.filled(Form("feedback"), command.person, command.text)


def _only_shows(command: Command) -> bool:
    """Whether a persona is looked at, and nothing more."""
    return command.name == "persona" and command.text.strip().lower() in {"", "show"}
