"""The prompt: as much of a conversation and its context as fits the token budget, newest first.

Of several answers to one question it holds one.

The question comes before its files, these before the latest turns, these before older ones, and
last comes what was said before the bot was asked. What is too long is shortened in large steps,
down to half of the room that the question leaves, so that the prompts of one conversation share
their beginning for many turns and the model's server can reuse its work.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from bot.context import notes, quoting
from bot.context.material import NO_MATERIAL, NO_TALK, Material, Talk
from bot.domain import Quote, Turn
from bot.errors import TooLong
from bot.model import Message

Counter = Callable[[Sequence[Message]], Awaitable[int]]

SHARES: Final = (7 / 8, 3 / 4, 5 / 8, *(1 / 2**step for step in range(1, 9)))
"""How much of a question's files is tried, where they are too long."""
PAST_SHARES: Final = (1 / 2, 1 / 4, 1 / 8)
"""The same for files of earlier turns, before whole turns are left out."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages to send, and the turns of the conversation that they hold.

    `trimmed` tells that older turns were left out now, and not before. `material` is what it holds
    of the question's files; `materials` are those of earlier turns that were shortened, by their
    turns, and `talk` what is left of it where that was: of these two `notes` tell people.
    """

    messages: list[Message]
    turns: tuple[Turn, ...]
    trimmed: bool
    material: Material = NO_MATERIAL
    materials: Mapping[str, Material] = field(default_factory=dict)
    talk: Talk | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Plan:
    """What a prompt would hold."""

    system: str
    question: str
    quotes: Sequence[Quote]
    turns: tuple[Turn, ...]
    material: Material
    materials: Mapping[str, Material]
    talk: Talk

    def messages(self) -> list[Message]:
        return build(
            self.system,
            self.turns,
            self.question,
            quotes=self.quotes,
            material=self.material,
            materials=self.materials,
            talk=self.talk,
        )

    def cut_past(self, share: float) -> "_Plan":
        """With so much of the files of earlier turns."""
        cut = {turn_id: material.cut(share) for turn_id, material in self.materials.items()}
        return replace(self, materials=cut)


async def fit(
    *,
    system: str,
    history: Sequence[Turn],
    question: str,
    budget: int,
    count: Counter,
    quotes: Sequence[Quote] = (),
    material: Material = NO_MATERIAL,
    materials: Mapping[str, Material] | None = None,
    talk: Talk = NO_TALK,
) -> Prompt:
    """Build the prompt of a question after `history` (oldest first) in `budget` tokens.

    `quotes` and `material` are the question's own, `materials` those of earlier turns by their
    ids, `talk` what was said before the first of them. Raises TooLong when the question alone is
    over the budget.
    """
    turns = tuple(one_each(history))
    kept = materials or {}
    known = {turn.id: kept[turn.id] for turn in turns if turn.id in kept}
    whole = _Plan(system, question, quotes, turns, material, known, talk)
    if await count(whole.messages()) <= budget:
        return _prompt(whole, whole)
    alone = replace(whole, turns=(), materials={}, talk=NO_TALK)
    alone, base = await _fit_files(alone, budget, count)
    target = (base + budget) // 2
    plan = replace(whole, material=alone.material)
    for shorter in _shorter(plan):
        plan = shorter
        if not plan.turns and not plan.talk.lines:
            break
        if await count(plan.messages()) <= target:
            break
    return _prompt(whole, plan)


def one_each(history: Sequence[Turn]) -> list[Turn]:
    """The turns of a conversation with one answer to each question, where that was first asked.

    Of several tries it is the last one that is whole, or else the last one. Votes don't choose: a
    reaction of anybody would change what the others were talking about.
    """
    chosen: dict[str, Turn] = {}
    for turn in history:
        if turn.answer and (_is_whole(turn) or not _is_whole(chosen.get(turn.first, turn))):
            chosen[turn.first] = turn
    return list(chosen.values())


def _is_whole(turn: Turn) -> bool:
    return turn.status == "done" and turn.finish == "stop"


def build(
    system: str,
    turns: Sequence[Turn],
    question: str,
    *,
    quotes: Sequence[Quote] = (),
    material: Material = NO_MATERIAL,
    materials: Mapping[str, Material] | None = None,
    talk: Talk = NO_TALK,
) -> list[Message]:
    """The messages of a prompt: system, then each turn's question and answer, then the question.

    The talk before it all stands in the first message of a person, since many models' templates
    refuse two such messages in a row.
    """
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    before = [earlier] if (earlier := quoting.talk(talk)) else []
    for turn in turns:
        own = (materials or {}).get(turn.id, NO_MATERIAL)
        messages.append(_asked(before, turn.text, turn.quotes, own))
        messages.append({"role": "assistant", "content": turn.answer})
        before = []
    messages.append(_asked(before, question, quotes, material))
    return messages


def _asked(
    before: Sequence[str], text: str, quotes: Sequence[Quote], material: Material
) -> Message:
    content = "\n\n".join([*before, quoting.question(text, quotes, material)])
    message: Message = {"role": "user", "content": content}
    if material.images:
        message["images"] = [f"data:{one.kind};base64,{one.data}" for one in material.images]
    return message


async def _fit_files(plan: _Plan, budget: int, count: Counter) -> tuple[_Plan, int]:
    """A question with as much of its files as there is room for, and its tokens."""
    tokens = await count(plan.messages())
    if tokens <= budget:
        return plan, tokens
    bare = replace(plan, material=NO_MATERIAL)
    least = tokens if plan.material.is_empty else await count(bare.messages())
    if least > budget:
        raise TooLong("the question alone is longer than the model's context allows")
    likely = (budget - least) / max(1, tokens - least)
    for share in SHARES:
        if share > likely:
            continue
        shorter = replace(plan, material=plan.material.cut(share))
        if (tokens := await count(shorter.messages())) <= budget:
            return shorter, tokens
    # Their names alone may still fit: what is not read of a file is in no prompt then.
    return bare, least


def _shorter(plan: _Plan) -> "list[_Plan]":
    """The same with less and less of what came before, down to nothing."""
    steps = [
        replace(plan, talk=plan.talk.cut(int(plan.talk.size * share)))
        for share in PAST_SHARES
        if plan.talk.lines
    ]
    if steps:
        plan = replace(plan, talk=NO_TALK)
        steps.append(plan)
    if any(not material.is_empty for material in plan.materials.values()):
        steps += [plan.cut_past(share) for share in PAST_SHARES]
        plan = steps[-1]
    while plan.turns:
        turns = plan.turns[(len(plan.turns) + 1) // 2 :]
        left = {turn.id: plan.materials[turn.id] for turn in turns if turn.id in plan.materials}
        plan = replace(plan, turns=turns, materials=left)
        steps.append(plan)
    return steps


def _prompt(whole: _Plan, plan: _Plan) -> Prompt:
    """The prompt of a plan, with what it lacks of the whole."""
    shortened = {
        turn_id: plan.materials[turn_id]
        for turn_id in plan.materials
        if plan.materials[turn_id] != whole.materials[turn_id]
    }
    told = [
        note
        for turn_id, material in shortened.items()
        for note in notes.of_cut(whole.materials[turn_id], material)
    ]
    is_less = plan.turns != whole.turns or plan.talk != whole.talk
    if is_less:
        told.append(notes.OLDER)
    return Prompt(
        plan.messages(),
        plan.turns,
        trimmed=plan.turns != whole.turns,
        material=plan.material,
        materials=shortened,
        talk=plan.talk if plan.talk != whole.talk else None,
        notes=tuple(told),
    )
