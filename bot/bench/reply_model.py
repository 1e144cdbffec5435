"""The model of the reply bench: answers of a wanted length at a model's pace, and when they came.

A question tells the length of its answer; the answer is the same whoever asks.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final

FIRST_S: Final = 0.3
"""Seconds to the first token."""
TOKENS_S: Final = 40.0
TOKEN: Final = 4
"""Characters of a token."""
FENCE_FROM: Final = 1_750
FENCE_TO: Final = 2_450
"""Where code begins and ends in an answer: across the end of Discord's first message."""

_QUESTION: Final = re.compile(r"Bench (\S+): an answer of (\d+) characters")
_SENTENCES: Final = (
    "The harbour wakes before the town does, and the first boats are out by then.",
    "A lamp that is lit in the window means that somebody waits.",
    "Nobody remembers who built the bridge, but everybody walks over it.",
    "Rain on the tin roof makes the afternoon longer than it is.",
    "There is a path behind the mill that even the maps leave out.",
)


def question(tag: str, length: int) -> str:
    """What a person asks."""
    return f"Bench {tag}: an answer of {length} characters, please."


def opening(tag: str) -> str:
    """How the answer begins, and no other."""
    return f"Answer {tag}."


def answer_to(asked: str) -> str:
    """The answer, of exactly the wanted length. Raises ValueError for no question of the bench."""
    found = _QUESTION.search(asked)
    if found is None:
        raise ValueError("this is no question of the bench")
    tag, length = found[1], int(found[2])
    text = opening(tag)
    number = 0
    while len(text) < FENCE_FROM:
        text += f"\n\n{_paragraph(number)}"
        number += 1
    text += "\n\n```python"
    while len(text) < FENCE_TO:
        text += f"\nvalue_{number} = [{number}, {number * 7}]  # line {number} of {tag}"
        number += 1
    text += "\n```"
    while len(text) < length:
        text += f"\n\n{_paragraph(number)}"
        number += 1
    ending = f" So much for {tag}."
    return text[: length - len(ending)].rstrip() + ending


def _paragraph(number: int) -> str:
    chosen = [_SENTENCES[(number + step) % len(_SENTENCES)] for step in range(4)]
    return f"{number}. " + " ".join(chosen)


@dataclass(slots=True)
class Said:
    """When an answer's first and last token went out, in seconds of Unix time."""

    first_at: float
    last_at: float | None = None


class Typist:
    """Speaks answers token by token, on the beat, and notes when."""

    def __init__(self) -> None:
        self.said: dict[str, Said] = {}

    def answer_to(self, question: str) -> str:
        """The whole answer."""
        return answer_to(question)

    async def pieces(self, question: str, rest: str) -> AsyncGenerator[str, None]:
        """What is left of it."""
        loop = asyncio.get_running_loop()
        begin = loop.time() + FIRST_S
        found = _QUESTION.search(question)
        tag = found[1] if found else question
        tokens = [rest[at : at + TOKEN] for at in range(0, len(rest), TOKEN)]
        for number, token in enumerate(tokens):
            wait_s = begin + number / TOKENS_S - loop.time()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            now = time.time()
            said = self.said.setdefault(tag, Said(now))
            if number == len(tokens) - 1:
                said.last_at = now
            yield token


def takes_s(length: int) -> float:
    """Seconds from a question to the last token of an answer of that length."""
    return FIRST_S + length / TOKEN / TOKENS_S
