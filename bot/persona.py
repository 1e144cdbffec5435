"""A channel's persona: what its moderators tell the model beside the release, and its sampling.

A persona follows the release's own system prompt and never replaces it: what whoever runs the bot
has written there holds everywhere. Like a release it is immutable and named by its content.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Final

import orjson

from bot.domain import Release, Sampling

LONGEST: Final = 2000
"""Characters of a persona's text."""

SAMPLING: Final = ("temperature", "top_p", "max_tokens")
"""What of the sampling a channel may change."""


@dataclass(frozen=True, slots=True)
class Persona:
    """What a channel adds to the release; None leaves a value to the release."""

    text: str = ""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None

    @property
    def id(self) -> str:
        """The first 12 hexadecimal digits of its content's SHA-256; "" when it adds nothing."""
        if self == NOTHING:
            return ""
        content = orjson.dumps(asdict(self), option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()[:12]


NOTHING: Final = Persona()


class Unfit(ValueError):
    """What somebody wants of a persona cannot be; its text is a line for them."""


def told(persona: Persona, text: str) -> Persona:
    """The persona with another text. Raises Unfit."""
    text = text.strip()
    if not text:
        raise Unfit("The text is empty.")
    if len(text) > LONGEST:
        raise Unfit(f"The text has {len(text)} characters; {LONGEST} is the most.")
    return replace(persona, text=text)


def sampled(persona: Persona, words: Sequence[str], most_tokens: int) -> Persona:
    """The persona with sampling as in `temperature=0.5 top_p=0.9`; `name=default` gives it back.

    Raises Unfit; `most_tokens` is what the settings allow an answer.
    """
    if not words:
        raise Unfit("Give at least one of temperature=…, top_p=…, max_tokens=….")
    for word in words:
        name, _, value = word.partition("=")
        if name not in SAMPLING or not value:
            raise Unfit(f"I don't know {word[:40]!r}; there are {', '.join(SAMPLING)}.")
        if name == "max_tokens":
            most = _number(name, value, 1, most_tokens)
            persona = replace(persona, max_tokens=None if most is None else round(most))
        elif name == "temperature":
            persona = replace(persona, temperature=_number(name, value, 0, 2))
        else:
            persona = replace(persona, top_p=_number(name, value, 0.01, 1))
    return persona


def system_prompt(release: Release, persona: Persona) -> str:
    """What the model is told first."""
    return "\n\n".join(part for part in (release.system_prompt, persona.text) if part)


def sampling_of(release: Release, persona: Persona) -> Sampling:
    """How tokens are drawn; never longer than the release allows."""
    given = release.sampling
    return replace(
        given,
        temperature=given.temperature if persona.temperature is None else persona.temperature,
        top_p=given.top_p if persona.top_p is None else persona.top_p,
        max_tokens=min(given.max_tokens, persona.max_tokens or given.max_tokens),
    )


def _number(name: str, value: str, least: float, most: float) -> float | None:
    """The number within its bounds; None for `default`. Raises Unfit."""
    if value == "default":
        return None
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise Unfit(f"{name} should be a number from {least:g} to {most:g}.")
    return number
