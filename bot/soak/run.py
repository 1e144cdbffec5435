"""One soak from its start to its ledger: everything opened in order, run together, closed.

Starts the model, the sandbox, Redis and the bot; lets people, faults and kills loose; then waits
until nothing changes any more, and audits.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import aiohttp
import orjson

from bot.errors import StoreUnavailable
from bot.settings import RedisSettings
from bot.soak.audit import audit
from bot.soak.diary import Diary
from bot.soak.errors import SoakError
from bot.soak.faults import LEFT_OUT, Storm, waves
from bot.soak.findings import Findings, World
from bot.soak.keeper import Keeper
from bot.soak.ledger import Ledger
from bot.soak.memory import memory_of
from bot.soak.model import ModelServer, model_server
from bot.soak.people import Person
from bot.soak.plan import Plan
from bot.soak.sandbox import Message, Sandbox, Strike
from bot.soak.sandbox_process import sandbox_process
from bot.soak.store import Stored, read, used_memory
from bot.soak.watch import Watch
from bot.store.connection import Client, connect

_STEADY_S: Final = 3.0
"""So long nothing may change before a world without a breach is taken for the last one."""
_GIVEN_UP_S: Final = 330.0
"""The same with a breach: longer than any pause in which something is tried again. Slack repeats an
event that nobody acknowledged for the last time after five minutes."""
_STORE_EVERY_S: Final = 2.0

Tell = Callable[[str], None]


async def soak(plan: Plan, folder: Path, tell: Tell) -> Ledger:
    """Run a soak in a folder, which gets all state and logs. Raises SoakError, StoreError."""
    try:
        async with _house(plan, folder) as house:
            return await _Soak(plan, house, folder / "world.json", tell).run()
    except BaseExceptionGroup as errors:
        raise _first(errors) from errors


@dataclass(frozen=True, slots=True)
class _House:
    """What stands: the model, the sandbox, Redis, and the bot's keeper, who has not begun."""

    model: ModelServer
    sandbox: Sandbox
    people: tuple[str, ...]
    client: Client
    keeper: Keeper


@asynccontextmanager
async def _house(plan: Plan, folder: Path) -> AsyncIterator[_House]:
    state = folder / "state"
    async with (
        model_server() as model,
        sandbox_process(folder, plan.people) as process,
        aiohttp.ClientSession() as session,
        connect(RedisSettings(), state) as client,
    ):
        bot_settings = {
            **process.settings(plan.platforms),
            "CANDOR_STATE_DIR": str(state),
            "CANDOR_MODEL_URL": model.url,
            "CANDOR_LOG_FORMAT": "json",
            # Room enough that nobody has to be refused.
            "CANDOR_CHAT_MAX_WAITING": "10000",
            "CANDOR_CHAT_MAX_WAITING_CONVERSATION": "200",
            "CANDOR_MODEL_MAX_TOKENS": "100000",
            # A long memory would only make requests large.
            "CANDOR_CHAT_HISTORY_TURNS": "6",
        }
        sandbox = Sandbox(process.url, session)
        people = await sandbox.people()
        yield _House(
            model, sandbox, people, client, Keeper(folder, folder / "bot.log", bot_settings)
        )


class _Soak:
    """The run itself, over a house that stands."""

    def __init__(self, plan: Plan, house: _House, last: Path, tell: Tell) -> None:
        """`last` is the file that gets the world which the audit judged."""
        self._plan = plan
        self._house = house
        self._last = last
        self._tell = tell
        self._diary = Diary()
        self._store: list[int] = []
        sandbox = house.sandbox
        self._watches = {platform: Watch(sandbox, platform) for platform in plan.platforms}
        self._storms = {platform: Storm(sandbox, platform) for platform in plan.platforms}
        self._phase = "starting"

    async def run(self) -> Ledger:
        began = time.monotonic()
        house = self._house
        async with asyncio.TaskGroup() as group:
            steady = [
                group.create_task(house.keeper.run()),
                group.create_task(self._sample()),
                group.create_task(self._report()),
                *(group.create_task(watch.run()) for watch in self._watches.values()),
            ]
            await house.keeper.ready()
            await self._live()
            await house.keeper.ready()
            findings = await self._settled()
            strikes = await self._strikes()
            for task in steady:
                task.cancel()
        return self._ledger(findings, strikes, time.monotonic() - began)

    async def _live(self) -> None:
        """People, faults and kills, each for as long as planned."""
        plan, sandbox = self._plan, self._house.sandbox
        self._phase = "people"
        start = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for handle in self._house.people:
                person = Person(
                    handle,
                    seed=plan.seed,
                    sandbox=sandbox,
                    watches=self._watches,
                    diary=self._diary,
                    patience_s=plan.patience_s,
                )
                group.create_task(person.run(start + plan.people_s))
            group.create_task(self._house.keeper.kill_at(plan.kill_moments(), start))
            for platform, storm in self._storms.items():
                if plan.has_faults:
                    planned = waves(
                        await sandbox.kinds(platform),
                        platform=platform,
                        seed=plan.seed,
                        seconds=plan.rough_s,
                    )
                    group.create_task(storm.run(planned, start))

    async def _settled(self) -> Findings:
        """Audit until nothing changes any more, for at most the plan's time."""
        self._phase = "settling"
        deadline = time.monotonic() + self._plan.settle_s
        before: tuple[list[Message], Stored] | None = None
        since = time.monotonic()
        while True:
            try:
                strikes = await self._strikes()
                messages = [
                    message
                    for platform in self._plan.platforms
                    for message in await self._house.sandbox.audit(platform)
                ]
                stored = await read(self._house.client, self._house.people)
            except StoreUnavailable as error:
                raise SoakError(f"the store cannot be audited: {error}") from error
            now = time.monotonic()
            if (messages, stored) != before:
                before, since = (messages, stored), now
            world = World(
                questions=self._diary.questions,
                messages=messages,
                stored=stored,
                deletions=Counter(
                    (strike.platform, strike.channel)
                    for strike in strikes
                    if strike.kind == "delete_message" and strike.channel is not None
                ),
                touched=self._diary.touched,
            )
            findings = await asyncio.to_thread(audit, world)
            wait_s = _GIVEN_UP_S if findings.breaches else _STEADY_S
            if now - since >= wait_s or now >= deadline:
                self._last.write_bytes(orjson.dumps(world.as_json(), option=orjson.OPT_INDENT_2))
                return findings
            self._phase = f"settling, {len(findings.breaches)} open"
            await asyncio.sleep(1)

    async def _strikes(self) -> list[Strike]:
        return [
            strike
            for platform in self._plan.platforms
            for strike in await self._house.sandbox.strikes(platform)
        ]

    async def _sample(self) -> None:
        while True:
            self._store.append(await used_memory(self._house.client))
            await asyncio.sleep(_STORE_EVERY_S)

    async def _report(self) -> None:
        began = time.monotonic()
        while True:
            seconds = time.monotonic() - began
            self._tell(
                f"{self._phase}: {seconds:.0f} s, {len(self._diary.questions)} questions, "
                f"{sum(watch.num_messages for watch in self._watches.values())} messages, "
                f"{self._diary.num_reactions} reactions, {self._house.keeper.num_kills} of "
                f"{self._plan.kills} kills"
            )
            await asyncio.sleep(1)

    def _ledger(self, findings: Findings, strikes: list[Strike], seconds: float) -> Ledger:
        diary, model, keeper = self._diary, self._house.model, self._house.keeper
        struck: dict[str, Counter[str]] = {platform: Counter() for platform in self._watches}
        for strike in strikes:
            struck[strike.platform][strike.kind] += 1
        return Ledger(
            plan=self._plan,
            findings=findings,
            people={
                "people": len(self._house.people),
                "chatter": diary.num_chatter,
                "reactions": diary.num_reactions,
                "reactions taken back": diary.num_taken_back,
                "messages cleared of reactions": diary.num_cleared,
                "edits": diary.num_edits,
                "deletions": diary.num_deletions,
                "refused by the sandbox": diary.num_refused,
                "answers not waited for": diary.num_impatient,
                "requests to the model": model.num_asked,
                "half answers continued": model.num_continued,
                "requests refused by the model": model.num_refused,
                "lives of the bot": len(keeper.lives),
            },
            faults={platform: dict(kinds) for platform, kinds in struck.items()},
            num_kills=keeper.num_kills,
            exits=tuple(keeper.exits),
            memory=memory_of([life.memory for life in keeper.lives], self._store),
            seconds=seconds,
            notes=_notes(self._plan),
        )


def _notes(plan: Plan) -> tuple[str, ...]:
    if not plan.has_faults:
        return ()
    return tuple(f"Left out: the fault {kind}, since {why}." for kind, why in LEFT_OUT.items())


def _first(error: BaseException) -> BaseException:
    """The error that ended the soak, out of the groups that it came in."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    fatal = error.subgroup(SoakError)
    return _first((fatal or error).exceptions[0])
