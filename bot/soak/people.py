"""People: they ask, wait for the answer, react, change their minds, and ask again.

Each draws from a random source of its own. What one does is written into the diary only after the
sandbox took it.
"""

import asyncio
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.domain import Platform
from bot.soak.answers import ending
from bot.soak.diary import Diary, MessageKey, Question
from bot.soak.sandbox import Message, Place, Refused, Sandbox
from bot.soak.watch import Watch

_CHANNELS: Final = ("general", "random")
_KINDS: Final = {"dm": 30, "channel": 30, "thread": 25, "reply": 15}
"""Where a question is asked, with weights."""
_PAUSE_S: Final = 3.0
"""Between an answer and the next question, on average."""
_PAUSE_MAX_S: Final = 15.0
_EDITS: Final = 0.08
_DELETES: Final = 0.04
_CHATS: Final = 0.05
_CLEARS: Final = 0.03
_REACTS: Final = 0.6
_REACTS_GROWING: Final = 0.2
"""At each look at an answer that grows."""
_OLD: Final = 200
"""How many messages back somebody may react."""
_UP, _DOWN, _UP_TONED, _NO_VOTE = "👍", "👎", "👍🏽", "🎉"

_SUBJECTS: Final = (
    "why rivers bend",
    "how bread rises",
    "what a lighthouse is for",
    "when swallows come back",
    "who invented the zip",
    "how to tune a piano",
)


@dataclass(slots=True)
class _Conversations:
    """Where a person can go on, on one platform: threads that the bot is in, its last answer in
    the open channel, and own questions that a thread can be begun under; and whether the bot has
    answered the person there."""

    threads: list[Place] = field(default_factory=list)
    answer: tuple[Place, str] | None = None
    roots: list[Place] = field(default_factory=list)
    is_known: bool = False


class Person:
    """One person of the sandbox, on all platforms of the soak."""

    def __init__(
        self,
        handle: str,
        *,
        seed: int,
        sandbox: Sandbox,
        watches: Mapping[Platform, Watch],
        diary: Diary,
        patience_s: float,
    ) -> None:
        self._handle = handle
        self._draw = random.Random(f"{seed} {handle}")  # noqa: S311 - repeatable on purpose
        self._sandbox = sandbox
        self._watches = watches
        self._diary = diary
        self._patience_s = patience_s
        self._number = 0
        self._held: dict[MessageKey, tuple[str, list[str]]] = {}
        self._conversations = {platform: _Conversations() for platform in watches}

    async def run(self, until: float) -> None:
        """Live until `until` (monotonic seconds); a question in hand is waited for a bounded time.

        Raises SoakError when the sandbox is gone.
        """
        await asyncio.sleep(self._draw.uniform(0, min(2.0, _PAUSE_S)))
        while time.monotonic() < until:
            platform = self._draw.choice(sorted(self._watches))
            try:
                await self._once(platform, until)
            except Refused:
                self._diary.num_refused += 1
            pause = min(self._draw.expovariate(1 / _PAUSE_S), _PAUSE_MAX_S)
            await asyncio.sleep(max(0.0, min(pause, until - time.monotonic())))

    async def _once(self, platform: Platform, until: float) -> None:
        if self._draw.random() < _CHATS:
            place = Place(self._draw.choice(_CHANNELS))
            await self._sandbox.post(platform, place, self._handle, "Has anybody seen my umbrella?")
            self._diary.num_chatter += 1
        question, kind = await self._ask(platform)
        if self._draw.random() < _EDITS:
            await asyncio.sleep(self._draw.uniform(0, 1))
            await self._edit(question, has_mention=kind in {"channel", "begun"})
        if self._draw.random() < _DELETES:
            await asyncio.sleep(self._draw.uniform(0, 4))
            await self._delete(question)
        answer = await self._wait(question, until)
        if answer is not None:
            self._conversations[platform].is_known = True
            self._remember(question, kind, answer)
        if self._draw.random() < _REACTS:
            for _ in range(self._draw.randint(1, 3)):
                await self._react(question)
        if platform == "discord" and self._draw.random() < _CLEARS:
            await self._clear(platform)

    async def _ask(self, platform: Platform) -> tuple[Question, str]:
        conversations = self._conversations[platform]
        (kind,) = self._draw.choices(list(_KINDS), list(_KINDS.values()))
        if kind == "reply" and (platform != "discord" or conversations.answer is None):
            kind = "channel"
        if kind == "thread" and not conversations.threads:
            kind = "begun" if platform == "discord" and conversations.roots else "channel"
        if kind == "dm" and platform == "discord" and not conversations.is_known:
            # Discord tells a bot of a stranger's direct message by its event alone, so one that
            # comes while the bot is away cannot be found by any bot.
            kind = "channel"
        reply_to: str | None = None
        match kind:
            case "dm":
                place = Place("dm", self._handle)
            case "thread":
                place = self._draw.choice(conversations.threads[-5:])
            case "begun":
                place = self._draw.choice(conversations.roots[-5:])
            case "reply" if conversations.answer is not None:
                place, reply_to = conversations.answer
            case _:
                place = Place(self._draw.choice(_CHANNELS))
        self._number += 1
        text = self._wording()
        sent = f"@candor {text}" if kind in {"channel", "begun"} else text
        message = await self._sandbox.post(platform, place, self._handle, sent, reply_to=reply_to)
        question = Question(platform, message, place, self._handle, [text])
        self._diary.questions.append(question)
        return question, kind

    def _wording(self) -> str:
        return f"Question {self._number} of {self._handle}: {self._draw.choice(_SUBJECTS)}?"

    async def _edit(self, question: Question, *, has_mention: bool) -> None:
        text = f"{question.text} And {self._draw.choice(_SUBJECTS)}?"
        sent = f"@candor {text}" if has_mention else text
        channel, message = question.place.channel, question.id
        try:
            await self._sandbox.edit(question.platform, channel, self._handle, message, sent)
        except Refused:
            self._diary.num_refused += 1
            return
        question.versions.append(text)
        self._diary.num_edits += 1

    async def _delete(self, question: Question) -> None:
        channel, message = question.place.channel, question.id
        try:
            await self._sandbox.delete(question.platform, channel, self._handle, message)
        except Refused:
            self._diary.num_refused += 1
            return
        question.is_deleted = True
        self._diary.num_deletions += 1

    async def _wait(self, question: Question, until: float) -> Message | None:
        """Wait for the answer's end; its first message, or None when patience is at an end."""
        watch = self._watches[question.platform]
        channel, person = question.place.channel, question.place.person
        # Nobody sits about for an answer to a question that was taken back.
        patience = 5.0 if question.is_deleted else self._patience_s
        deadline = min(time.monotonic() + patience, until)
        endings = [ending(version) for version in question.versions]
        while (left := deadline - time.monotonic()) > 0:
            await watch.news(left)
            found = list(watch.answers(channel, person, after=question.id))
            if any(end in message.text for message in found for end in endings):
                started = [one for one in found if _begins(question, one.text)]
                return started[-1] if started else None
            if found and self._draw.random() < _REACTS_GROWING:
                await self._react(question)
        self._diary.num_impatient += not question.is_deleted
        return None

    def _remember(self, question: Question, kind: str, answer: Message) -> None:
        conversations = self._conversations[question.platform]
        if kind == "channel":
            root = Place(question.place.channel, None, question.id)
            on_slack = question.platform == "slack"
            (conversations.threads if on_slack else conversations.roots).append(root)
        elif kind == "dm" and question.platform == "slack":
            conversations.threads.append(Place("dm", self._handle, question.id))
        elif kind == "begun":
            conversations.threads.append(question.place)
        if question.platform == "discord" and kind in {"channel", "reply"}:
            conversations.answer = question.place, answer.id

    async def _react(self, question: Question) -> None:
        """Put a reaction on a message of the bot, new or old, or take one back."""
        platform = question.platform
        watch = self._watches[platform]
        held = [key for key in self._held if key[0] == platform and self._held[key][1]]
        if held and self._draw.random() < 0.25:
            key = self._draw.choice(held)
            channel, shown = self._held[key]
            await self._set(key, channel, self._draw.choice(shown), present=False)
            return
        channel, person = question.place.channel, question.place.person
        near = list(watch.answers(channel, person, after=question.id))
        if near and self._draw.random() < 0.6:
            message = self._draw.choice(near)
        else:
            channel = self._draw.choice((*_CHANNELS, "dm"))
            old = watch.latest(channel, self._handle if channel == "dm" else None, _OLD)
            if not old:
                return
            message = self._draw.choice(old)
        (emoji,) = self._draw.choices((_UP, _DOWN, _UP_TONED, _NO_VOTE), (50, 35, 10, 5))
        await self._set(message.key, message.place.channel, emoji, present=True)

    async def _clear(self, platform: Platform) -> None:
        """Take all reactions from a message in the open, as a moderator of Discord can."""
        channel = self._draw.choice(_CHANNELS)
        old = self._watches[platform].latest(channel, None, _OLD)
        if old:
            await self._sandbox.clear_reactions(platform, channel, self._draw.choice(old).id)
            self._diary.num_cleared += 1

    async def _set(self, key: MessageKey, channel: str, emoji: str, *, present: bool) -> None:
        platform, message = key
        _, shown = self._held.setdefault(key, (channel, []))
        self._diary.touched.setdefault(key, set()).add(self._handle)
        try:
            await self._sandbox.react(
                platform, channel, self._handle, message, emoji, present=present
            )
        except Refused:  # the message is gone
            self._diary.num_refused += 1
            del self._held[key]
            return
        if present and emoji not in shown:
            shown.append(emoji)
            self._diary.num_reactions += 1
        elif not present and emoji in shown:
            shown.remove(emoji)
            self._diary.num_taken_back += 1


def _begins(question: Question, text: str) -> bool:
    return any(text.startswith(f"You asked: {version}") for version in question.versions)
