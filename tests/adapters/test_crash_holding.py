"""A crash at every call while people hold an answer: by a word, by buttons, and with a vote.

Each of them ends in the state that a run without any of them ends in.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters import wording
from adapters.interaction import Press
from bot.domain import Control, Incoming, MessageRef, Platform
from bot.errors import StoreUnavailable
from bot.store import keys
from bot.store.people import People
from bot.store.places import Places
from bot.store.turns import Turns
from bot.store.votes import Votes
from bot.store.wishes import Wishes
from tests.adapters.lives import Life, Town, life, own_tasks
from tests.adapters.test_crash_points import SOON
from tests.adapters.wire import Cut, Point, When, Wire, load_scripts
from tests.scripted_model import ScriptedModel, scripted_model
from tests.waiting import until

ALWAYS = ("store XREADGROUP", "store hold.lua", "store SET awake")
"""Calls that a process makes all the time."""

READS = (
    "store HMGET",
    "store HGETALL",
    "store LRANGE",
    "store LPOS",
    "store GET",
    "store ZRANGE",
    "store HKEYS",
    "model served",
    "model count",
    "platform missed",
)
"""Calls that change nothing: a crash there is like one at the call before."""


@pytest.fixture(autouse=True)
async def _quick(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    for name, seconds in SOON.items():
        monkeypatch.setattr(name, seconds)
    monkeypatch.setattr("bot.answer.LOOK_S", 0.02)
    monkeypatch.setattr("bot.store.keys.PRESSED_MS", 60_000)
    own_tasks(asyncio.get_running_loop())
    with capture_logs():
        yield
    asyncio.get_running_loop().set_task_factory(None)


class Ana:
    """She asks, says "continue" under the half answer, has another one, stops that, and votes.

    She goes by what she sees: who is told nothing, and sees nothing, presses again.
    """

    def __init__(self, town: Town, server: ScriptedModel) -> None:
        self.town, self.room = town, town.room
        self._server = server
        server.finish, server.answer = "length", lambda _: ["It is"]
        self.has_voted = False
        self.num_before = 0
        """How many calls the process had made when she began to hold the answer."""
        ref = MessageRef(town.platform, "T1", self.room.channel, "word")
        self.word = Incoming(ref, town.ana, "Continue.", "dm", sent_at=time.time())

    @property
    def has_held(self) -> bool:
        """Whether she has begun to."""
        return self.word.ref.key in self.room.questions

    async def holds(self, one: Life) -> None:
        """Do what she does, until the process is no more or all is done."""
        while not self.has_voted:
            await asyncio.sleep(0.002)
            with suppress(StoreUnavailable, Cut, asyncio.CancelledError):
                await self._step(one)
            if one.wire.cut.is_set():
                return

    async def _step(self, one: Life) -> None:
        first, second = (self.room.messages.get(name, "") for name in ("p1", "p2"))
        if wording.CUT_BY_LENGTH in first and not self.has_held:
            self._server.finish, self._server.answer = "stop", lambda _: ["It is", " so."]
            self.word = Incoming(
                self.word.ref, self.word.author, self.word.text, "dm", sent_at=time.time()
            )
            self.num_before = len(one.wire.met)
            self.room.questions[self.word.ref.key] = self.word
            self.town.happens(self.word)
        elif self.room.controls.get("p1") == ("up", "down", "again") and not second:
            # Whoever goes on after "No" gets one word more, and waits then.
            wait = asyncio.Event().wait
            self._server.answer = lambda _: ["No", wait, " more", wait, " words"]
            await self._press(one, "p1", "again")
        elif second and self.room.controls["p2"] == ("stop",):
            await self._press(one, "p2", "stop")
        elif wording.STOPPED in second:
            await self._press(one, "p1", "up")
            self.has_voted = True

    async def _press(self, one: Life, message: str, control: Control) -> None:
        turn, _ = self.room.labels[message]
        await one.press(Press(turn, control, self.town.ana))


class Story:
    """Ana's story over one store, for as many processes as it takes."""

    def __init__(self, platform: Platform, client: "Redis", server: ScriptedModel) -> None:
        self.town = Town(platform)
        self.town.room.limit = 200
        self.town.room.voted = 2  # nobody votes by reactions
        self.ana = Ana(self.town, server)
        self._client, self._url = client, server.url
        self.turns = Turns(client)
        self.votes = Votes(client, self.turns, People(client))
        self.wishes = Wishes(client, self.turns, total=9, each=9)

    async def begin(self) -> None:
        await self._client.flushall()
        await Places(self._client).set_awake(self.town.platform, time.time() - 1)

    async def live(self, wire: Wire) -> None:
        """One process, until it is cut or nothing is left to do."""
        async with life(self.town, self._client, self._url, wire) as one:
            holding = asyncio.create_task(self.ana.holds(one))
            try:
                await until(
                    lambda: wire.cut.is_set() or self._is_over(),
                    lambda: f"no end: {self.town.room.texts()} {wire.met[-12:]}",
                    within_s=10,
                    every_s=0.002,
                )
            finally:
                holding.cancel()
                await asyncio.gather(holding, return_exceptions=True)

    def _is_over(self) -> "asyncio.Future[bool] | bool":
        if not self.ana.has_voted or self.town.events:
            return False
        return asyncio.ensure_future(self._is_settled())

    async def _is_settled(self) -> bool:
        return await self._client.xlen(keys.inbox(self.town.platform)) == 0

    async def check(self, *, crashed: bool = False) -> None:
        """The final state, which is always the same but for how much was said before the stop."""
        room, platform = self.town.room, self.town.platform
        first = await self.turns.of_message(self.town.question.ref.key)
        assert first is not None
        assert (first.status, first.finish, first.answer) == ("done", "stop", "It is so.")
        assert (first.continued, first.stopped) == (1, False)
        [_, second] = linked = await self.wishes.linked(first.id)
        assert (second.status, second.retry_of) == ("stopped", first.id)
        # What was not saved before the crash was not said by who goes on, and stops at once.
        assert second.answer in ({"", "No", "No more"} if crashed else {"No", "No more"})
        shown = f"{second.answer}\n\n{wording.STOPPED}".strip()
        assert room.texts() == ["It is so.", shown]
        is_bare = not second.answer
        assert room.controls == {
            "p1": ("up", "down", "again"),
            "p2": ("again",) if is_bare else ("up", "down", "continue", "again"),
        }
        assert await self.turns.history(first.conversation, 9) == linked
        assert await self.turns.of_message(self.ana.word.ref.key) is None
        assert [[ref.message for ref in turn.parts] for turn in linked] == [["p1"], ["p2"]]
        assert await self.votes.of_turn(first.id) == {f"{platform}/ana": 1}
        assert await self.votes.tally(first.id) == (1, 0)
        assert (await self._client.xpending(keys.inbox(platform), "answers"))["pending"] == 0
        assert await self._client.exists(keys.open_turns(first.conversation.key)) == 0
        assert not self.town.events


@pytest.mark.parametrize(("platform", "when"), [("slack", "before"), ("discord", "after")])
async def test_a_crash_at_any_call_changes_nothing_of_what_people_hold(
    client: "Redis", platform: Platform, when: When
) -> None:
    await load_scripts(client)
    async with scripted_model() as server:
        story, clean = Story(platform, client, server), Wire()
        await story.begin()
        await story.live(clean)
        await story.check()
        todo = [
            each for each in dict.fromkeys(clean.met[story.ana.num_before :]) if _is_tried(each)
        ]
        assert len(todo) > 20
        scripts = {call for call, _ in todo if call.endswith(".lua")}
        assert {f"store {name}.lua" for name in ("reopen", "again", "stop", "vote")} <= scripts
        for point in todo:
            story, wire = Story(platform, client, server), Wire(at=point, when=when)
            await story.begin()
            try:
                await story.live(wire)
                if wire.cut.is_set():
                    await story.live(Wire())
                await story.check(crashed=wire.cut.is_set())
            except AssertionError as error:
                raise AssertionError(f"{when} {point}, after {wire.met}") from error


def _is_tried(point: Point) -> bool:
    return not point[0].startswith((*ALWAYS, *READS))
