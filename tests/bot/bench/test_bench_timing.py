"""What times add up to."""

import pytest

from bot.bench.parts import chats_row, roofline_row
from bot.bench.rows import Machine
from bot.bench.timing import Answer, Pass, median, percentile


def test_percentiles_interpolate_and_of_nothing_there_are_none() -> None:
    assert percentile([4.0, 1.0, 2.0, 3.0], 0.5) == 2.5
    assert percentile([1.0, 2.0, 3.0], 0.95) == pytest.approx(2.9)
    assert percentile([7.0], 0.95) == 7.0
    assert percentile([], 0.5) is None
    with pytest.raises(ValueError, match="no values"):
        median([])


def test_a_gap_between_pieces_counts_for_each_token_that_a_piece_holds() -> None:
    assert Answer(0.0, (1.0, 2.0, 4.0), num_tokens=3).gaps_s == [1.0, 2.0]
    assert Answer(0.0, (1.0, 2.0, 4.0), num_tokens=5).gaps_s == [0.5, 1.0]
    assert Answer(0.0, (1.0,), num_tokens=4).gaps_s == []
    assert Answer(0.5, (1.0,), num_tokens=4).first_s == 0.5


def test_a_pass_lasts_from_the_first_question_to_the_last_piece() -> None:
    one = Pass((Answer(10.0, (11.0, 12.0), 2), Answer(10.5, (13.0, 14.0), 6)))
    assert (one.num_tokens, one.tokens_a_second) == (8, 2.0)


def test_decoding_counts_only_while_every_answer_grows() -> None:
    early = Answer(0.0, (1.0, 2.0, 3.0, 4.0), 4)
    late = Answer(0.0, (2.0, 3.0, 4.0, 5.0), 4)
    # From 2 to 4 each of the two gave two tokens.
    assert Pass((early, late)).decode_a_second == 2.0
    assert Pass((early, Answer(0.0, (9.0, 10.0), 2))).decode_a_second is None


def test_a_row_of_chats_takes_the_median_pass_and_all_answers() -> None:
    passes = [
        Pass((Answer(0.0, (float(end),), 6),), peak_bytes=peak)
        for end, peak in ((1, None), (2, 70), (3, 50))
    ]
    row = chats_row("candor", 1, passes)
    assert (row.output_tok_s, row.output_tok_s_rounds) == (3.0, [6.0, 3.0, 2.0])
    assert (row.requests, row.ttft_p50_s, row.itl_p50_s, row.peak_rss_bytes) == (1, 2.0, None, 70)


def test_the_bound_is_the_slower_of_memory_and_arithmetic() -> None:
    machine = Machine("m", "cpu", "float32", 1000, 10, 2000, 20, 1e4, {"float32": 1e5})
    one = roofline_row("candor", machine, chats=1, context=10, rates=[5.0])
    # 1000 + 10 * 10 bytes at 10,000 a second; 2000 + 10 * 20 operations at 100,000.
    assert one.bound_by == "bandwidth"
    assert one.bound_tok_s == pytest.approx(1e4 / 1100)
    assert one.reached == one.reached_of_bandwidth == pytest.approx(5.0 * 1100 / 1e4)
    many = roofline_row("candor", machine, chats=32, context=10, rates=[20.0])
    assert many.bound_by == "arithmetic"
    assert many.bound_tok_s == pytest.approx(1e5 / 2200)
    assert many.reached_of_bandwidth == pytest.approx(20.0 / (32 * 1e4 / 4200))
