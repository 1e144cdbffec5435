"""The prompt holds what fits, the newest first, and is trimmed seldom and by much."""

from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bot.domain import Turn
from bot.errors import TooLong
from bot.model import Message
from bot.prompt import Prompt, build, fit
from tests.bot.turns_of import turn

SYSTEM = "Be brief."


async def words(messages: Sequence[Message]) -> int:
    """One token a word, and one a message."""
    return sum(1 + len(message["content"].split()) for message in messages)


def talk(*sizes: int) -> list[Turn]:
    """Turns whose question and answer have so many words each."""
    return [
        turn(text=" ".join([f"q{number}"] * size), answer=" ".join([f"a{number}"] * size))
        for number, size in enumerate(sizes)
    ]


async def prompt_of(
    history: Sequence[Turn], question: str, budget: int, system: str = SYSTEM
) -> Prompt:
    return await fit(system=system, history=history, question=question, budget=budget, count=words)


async def test_a_first_question_comes_after_the_system_prompt() -> None:
    prompt = await prompt_of([], "Why?", 100)
    assert prompt.messages == [
        {"role": "system", "content": SYSTEM},
        {"role": "user", "content": "Why?"},
    ]
    assert prompt.turns == ()
    assert not prompt.trimmed


async def test_without_a_system_prompt_there_is_no_system_message() -> None:
    prompt = await prompt_of([], "Why?", 100, system="")
    assert prompt.messages == [{"role": "user", "content": "Why?"}]


async def test_what_fits_is_all_there_in_order() -> None:
    history = talk(2, 3)
    prompt = await prompt_of(history, "Why?", 100)
    assert [message["content"] for message in prompt.messages[1:]] == [
        history[0].text,
        history[0].answer,
        history[1].text,
        history[1].answer,
        "Why?",
    ]
    assert [message["role"] for message in prompt.messages[1:]] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "user",
    ]
    assert prompt.turns == tuple(history)
    assert not prompt.trimmed


async def test_a_budget_that_is_just_enough_is_enough() -> None:
    history = talk(2, 3)
    needed = await words(build(SYSTEM, history, "Why?"))
    assert not (await prompt_of(history, "Why?", needed)).trimmed
    assert (await prompt_of(history, "Why?", needed - 1)).trimmed


async def test_a_turn_without_an_answer_is_left_out() -> None:
    history = [*talk(2), turn(text="unanswered"), *talk(1)]
    prompt = await prompt_of(history, "Why?", 100)
    assert prompt.turns == (history[0], history[2])
    assert not prompt.trimmed


async def test_trimming_leaves_the_oldest_out_and_keeps_the_newest() -> None:
    history = talk(*[5] * 12)
    prompt = await prompt_of(history, "Why?", 100)
    assert prompt.trimmed
    kept = len(prompt.turns)
    assert 0 < kept < len(history)
    assert prompt.turns == tuple(history[-kept:])
    assert prompt.messages == build(SYSTEM, history[-kept:], "Why?")


async def test_after_trimming_many_turns_fit_before_it_is_done_again() -> None:
    """The model's server reuses its work on what two prompts have in common."""
    budget, history = 400, list(talk(*[5] * 40))
    first = await prompt_of(history, "Why?", budget)
    assert first.trimmed
    window, last, turns_without_trimming = list(first.turns), first, 0
    while True:
        window += talk(5)
        prompt = await prompt_of(window, "Why?", budget)
        if prompt.trimmed:
            break
        assert prompt.messages[: len(last.messages) - 1] == last.messages[:-1]
        last, turns_without_trimming = prompt, turns_without_trimming + 1
    assert turns_without_trimming >= 15


async def test_a_question_that_leaves_no_room_is_asked_alone() -> None:
    question = " ".join(["why"] * 50)
    alone = await words(build(SYSTEM, (), question))
    prompt = await prompt_of(talk(5, 5, 5), question, alone)
    assert prompt.turns == ()
    assert prompt.trimmed
    assert prompt.messages == build(SYSTEM, (), question)


async def test_one_turn_that_is_too_long_is_left_out() -> None:
    prompt = await prompt_of(talk(500), "Why?", 100)
    assert prompt.turns == ()
    assert prompt.trimmed


async def test_a_question_that_is_alone_over_the_budget_is_too_long() -> None:
    question = " ".join(["why"] * 50)
    alone = await words(build(SYSTEM, (), question))
    with pytest.raises(TooLong):
        await prompt_of([], question, alone - 1)
    with pytest.raises(TooLong):
        await prompt_of(talk(5, 5), question, alone - 1)


async def test_a_long_system_prompt_counts() -> None:
    with pytest.raises(TooLong):
        await prompt_of([], "Why?", 20, system=" ".join(["be"] * 50))


async def test_a_long_history_is_counted_a_few_times_only() -> None:
    """The server counts: a call for each turn would be slow."""
    asked = 0

    async def counted(messages: Sequence[Message]) -> int:
        nonlocal asked
        asked += 1
        return await words(messages)

    await fit(system=SYSTEM, history=talk(*[5] * 1000), question="Why?", budget=60, count=counted)
    assert asked <= 12


@given(
    sizes=st.lists(st.integers(0, 30), max_size=20),
    question=st.integers(1, 40),
    system=st.integers(0, 10),
    budget=st.integers(1, 600),
)
async def test_the_budget_is_never_passed_and_what_is_held_is_the_newest(
    sizes: list[int], question: int, system: int, budget: int
) -> None:
    history = talk(*sizes)
    rules, asked = " ".join(["rule"] * system), " ".join(["why"] * question)
    answered = [one for one in history if one.answer]
    try:
        prompt = await prompt_of(history, asked, budget, system=rules)
    except TooLong:
        assert await words(build(rules, (), asked)) > budget
        return
    assert await words(prompt.messages) <= budget
    assert prompt.messages == build(rules, prompt.turns, asked)
    assert list(prompt.turns) == answered[len(answered) - len(prompt.turns) :]
    assert prompt.trimmed == (len(prompt.turns) < len(answered))


@given(sizes=st.lists(st.integers(1, 10), min_size=2, max_size=40), budget=st.integers(40, 200))
async def test_trimming_goes_down_to_half_of_the_room_that_the_question_leaves(
    sizes: list[int], budget: int
) -> None:
    prompt = await prompt_of(talk(*sizes), "Why?", budget)
    assume(prompt.trimmed)
    bare = await words(build(SYSTEM, (), "Why?"))
    assert await words(prompt.messages) - bare <= (budget - bare) // 2
