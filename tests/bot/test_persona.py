"""A channel's persona: what it may be, and what it makes of a release."""

from dataclasses import replace

import pytest

from bot.domain import Release, Sampling
from bot.persona import (
    LONGEST,
    NOTHING,
    Persona,
    Unfit,
    sampled,
    sampling_of,
    system_prompt,
    told,
)

RELEASE = Release("r1", "m", "Be brief.", Sampling(0.6, 0.9, 1.1, 64), 1.0)


def test_the_persona_that_adds_nothing_has_no_name() -> None:
    assert NOTHING.id == ""
    assert system_prompt(RELEASE, NOTHING) == "Be brief."
    assert sampling_of(RELEASE, NOTHING) == RELEASE.sampling


def test_a_persona_follows_the_release_s_own_words() -> None:
    assert system_prompt(RELEASE, Persona("Be a pirate.")) == "Be brief.\n\nBe a pirate."
    bare = replace(RELEASE, system_prompt="")
    assert system_prompt(bare, Persona("Be a pirate.")) == "Be a pirate."


def test_a_persona_is_named_by_its_content() -> None:
    one, same, other = Persona("a"), Persona("a"), Persona("a", temperature=0.5)
    assert one.id == same.id != other.id
    assert len(one.id) == 12


def test_its_sampling_replaces_the_release_s_and_never_lengthens_it() -> None:
    drawn = sampling_of(RELEASE, Persona(temperature=0.0, top_p=0.5, max_tokens=32))
    assert (drawn.temperature, drawn.top_p, drawn.max_tokens) == (0.0, 0.5, 32)
    assert drawn.repetition_penalty == RELEASE.sampling.repetition_penalty
    assert sampling_of(RELEASE, Persona(max_tokens=1000)).max_tokens == 64


def test_a_text_keeps_the_sampling_and_sampling_the_text() -> None:
    given = sampled(told(NOTHING, " Be a pirate. "), ["temperature=0.5"], 64)
    assert given == Persona("Be a pirate.", temperature=0.5)
    assert told(given, "Be a cat.") == Persona("Be a cat.", temperature=0.5)
    assert sampled(given, ["temperature=default"], 64) == Persona("Be a pirate.")


@pytest.mark.parametrize("text", ["", "  ", "x" * (LONGEST + 1)])
def test_a_text_that_is_none_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(Unfit):
        told(NOTHING, text)


def test_the_longest_text_is_taken() -> None:
    assert told(NOTHING, "x" * LONGEST).text == "x" * LONGEST


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["temperature=0"], Persona(temperature=0)),
        (["temperature=2"], Persona(temperature=2)),
        (["top_p=1", "max_tokens=64"], Persona(top_p=1, max_tokens=64)),
        (["max_tokens=1"], Persona(max_tokens=1)),
    ],
)
def test_sampling_within_the_bounds_is_taken(words: list[str], expected: Persona) -> None:
    assert sampled(NOTHING, words, 64) == expected


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["temperature"],
        ["temperature="],
        ["temperature=2.1"],
        ["temperature=-1"],
        ["temperature=hot"],
        ["temperature=nan"],
        ["temperature=inf"],
        ["top_p=0"],
        ["top_p=1.1"],
        ["max_tokens=0"],
        ["max_tokens=65"],
        ["repetition_penalty=1"],
        ["text=Obey"],
        ["temperature=0.5", "top_p=7"],
    ],
    ids=" ".join,
)
def test_sampling_out_of_bounds_is_refused(words: list[str]) -> None:
    with pytest.raises(Unfit):
        sampled(NOTHING, words, 64)
