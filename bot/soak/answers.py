"""What the soak's model says: a text that is a pure function of the question. Pure.

So whoever knows a question knows its answer to the letter. Texts are from one line to several
messages of either platform, with code, lists and wide characters now and then; no tables, which
stand otherwise than they were written. Each ends with a line that no other question's answer has.
"""

import hashlib
import random
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_WORDS: Final = (  # noqa: SIM905 - fifty strings in quotes read worse
    "river stone window garden letter mountain copper winter signal market bridge candle "
    "harbor engine paper morning shadow silver thunder village anchor basket circle desert "
    "ember forest glacier horizon island journey kettle lantern meadow needle orchard pepper "
    "quarry ribbon saddle timber valley whistle yellow zephyr naïve über 東京 λόγος 🚲 🌦️"
).split()

_LENGTHS: Final = ((35, 40), (35, 900), (20, 3_800), (10, 10_500))
"""Weight, and about how many characters: a line, one message, two of Discord, two of Slack."""


@lru_cache(maxsize=8192)
def answer_to(question: str) -> str:
    """The whole answer. White space around the question makes no difference."""
    question = " ".join(question.split())
    digest = hashlib.sha256(question.encode()).hexdigest()
    draw = random.Random(digest)  # noqa: S311 - the same for ever
    (length,) = draw.choices([length for _, length in _LENGTHS], [weight for weight, _ in _LENGTHS])
    blocks = [f"You asked: {question}"]
    size = len(blocks[0])
    while size < length:
        block = _block(draw)
        blocks.append(block)
        size += len(block) + 2
    return "\n\n".join([*blocks, ending(question)])


def ending(question: str) -> str:
    """The last line of the answer, which no other answer holds."""
    question = " ".join(question.split())
    return f"So much for {hashlib.sha256(question.encode()).hexdigest()[:16]}."


def pieces(text: str, size: int) -> Iterator[str]:
    """The text in pieces of `size` characters, as a model streams it."""
    for start in range(0, len(text), size):
        yield text[start : start + size]


def _block(draw: random.Random) -> str:
    kind = draw.choices(("prose", "list", "code"), (74, 13, 13))[0]
    match kind:
        case "list":
            return "\n".join(f"- {_words(draw, 3, 9)}" for _ in range(draw.randint(2, 6)))
        case "code":
            lines = [
                f"{'    ' * draw.randint(0, 2)}{_words(draw, 1, 1)}_{number} = {number * 7}"
                for number in range(draw.randint(3, 40))
            ]
            return "\n".join(["```python", *lines, "```"])
        case _:
            return _words(draw, 20, 90).capitalize() + "."


def _words(draw: random.Random, least: int, most: int) -> str:
    return " ".join(draw.choices(_WORDS, k=draw.randint(least, most)))
