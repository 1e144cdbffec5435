"""The compiled attention of growing answers, against torch's own over rows copied side by side."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from bot.engine import ragged
from bot.engine.ragged import Rows

_TOLERANCE = 2e-6
"""Sums of float32 in another order; values are of the size of 1."""


@dataclass(frozen=True)
class Case:
    """Rows of these lengths, their blocks scattered over a cache of random numbers."""

    query: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    tables: torch.Tensor
    lengths: torch.Tensor

    def run(self, rows: list[int] | None = None, window: int | None = None) -> torch.Tensor:
        """The kernel's answer for some of the rows, or all."""
        chosen = torch.tensor(rows if rows is not None else range(len(self.lengths)))
        query = self.query[chosen].contiguous()
        lengths = self.lengths[chosen]
        out = torch.full((*query.shape[:2], self.values.shape[3]), torch.nan)
        Rows(chosen, lengths, self.tables, int(lengths.max())).attend(
            query, self.keys, self.values, out, scale=query.shape[2] ** -0.5, window=window
        )
        return out

    def expected(self, row: int, window: int | None = None) -> torch.Tensor:
        length = int(self.lengths[row])
        places = self.tables[row].repeat_interleave(self.keys.shape[1]) * self.keys.shape[1]
        places += torch.arange(len(places)) % self.keys.shape[1]
        places = places[max(0, length - window) if window else 0 : length]
        keys = self.keys.flatten(0, 1)[places].transpose(0, 1)
        values = self.values.flatten(0, 1)[places].transpose(0, 1)
        num_kv = keys.shape[0]
        query = self.query[row].view(num_kv, -1, self.query.shape[2])
        return scaled_dot_product_attention(query, keys, values).flatten(0, 1)


def make_case(
    lengths: list[int],
    *,
    heads: tuple[int, int] = (4, 2),
    dims: tuple[int, int] = (8, 8),
    block_size: int = 4,
    seed: int = 0,
) -> Case:
    """`heads` of queries and of keys, `dims` of keys and of values."""
    dice = torch.Generator().manual_seed(seed)
    width = -(-max(lengths) // block_size)
    num_blocks = len(lengths) * width + 1
    tables = torch.randperm(num_blocks - 1, generator=dice).view(len(lengths), width) + 1
    room = (num_blocks, block_size, heads[1])
    return Case(
        query=torch.randn(len(lengths), heads[0], dims[0], generator=dice),
        keys=torch.randn(*room, dims[0], generator=dice),
        values=torch.randn(*room, dims[1], generator=dice),
        tables=tables,
        lengths=torch.tensor(lengths),
    )


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    heads=st.sampled_from([(4, 2), (3, 3), (6, 1)]),
    dims=st.sampled_from([(8, 8), (16, 8)]),
    window=st.one_of(st.none(), st.integers(1, 45)),
    seed=st.integers(0, 1000),
)
def test_rows_see_what_torch_sees(
    lengths: list[int],
    heads: tuple[int, int],
    dims: tuple[int, int],
    window: int | None,
    seed: int,
) -> None:
    case = make_case(lengths, heads=heads, dims=dims, seed=seed)
    found = case.run(window=window)
    for row in range(len(lengths)):
        expected = case.expected(row, window)
        torch.testing.assert_close(found[row], expected, atol=_TOLERANCE, rtol=0)


def test_a_row_is_the_same_to_the_last_bit_in_any_company() -> None:
    case = make_case([33, 5, 18, 40, 1, 27, 16])
    together = case.run()
    assert torch.equal(case.run([3, 0]), together[[3, 0]])
    for row in range(len(case.lengths)):
        assert torch.equal(case.run([row])[0], together[row])


def test_the_number_of_threads_changes_no_bit() -> None:
    case = make_case([33, 5, 18], heads=(6, 3))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = case.run()
        for num in (2, 5):
            torch.set_num_threads(num)
            assert torch.equal(case.run(), alone)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("number", [torch.nan, torch.inf, -torch.inf])
def test_what_is_no_number_stays_in_its_row(number: float) -> None:
    case = make_case([9, 30, 12])
    whole = case.run()
    case.keys[case.tables[1, 2], 1] = number
    broken = case.run()
    assert torch.equal(broken[[0, 2]], whole[[0, 2]])
    if number != -torch.inf:  # which may be as good as unseen
        assert not torch.isfinite(broken[1]).all()


def test_what_stands_behind_a_row_is_not_seen() -> None:
    case = make_case([9, 10])
    whole = case.run()
    case.keys[case.tables[0, 2], 1:] = torch.nan
    case.values[case.tables[0, 2], 1:] = 0.0
    assert torch.equal(case.run(), whole)


def test_large_scores_do_not_overflow() -> None:
    case = make_case([20])
    case.query.mul_(1e4)
    torch.testing.assert_close(case.run()[0], case.expected(0), atol=_TOLERANCE, rtol=0)


def test_without_libgomp_one_thread_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case([33, 5])
    with_it = case.run()
    alone = ragged.openmp(None)
    monkeypatch.setattr(ragged, "openmp", lambda _=None: alone)
    assert torch.equal(case.run(), with_it)


def test_it_runs_for_float32_on_the_cpu_alone() -> None:
    assert ragged.can_run(torch.device("cpu"), torch.float32)
    assert not ragged.can_run(torch.device("cpu"), torch.bfloat16)
    assert not ragged.can_run(torch.device("cuda"), torch.float32)


def test_tensors_with_gaps_are_refused() -> None:
    case = make_case([5])
    query = torch.randn(8, 4, 1).transpose(0, 2)
    with pytest.raises(ValueError, match="contiguous"):
        Rows(torch.tensor([0]), case.lengths, case.tables, 5).attend(
            query, case.keys, case.values, torch.empty(1, 4, 8), scale=1.0, window=None
        )
