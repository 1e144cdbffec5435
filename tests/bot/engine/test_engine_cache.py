"""Room for keys and values: who holds it, and how it grows."""

import pytest
import torch

from bot.engine.cache import Cache

SHAPE = torch.ones(1, 2, 3, 4)  # one row, two heads, three tokens, four numbers a head


def test_the_lowest_free_slot_is_handed_out() -> None:
    cache = Cache(num_slots=3, context=512)
    assert [cache.allocate() for _ in range(3)] == [0, 1, 2]
    assert not cache.can_allocate()
    cache.free(2)
    cache.free(0)
    assert cache.num_spanned == 2
    assert [cache.allocate(), cache.allocate()] == [0, 2]


def test_growing_keeps_what_is_written_and_the_rest_reads_as_zeros() -> None:
    cache = Cache(num_slots=2, context=512)
    cache.allocate()
    cache.reserve(10)
    layer = cache.layer(0, SHAPE, SHAPE)
    assert layer.keys.shape == (2, 2, 64, 4)
    layer.keys[1, :, :64] = 7
    cache.reserve(65)
    grown = cache.layer(0, SHAPE, SHAPE)
    assert grown.keys.shape == (2, 2, 128, 4)
    assert grown.keys[1, :, :64].eq(7).all()
    assert grown.keys[1, :, 64:].eq(0).all()
    assert grown.keys[0].eq(0).all()


def test_it_never_grows_beyond_the_context() -> None:
    cache = Cache(num_slots=1, context=100)
    cache.allocate()
    cache.reserve(100)
    assert cache.layer(0, SHAPE, SHAPE).keys.shape[2] == 100
    with pytest.raises(ValueError, match="context"):
        cache.reserve(101)


def test_memory_goes_back_when_the_last_slot_is_free() -> None:
    cache = Cache(num_slots=2, context=512)
    first, second = cache.allocate(), cache.allocate()
    cache.reserve(300)
    cache.layer(0, SHAPE, SHAPE)
    cache.free(first)
    assert cache.num_bytes > 0
    cache.free(second)
    assert cache.num_bytes == 0
    cache.allocate()
    cache.reserve(10)
    assert cache.layer(0, SHAPE, SHAPE).keys.shape[2] == 64


def test_scrubbing_leaves_no_trace_in_the_slot_and_no_other_is_touched() -> None:
    cache = Cache(num_slots=2, context=512)
    bad, good = cache.allocate(), cache.allocate()
    cache.reserve(10)
    layer = cache.layer(0, SHAPE, SHAPE)
    layer.keys[bad] = layer.values[bad] = float("nan")
    layer.keys[good] = layer.values[good] = 5
    cache.free(bad, scrub=True)
    assert layer.keys[bad].eq(0).all()
    assert layer.values[bad].eq(0).all()
    assert layer.keys[good].eq(5).all()
