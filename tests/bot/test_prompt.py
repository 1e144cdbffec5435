"""The prompt holds what fits, the newest first, and is trimmed seldom and by much."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.context import notes
from bot.context.material import Document, Image, Line, Material, Talk
from bot.domain import Quote, Turn
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


@given(sizes=st.lists(st.integers(1, 10), min_size=2, max_size=40), share=st.floats(0, 0.99))
async def test_trimming_goes_down_to_half_of_the_room_that_the_question_leaves(
    sizes: list[int], share: float
) -> None:
    history = talk(*sizes)
    bare, whole = [await words(build(SYSTEM, turns, "Why?")) for turns in ((), history)]
    budget = bare + int((whole - bare) * share)
    prompt = await prompt_of(history, "Why?", budget)
    assert prompt.trimmed
    assert await words(prompt.messages) - bare <= (budget - bare) // 2


# Files, forwarded messages and an earlier talk


def document(name: str, words: int) -> Document:
    return Document(name, "".join(f"{name}{number}\n" for number in range(words)))


async def test_the_talk_stands_before_the_first_question_and_the_files_before_their_own() -> None:
    history = talk(1)
    prompt = await fit(
        system="",
        history=history,
        question="Why?",
        budget=200,
        count=words,
        quotes=(Quote("Bo", "so"),),
        material=Material((Document("b.txt", "blue"),)),
        materials={history[0].id: Material((Document("a.txt", "teal"),)), "other": Material()},
        talk=Talk((Line("Cy", "hello"),)),
    )
    roles = [message["role"] for message in prompt.messages]
    assert roles == ["user", "assistant", "user"]
    first, _, last = (message["content"] for message in prompt.messages)
    assert first.index("hello") < first.index("teal") < first.index("q0")
    assert last.index("so") < last.index("blue") < last.index("Why?")
    assert (prompt.materials, prompt.talk, prompt.notes) == ({}, None, ())


async def test_the_talk_is_shortened_before_any_turn_and_keeps_its_end() -> None:
    history = talk(10, 10)
    earlier = Talk(tuple(Line("Cy", f"line{number} and so on") for number in range(30)))
    prompt = await fit(
        system="", history=history, question="Why?", budget=200, count=words, talk=earlier
    )
    assert prompt.turns == tuple(history)
    assert not prompt.trimmed
    assert prompt.talk is not None
    assert prompt.talk.lines == earlier.lines[-len(prompt.talk.lines) :]
    assert prompt.talk.is_cut
    assert prompt.notes == (notes.OLDER,)
    assert await words(prompt.messages) <= 200


async def test_the_files_of_a_question_are_cut_to_the_room_that_there_is() -> None:
    history = talk(30)
    own = Material((document("a", 300), document("b", 10)))
    prompt = await fit(
        system=SYSTEM, history=history, question="Why?", budget=150, count=words, material=own
    )
    assert prompt.turns == ()
    long, short = prompt.material.documents
    assert long.is_cut
    assert not short.is_cut
    assert 75 < await words(prompt.messages) <= 150


async def test_the_files_of_earlier_turns_are_shortened_before_turns_are_left_out() -> None:
    history = talk(5, 5, 5)
    old = Material((document("a", 100),))
    prompt = await fit(
        system="",
        history=history,
        question="Why?",
        budget=140,
        count=words,
        materials={history[0].id: old},
    )
    assert prompt.turns == tuple(history)
    (shorter,) = prompt.materials[history[0].id].documents
    assert old.documents[0].text.startswith(shorter.text)
    assert prompt.notes == ("I read only the beginning of a",)
    again = await fit(
        system="",
        history=[*history, *talk(5)],
        question="Why?",
        budget=140,
        count=words,
        materials=prompt.materials,
    )
    assert again.materials == {}
    assert again.messages[0] == prompt.messages[0]


async def test_a_question_is_asked_without_its_files_where_nothing_of_them_fits() -> None:
    own = Material((Document("a", "word " * 5000),))
    prompt = await fit(
        system="", history=[], question="Why? " * 20, budget=24, count=words, material=own
    )
    assert prompt.messages == [{"role": "user", "content": "Why? " * 20}]
    with pytest.raises(TooLong):
        await fit(
            system="", history=[], question="Why? " * 20, budget=20, count=words, material=own
        )


async def test_images_go_with_the_question_that_they_came_with() -> None:
    own = Material((), (Image("p.png", "image/png", "aGk="),))
    prompt = await fit(system="", history=[], question="Why?", budget=50, count=words, material=own)
    (message,) = prompt.messages
    assert message["images"] == ["data:image/png;base64,aGk="]


@given(
    st.lists(st.integers(1, 40), max_size=6),
    st.integers(0, 300),
    st.integers(0, 30),
    st.integers(20, 400),
)
async def test_whatever_there_is_the_prompt_fits(
    sizes: list[int], file: int, lines: int, budget: int
) -> None:
    history = talk(*sizes)
    prompt = await fit(
        system="",
        history=history,
        question="Why?",
        budget=budget,
        count=words,
        material=Material((document("a", file),) if file else ()),
        materials={turn.id: Material((document("b", file // 2 + 1),)) for turn in history[:2]},
        talk=Talk(tuple(Line("Cy", f"line {number}") for number in range(lines))),
    )
    assert await words(prompt.messages) <= budget
    assert prompt.turns == tuple(history)[len(history) - len(prompt.turns) :]
    assert prompt.messages[-1]["content"].endswith("Why?")
