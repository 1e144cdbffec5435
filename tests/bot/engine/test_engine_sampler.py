"""Drawing tokens: each row by its own parameters, and by nothing of the others'."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.engine.logprobs import LEAST, score
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


@pytest.mark.parametrize(
    "penalty", [{"repetition_penalty": 5.0}, {"frequency_penalty": 2.0}, {"presence_penalty": 2.0}]
)
def test_a_slot_forgets_its_last_answer(penalty: dict[str, float]) -> None:
    sampler = Sampler(num_slots=1, vocab_size=2, device=CPU)
    for _ in range(2):
        sampler.begin(0, sampling(temperature=0, **penalty), ())
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


# Against a plain reference of one row


def reference(
    logits: list[float], how: Sampling, prompt: Sequence[int], output: Sequence[int], eos: int
) -> dict[int, float]:
    """The probability of each token that may be drawn, in plain Python."""
    shaped = list(logits)
    for token in {*prompt, *output}:
        sign = shaped[token] > 0
        shaped[token] *= 1 / how.repetition_penalty if sign else how.repetition_penalty
    for token, count in Counter(output).items():
        shaped[token] -= how.frequency_penalty * count + how.presence_penalty
    if len(output) < how.min_tokens:
        shaped[eos] = -math.inf
    if how.temperature == 0:
        return {max(range(len(shaped)), key=shaped.__getitem__): 1.0}
    highest = max(shaped)
    weights = {n: math.exp((x - highest) / how.temperature) for n, x in enumerate(shaped)}
    ranked = sorted(weights, key=lambda n: -weights[n])
    kept = [n for n in ranked if weights[n] >= how.min_p]
    kept = kept[: how.top_k or None]
    whole, mass, nucleus = sum(weights[n] for n in kept), 0.0, list[int]()
    for token in kept:
        if mass >= how.top_p * whole and nucleus:
            break
        nucleus.append(token)
        mass += weights[token]
    return {n: weights[n] / mass for n in nucleus}


hows = st.builds(
    Sampling,
    max_tokens=st.just(50),
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_p=st.sampled_from([1.0, 0.95, 0.4]),
    top_k=st.sampled_from([0, 1, 3, 280, 290]),
    min_p=st.sampled_from([0.0, 0.05, 0.9]),
    repetition_penalty=st.sampled_from([1.0, 1.3, 0.8]),
    frequency_penalty=st.sampled_from([0.0, 0.7, -0.4, 2.0]),
    presence_penalty=st.sampled_from([0.0, 1.1, -0.6]),
    min_tokens=st.sampled_from([0, 4]),
    logprobs=st.sampled_from([None, 0, 3]),
    seed=st.integers(0, 99),
)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.lists(
        st.tuples(hows, st.lists(st.integers(0, 299), max_size=6)), max_size=4, min_size=1
    ),
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0.1, 2.0, 6.0]),
)
def test_every_row_of_a_batch_draws_as_a_plain_reference_of_one_row(
    rows: list[tuple[Sampling, list[int]]], seed: int, spread: float
) -> None:
    vocab, eos = 300, 7
    generator = torch.Generator().manual_seed(seed)
    sampler = Sampler(num_slots=4, vocab_size=vocab, device=CPU, eos_ids=frozenset({eos}))
    slots = torch.randperm(4, generator=generator)[: len(rows)].tolist()
    for slot, (how, prompt) in zip(slots, rows, strict=True):
        sampler.begin(slot, how, prompt)
    outputs: dict[int, list[int]] = {slot: [] for slot in slots}
    for _ in range(6):
        logits = torch.randn(len(rows), vocab, generator=generator) * spread
        draws = sampler.sample(logits.clone(), slots)
        for slot, (how, prompt), row, drawn in zip(slots, rows, logits, draws, strict=True):
            assert drawn is not None
            # The last token of a nucleus may fall on either side in float32.
            wide = replace(how, top_p=min(1.0, how.top_p + 1e-4), min_p=how.min_p * 0.999)
            assert drawn.token in reference(row.tolist(), wide, prompt, outputs[slot], eos)
            outputs[slot].append(drawn.token)
            check_score(drawn, row, how)


def check_score(drawn: Draw, row: torch.Tensor, how: Sampling) -> None:
    if how.logprobs is None:
        assert drawn.score is None
        return
    assert drawn.score is not None
    expected = row.log_softmax(-1)
    assert drawn.score.token == drawn.token
    assert drawn.score.logprob == pytest.approx(float(expected[drawn.token]), abs=1e-4)
    assert drawn.score.rank == 1 + int((row > row[drawn.token]).sum())
    best = expected.topk(how.logprobs)
    assert [token for token, _ in drawn.score.top] == best.indices.tolist()
    assert [x for _, x in drawn.score.top] == pytest.approx(best.values.tolist(), abs=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"top_p": 0.8},
        {"top_k": 5, "top_p": 0.9},
        {"top_k": 270, "top_p": 0.9},
        {"min_p": 0.3},
        {"min_p": 0.001},
        {"frequency_penalty": 1.5},
        {"temperature": 2.0, "presence_penalty": -1.0},
    ],
)
def test_frequencies_are_those_of_the_reference(change: dict[str, float]) -> None:
    how = sampling(max_tokens=9, **change)
    logits = torch.randn(300, generator=torch.Generator().manual_seed(1)) * 1.5
    output = [int(logits.argmax()), 5, 5]
    expected = reference(logits.tolist(), how, (), output, eos=0)
    num = 3000
    sampler = Sampler(num_slots=num, vocab_size=300, device=CPU)
    for slot in range(num):
        sampler.begin(slot, replace(how, seed=slot), (), output)
    counts = Counter(tokens(sampler.sample(logits.expand(num, -1), range(num))))
    assert set(counts) <= set(expected)
    for token, probability in expected.items():
        assert counts[token] / num == pytest.approx(probability, abs=0.035)


def test_an_answer_that_goes_on_in_another_slot_draws_as_if_it_had_stayed() -> None:
    how = sampling(
        max_tokens=40, temperature=1.4, seed=3, frequency_penalty=0.9, repetition_penalty=1.2
    )
    logits = torch.randn(40, 1, 50, generator=torch.Generator().manual_seed(4))
    prompt = (4, 5)

    def drawn(moves_after: int) -> list[int | None]:
        sampler = Sampler(num_slots=2, vocab_size=50, device=CPU)
        sampler.begin(0, how, prompt)
        slot, got = 0, list[int | None]()
        for step in range(40):
            if step == moves_after:
                sampler.end(0)
                slot = 1
                sampler.begin(1, how, prompt, [token for token in got if token is not None])
            got += tokens(sampler.sample(logits[step], [slot]))
        return got

    assert drawn(23) == drawn(99)


def test_a_probability_of_none_is_a_number_that_json_has() -> None:
    never = float("-inf")
    [one] = score(torch.tensor([[0.0, never, never]]), torch.tensor([1]), 2)
    assert one.logprob == LEAST
    assert [x for _, x in one.top] == [0.0, LEAST]
