"""The questions: set lengths, the same at each run, none like another."""

from statistics import mean

import pytest

from bot.bench.workload import FULL, QUICK, WORDS, Speller, dice, frame, pool, text

SPELLER = Speller(before=(1, 2, 3), pool=tuple(range(100, 30_000)), after=(4, 5))


def test_questions_have_the_lengths_of_the_size_and_its_answers() -> None:
    questions = SPELLER.questions(dice(0, "chats", 32, 0), FULL, FULL.num_requests(32))
    lengths = [len(question.prompt) for question in questions]
    assert (len(lengths), min(lengths), max(lengths)) == (64, 97, 294)
    assert mean(lengths) == pytest.approx(195, abs=2)
    assert {question.new_tokens for question in questions} == {64, 88, 112}
    assert all(question.prompt[:3] == (1, 2, 3) for question in questions)
    assert all(question.prompt[-2:] == (4, 5) for question in questions)


def test_the_same_seed_asks_the_same_and_each_pass_asks_something_else() -> None:
    asked = [
        SPELLER.questions(dice(seed, "chats", 8, round_number), QUICK, 8)
        for seed, round_number in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert asked[0] == asked[1]
    prompts = [question.prompt for questions in asked[1:] for question in questions]
    beginnings = {prompt[3:19] for prompt in prompts}
    assert len(beginnings) == len(prompts) == 24


def test_one_question_has_a_middle_length() -> None:
    [question] = SPELLER.questions(dice(0), FULL, 1)
    assert len(question.prompt) == (97 + 294) // 2


def test_a_template_longer_than_the_prompt_still_leaves_room_for_a_word() -> None:
    speller = Speller(before=tuple(range(200)), pool=tuple(range(500)))
    assert len(speller.prompt(dice(0), 97)) == 201


def test_without_token_ids_prompts_are_words() -> None:
    prompt = Speller().prompt(dice(0), 40)
    assert isinstance(prompt, str)
    assert len(prompt.split()) == 40


@pytest.mark.parametrize(("chats", "requests"), [(1, 3), (8, 16), (32, 64), (64, 64), (100, 100)])
def test_all_that_are_in_flight_are_asked_and_more(chats: int, requests: int) -> None:
    assert FULL.num_requests(chats) == requests


def test_the_frame_of_a_chat_is_what_two_chats_share_at_both_ends() -> None:
    assert frame([1, 2, 7, 8, 3], [1, 2, 9, 3]) == ((1, 2), (3,))
    assert frame([7], [8]) == ((), ())
    # One text may repeat the frame's token: it is not counted from both ends.
    assert frame([1, 1, 1], [1, 1]) == ((1, 1), ())


def test_the_pool_is_the_same_text_at_each_call() -> None:
    assert pool(3) == pool(3) != pool(4)
    assert set(text(dice(0), 50).split()) <= set(WORDS)
    assert len(set(WORDS)) == len(WORDS)
