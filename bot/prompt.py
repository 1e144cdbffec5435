"""The prompt: as much of a conversation as fits the token budget, newest first, with one answer to
each question.

Old turns are left out in large steps, down to half of the room that the question leaves, so that
the prompts of one conversation share their beginning for many turns and the model's server can
reuse its work.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bot.domain import Turn
from bot.errors import TooLong
from bot.model import Message

Counter = Callable[[Sequence[Message]], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class Prompt:
    """The messages to send, and the turns of the conversation that they hold.

    `trimmed` tells that older turns were left out now, and not before.
    """

    messages: list[Message]
    turns: tuple[Turn, ...]
    trimmed: bool


async def fit(
    *, system: str, history: Sequence[Turn], question: str, budget: int, count: Counter
) -> Prompt:
    """Build the prompt of a question after `history` (oldest first) in `budget` tokens.

    Raises TooLong when the question alone is over the budget.
    """
    turns = tuple(one_each(history))
    messages = build(system, turns, question)
    if await count(messages) <= budget:
        return Prompt(messages, turns, trimmed=False)
    bare = await count(build(system, (), question))
    if bare > budget:
        raise TooLong("the question alone is longer than the model's context allows")
    while turns:
        turns = turns[(len(turns) + 1) // 2 :]
        messages = build(system, turns, question)
        if not turns or await count(messages) <= (bare + budget) // 2:
            break
    return Prompt(messages, turns, trimmed=True)


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


def build(system: str, turns: Sequence[Turn], question: str) -> list[Message]:
    """The messages of a prompt: system, then each turn's question and answer, then the question."""
    messages: list[Message] = [{"role": "system", "content": system}] if system else []
    for turn in turns:
        messages.append({"role": "user", "content": turn.text})
        messages.append({"role": "assistant", "content": turn.answer})
    messages.append({"role": "user", "content": question})
    return messages
