"""Drawing tokens: each row by its own parameters, and by nothing of the others'."""

from collections import Counter
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engine.request import Sampling
from bot.engine.sampler import Draw, Sampler, pick_rank

CPU = torch.device("cpu")


def sampling(**changes: object) -> Sampling:
    return Sampling(**({"max_tokens": 1, "seed": 0} | changes))  # type: ignore[arg-type]


def draw(
    logits: list[float], how: Sampling, num: int = 300, prompt: tuple[int, ...] = ()
) -> Counter[int]:
    sampler = Sampler(num_slots=1, vocab_size=len(logits), device=CPU)
    sampler.begin(0, how, prompt)
    draws = [sampler.sample(torch.tensor([logits]), [0])[0] for _ in range(num)]
    return Counter(drawn.token for drawn in draws if drawn is not None)


def tokens(draws: Sequence[Draw | None]) -> list[int | None]:
    return [None if drawn is None else drawn.token for drawn in draws]


def test_temperature_zero_takes_the_greatest() -> None:
    assert draw([0.0, 3.0, 2.9], sampling(temperature=0)) == {1: 300}


def test_frequencies_follow_the_probabilities() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log().tolist()
    counts = draw(logits, sampling(), 4000)
    for token, probability in enumerate((0.5, 0.3, 0.2)):
        assert abs(counts[token] / 4000 - probability) < 0.03


def test_a_low_temperature_sharpens() -> None:
    hot, cold = (draw([1.0, 0.0], sampling(temperature=t), 1000)[0] for t in (1.0, 0.25))
    assert abs(hot / 1000 - 0.731) < 0.05
    assert abs(cold / 1000 - 0.982) < 0.02


def test_top_k_keeps_the_k_most_probable() -> None:
    assert set(draw([0.0, 2.0, 1.0, 1.9], sampling(top_k=2, temperature=5))) == {1, 3}


def test_top_p_keeps_the_smallest_set_of_that_mass() -> None:
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log().tolist()
    assert set(draw(logits, sampling(top_p=0.79))) == {0, 1}
    assert set(draw(logits, sampling(top_p=0.81))) == {0, 1, 2}
    assert set(draw(logits, sampling(top_p=1e-6))) == {0}


def test_top_p_counts_within_top_k() -> None:
    logits = torch.tensor([0.4, 0.3, 0.2, 0.1]).log().tolist()
    # Of the two that top-k leaves, the first has 4/7 of the mass.
    assert set(draw(logits, sampling(top_k=2, top_p=0.5))) == {0}


@pytest.mark.parametrize("top_p", [0.9, 1.0])
def test_a_flat_distribution_reaches_beyond_the_candidates(top_p: float) -> None:
    counts = draw([0.0] * 2000, sampling(top_p=top_p), 3000)
    assert len(counts) > 1200
    assert len(counts) <= 2000 * top_p + 1


def test_the_repetition_penalty_counts_the_prompt_and_what_was_drawn() -> None:
    how = sampling(temperature=0, repetition_penalty=2.0)
    sampler = Sampler(num_slots=1, vocab_size=4, device=CPU)
    sampler.begin(0, how, (0,))
    logits = torch.tensor([[3.0, 2.0, 1.9, -1.0]])
    assert [tokens(sampler.sample(logits, [0])) for _ in range(3)] == [[1], [2], [0]]


def test_a_slot_forgets_its_last_answer() -> None:
    sampler = Sampler(num_slots=1, vocab_size=2, device=CPU)
    for _ in range(2):
        sampler.begin(0, sampling(temperature=0, repetition_penalty=5.0), ())
        assert tokens(sampler.sample(torch.tensor([[2.0, 1.0]]), [0])) == [0]
        sampler.end(0)


def test_a_row_that_is_not_finite_is_none_and_the_others_are_drawn() -> None:
    sampler = Sampler(num_slots=3, vocab_size=3, device=CPU)
    for slot in range(3):
        sampler.begin(slot, sampling(temperature=slot % 2, repetition_penalty=1.1), (1,))
    logits = torch.tensor([[0.0, float("nan"), 1.0], [0.0, 9.0, 0.0], [0.0, float("inf"), 1.0]])
    assert tokens(sampler.sample(logits, [2, 0, 1])) == [None, 1, None]


def test_rows_draw_by_their_own_parameters_in_any_order() -> None:
    logits = torch.randn(3, 500, generator=torch.Generator().manual_seed(3))
    hows = [sampling(temperature=1.3, seed=5), sampling(temperature=0), sampling(top_k=3, seed=9)]

    def drawn(slots: list[int]) -> dict[int, list[int | None]]:
        sampler = Sampler(num_slots=3, vocab_size=500, device=CPU)
        for slot in range(3):
            sampler.begin(slot, hows[slot], ())
        got: dict[int, list[int | None]] = {slot: [] for slot in slots}
        for _ in range(20):
            for slot, token in zip(
                slots, tokens(sampler.sample(logits[slots], slots)), strict=True
            ):
                got[slot].append(token)
        return got

    together = drawn([2, 0, 1])
    for slot in range(3):
        assert drawn([slot])[slot] == together[slot]


@settings(deadline=None, max_examples=60)
@given(
    probs=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20).filter(lambda p: sum(p) > 0),
    top_k=st.integers(0, 25),
    top_p=st.floats(1e-6, 1),
    min_p=st.floats(0, 1, width=16),
    uniform=st.floats(0, 1, exclude_max=True),
)
def test_no_token_of_no_probability_is_ever_picked(
    probs: list[float], top_k: int, top_p: float, min_p: float, uniform: float
) -> None:
    top = torch.tensor([sorted(probs, reverse=True)]) / sum(probs)
    rank = pick_rank(
        top,
        torch.tensor([[top_k]]),
        torch.tensor([[top_p]]),
        torch.tensor([[min_p]]),
        torch.tensor([[uniform]]),
    ).item()
    assert top[0, int(rank)] > 0
    assert top[0, int(rank)] >= min_p * top[0, 0]
    assert top_k == 0 or rank < top_k
