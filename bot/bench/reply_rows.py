"""What one answer looked like from outside, from what the sandbox kept. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, Final

from bot.bench.reply_model import Said, answer_to, opening, question
from bot.soak.sandbox import Journal, Message
from bot.soak.texts import is_whole

_FENCE: Final = re.compile(r" {0,3}(`{3,}|~{3,})[^`]*")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of a scenario: its message, who asked where, and how long the answer is."""

    tag: str
    length: int
    message: str
    channel: str
    person: str

    @property
    def answer(self) -> str:
        """What the answer should be."""
        return answer_to(question(self.tag, self.length))


@dataclass(frozen=True, slots=True)
class Shown:
    """How one answer was shown: seconds from the model's first token to the first text, from its
    last token to the last text, the longest stretch in between without a change; None where there
    was none. `is_final` tells whether the right text stands there whole."""

    tag: str
    is_final: bool
    first_text_s: float | None
    lag_s: float | None
    freeze_s: float | None
    num_messages: int
    num_versions: int
    num_doubled: int
    num_broken: int


@dataclass(frozen=True, slots=True)
class Scene:
    """One scenario on one stage: its answers, and the bot's calls meanwhile."""

    stage: str
    platform: str
    scenario: str
    answers: tuple[Shown, ...]
    calls: Mapping[str, int]
    limited: Mapping[str, int]
    num_strays: int

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "calls": dict(self.calls), "limited": dict(self.limited)}


def shown(
    asked: Sequence[Asked],
    said: Mapping[str, Said],
    messages: Iterable[Message],
    journal: Journal,
    *,
    is_streamed: bool,
) -> tuple[tuple[Shown, ...], int]:
    """How each answer was shown, and how many of the bot's messages belong to none.

    A message that is streamed may only be appended to, so its code is open until its end: of such,
    only the last version's fences count.
    """
    answers, strays = _attributed(asked, messages)
    return tuple(
        _shown(one, said.get(one.tag), answers[one.tag], journal, is_streamed=is_streamed)
        for one in asked
    ), len(strays)


def are_final(asked: Sequence[Asked], messages: Sequence[Message]) -> bool:
    """Whether every answer stands there whole."""
    answers, _ = _attributed(asked, messages)
    return all(_is_final(one, answers[one.tag]) for one in asked)


def _is_final(asked: Asked, messages: Sequence[Message]) -> bool:
    if any(message.is_streaming for message in messages):
        return False
    return is_whole(asked.answer, [message.text for message in messages])


def _attributed(
    asked: Sequence[Asked], messages: Iterable[Message]
) -> tuple[dict[str, list[Message]], list[Message]]:
    """The bot's messages by the question that they answer, in order, and those that answer none.

    A message is known by the turn that it was sent for; one that says of none, by its place.
    """
    since = min((float(one.message) for one in asked), default=0.0)
    ours = [one for one in messages if one.by_bot and float(one.id) > since]
    found: dict[str, list[Message]] = {one.tag: [] for one in asked}
    turns: dict[str, str] = {}
    for one in asked:
        for message in ours:
            if message.claim and message.text.startswith(opening(one.tag)):
                turns[message.claim[0]] = one.tag
    strays: list[Message] = []
    for message in sorted(ours, key=lambda each: float(each.id)):
        tag = turns.get(message.claim[0]) if message.claim else None
        tag = tag or next((one.tag for one in asked if _stands_at(one, message)), None)
        (found[tag] if tag else strays).append(message)
    return found, strays


def _stands_at(asked: Asked, message: Message) -> bool:
    """Whether a message stands where only the answer to this question does."""
    if message.place.thread is not None:
        return message.place.thread == asked.message
    return message.place.person is not None and message.place.person == asked.person


def _shown(
    asked: Asked,
    said: Said | None,
    messages: Sequence[Message],
    journal: Journal,
    *,
    is_streamed: bool,
) -> Shown:
    ids = {message.id for message in messages}
    versions = [one for one in journal.versions if one.id in ids and one.text.strip()]
    times = [one.at for one in versions]
    is_final = _is_final(asked, messages)
    last_at = said.last_at if said else None
    judged = [message.text for message in messages]
    if not is_streamed:
        judged += [one.text for one in versions]
    return Shown(
        tag=asked.tag,
        is_final=is_final,
        first_text_s=min(times) - said.first_at if said and times else None,
        lag_s=max(times) - last_at if is_final and last_at is not None and times else None,
        freeze_s=max((b - a for a, b in pairwise(times)), default=None),
        num_messages=len(messages),
        num_versions=len(versions),
        num_doubled=_doubled(messages),
        num_broken=sum(has_open_fence(text) for text in judged),
    )


def _doubled(messages: Sequence[Message]) -> int:
    """Messages that are a part which stands there already, or that say what another one says."""
    claims = [message.claim for message in messages if message.claim]
    texts = [message.text for message in messages]
    return max(len(claims) - len(set(claims)), len(texts) - len(set(texts)))


def has_open_fence(text: str) -> bool:
    """Whether a code fence of the text is not closed (CommonMark, 4.5)."""
    marks = ""
    for line in text.split("\n"):
        bare = line.strip()
        if marks:
            if len(bare) >= len(marks) and set(bare) == {marks[0]}:
                marks = ""
        elif found := _FENCE.fullmatch(line):
            marks = found[1]
    return bool(marks)
