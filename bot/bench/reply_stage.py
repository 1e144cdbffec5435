"""One stage of the reply bench: a platform under its limits, a bot, and people who ask at once."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
import psutil

from bot.bench.reply_model import Typist, question, takes_s
from bot.bench.reply_rows import Asked, Scene, are_final, shown
from bot.domain import Platform
from bot.soak.keeper import READY
from bot.soak.processes import Child, running
from bot.soak.sandbox import Message, Place, Sandbox
from bot.soak.sandbox_process import sandbox_process

_START_S: Final = 90.0
_LOOK_S: Final = 0.5
_PATIENCE_S: Final = 75.0
"""Seconds after the model's last token in which a last text may still come."""
_LENGTHS: Final = (3_400, 8_000)
PEOPLE: Final = 50

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """So many people ask at once: each in their direct message, or all in one channel."""

    name: str
    people: int
    is_apart: bool
    lengths: tuple[int, ...] = _LENGTHS


SCENARIOS: Final = {
    one.name: one
    for one in (
        Scenario("one", 1, is_apart=False, lengths=_LENGTHS[:1]),
        # A direct message is a channel with limits of its own, and all that a sandbox has more
        # than two of.
        Scenario("ten", 10, is_apart=True),
        Scenario("crowd", 10, is_apart=False),
        Scenario("fifty", 50, is_apart=True),
    )
}


@dataclass(frozen=True, slots=True)
class Stage:
    """`limits` is a name of the sandbox's; `order` tells how the scenarios follow each other."""

    name: str
    platform: Platform
    limits: str
    order: tuple[str, ...]
    is_streamed: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """Settings of the bot."""
        if self.platform != "slack":
            return {}
        return {"CANDOR_SLACK_STREAM": "true" if self.is_streamed else "false"}


@dataclass(slots=True)
class Played:
    """What a stage found."""

    stage: Stage
    scenes: list[Scene] = field(default_factory=list)
    cpu_s: float = 0.0

    @property
    def cpu_s_per_answer(self) -> float:
        """Seconds of the bot's process an answer, idle ones included."""
        return self.cpu_s / max(1, sum(len(one.answers) for one in self.scenes))


async def play(stage: Stage, model: str, typist: Typist, folder: Path, tell: Tell) -> Played:
    """Play the scenarios of a stage, one after the other, in a folder. Raises SoakError."""
    played = Played(stage)
    await asyncio.to_thread(folder.mkdir)
    async with _standing(stage, model, folder) as (sandbox, people, bot):
        process = psutil.Process(bot.pid)
        before = process.cpu_times()
        for name in stage.order:
            tell(f"{stage.name}: {name}")
            played.scenes.append(await _scene(stage, SCENARIOS[name], sandbox, people, typist))
        after = process.cpu_times()
        played.cpu_s = after.user + after.system - before.user - before.system
    tell(f"{stage.name}: done")
    return played


@asynccontextmanager
async def _standing(
    stage: Stage, model: str, folder: Path
) -> AsyncIterator[tuple[Sandbox, tuple[str, ...], Child]]:
    async with (
        sandbox_process(folder, PEOPLE) as process,
        aiohttp.ClientSession() as session,
    ):
        sandbox = Sandbox(process.url, session)
        await sandbox.limit(stage.platform, stage.limits)
        settings = {
            **process.settings([stage.platform]),
            **stage.settings,
            "CANDOR_STATE_DIR": str(folder / "state"),
            "CANDOR_MODEL_URL": model,
            "CANDOR_MODEL_MAX_TOKENS": "100000",
            "CANDOR_LOG_FORMAT": "json",
        }
        said = folder / "bot.log"
        async with running("run", folder=folder, said=said, settings=settings) as bot:
            await bot.says(READY, _START_S)
            yield sandbox, await sandbox.people(), bot


async def _scene(
    stage: Stage,
    scenario: Scenario,
    sandbox: Sandbox,
    people: Sequence[str],
    typist: Typist,
) -> Scene:
    await sandbox.begin_journal(stage.platform)
    asked = await asyncio.gather(
        *(
            _ask(stage, scenario, sandbox, person, number)
            for number, person in enumerate(people[: scenario.people])
        )
    )
    deadline = time.monotonic() + takes_s(max(scenario.lengths)) + _PATIENCE_S
    messages: Sequence[Message] = ()
    while time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_S)
        if all(one.tag in typist.said and typist.said[one.tag].last_at for one in asked):
            messages = await sandbox.audit(stage.platform)
            if are_final(asked, messages):
                break
    journal = await sandbox.journal(stage.platform)
    answers, num_strays = shown(
        asked, typist.said, messages, journal, is_streamed=stage.is_streamed
    )
    return Scene(
        stage=stage.name,
        platform=stage.platform,
        scenario=scenario.name,
        answers=answers,
        calls=journal.calls,
        limited=journal.limited,
        num_strays=num_strays,
    )


async def _ask(
    stage: Stage, scenario: Scenario, sandbox: Sandbox, person: str, number: int
) -> Asked:
    tag = f"{stage.name}-{scenario.name}-{number}"
    length = scenario.lengths[number % len(scenario.lengths)]
    is_direct = scenario.is_apart or stage.is_streamed
    place = Place("dm" if is_direct else "general")
    mention = "" if is_direct else "@candor "
    text = mention + question(tag, length)
    message = await sandbox.post(stage.platform, place, person, text)
    return Asked(tag, length, message, place.channel, person)
