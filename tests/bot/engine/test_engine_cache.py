"""Room for keys and values: who holds it, what is found again, and what is never shared."""

import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from bot.engine.cache import Cache
from bot.engine.request import Request, Row
from tests.bot.engine.support import greedy

SIZE = 4
SHAPE = torch.ones(1, 2, 3, 8)  # one row, two heads, three tokens, eight numbers a head


def cache_of(num_blocks: int = 8, *, num_slots: int = 3) -> Cache:
    return Cache(num_slots=num_slots, num_blocks=num_blocks, block_size=SIZE, context=32)


def row(*tokens: int, release: str = "", salt: str = "") -> Row:
    request = Request("r", tokens, greedy(9), release=release, cache_salt=salt)
    return Row(request)


def computed(cache: Cache, one: Row) -> Row:
    """The row after a step that computed all of it."""
    cache.allocate(one)
    one.num_computed = one.num_tokens
    cache.publish(one)
    return one


def test_a_row_gets_as_many_blocks_as_its_tokens_need_and_more_as_it_grows() -> None:
    cache = cache_of()
    one = row(*range(7))
    cache.allocate(one)
    assert len(one.blocks) == 2
    for length in (8, 9, 10):
        one.output.append(1)
        assert cache.can_append(one)
        cache.append(one)
        assert len(one.blocks) == -(-length // SIZE)
    assert cache.tables[one.slot].tolist() == [*one.blocks, 0, 0, 0, 0, 0]
    assert (cache.num_used, cache.num_free) == (3, 5)
    slot = one.slot
    cache.free(one)
    assert cache.tables[slot].eq(0).all()
    assert (cache.num_used, cache.num_cached, cache.num_free) == (0, 0, 8)


def test_what_does_not_fit_is_not_allocated() -> None:
    cache = cache_of(4)
    first, second = row(*range(9)), row(*range(100, 108))
    assert cache.can_allocate(first)
    assert cache.can_allocate(first, spare=1)
    assert not cache.can_allocate(first, spare=2)
    cache.allocate(first)
    assert not cache.can_allocate(second)
    first.output += [1] * 3
    assert cache.can_append(first)
    cache.append(first)
    first.output.append(1)
    assert cache.can_append(first)
    cache.append(first)
    first.output += [1] * 4
    assert not cache.can_append(first)


def test_the_next_turn_finds_all_full_blocks_of_prompt_and_answer() -> None:
    cache = cache_of()
    one = row(*range(6))
    cache.allocate(one)
    one.output += [50, 51, 52, 53]
    cache.append(one)
    one.num_computed = one.num_tokens - 1  # the newest token is drawn, not computed
    cache.publish(one)
    blocks = one.blocks
    cache.free(one)
    turn = row(*range(6), 50, 51, 52, 53, 60, 61, 62)
    cache.allocate(turn)
    assert (turn.num_computed, turn.num_cached) == (8, 8)
    assert turn.blocks[:2] == blocks[:2]


def test_of_a_prompt_that_is_known_to_the_end_one_token_is_still_computed() -> None:
    cache = cache_of()
    cache.free(computed(cache, row(*range(8))))
    again = row(*range(8))
    cache.allocate(again)
    assert again.num_computed == 4


def test_two_rows_share_what_both_read_and_nothing_that_one_writes() -> None:
    cache = cache_of()
    one = computed(cache, row(*range(9)))
    two = row(*range(10))
    cache.allocate(two)
    assert two.blocks[:2] == one.blocks[:2]
    assert two.blocks[2] != one.blocks[2]
    assert cache.num_used == 4
    cache.free(one)
    assert cache.num_used == 3
    cache.free(two)
    assert (cache.num_used, cache.num_cached) == (0, 2)


def known(cache: Cache, *tokens: int) -> int:
    """How many tokens a row would not have to compute."""
    one = row(*tokens)
    cache.allocate(one)
    num = one.num_computed
    cache.free(one)
    return num


@pytest.mark.parametrize(
    ("release", "salt"), [("canary", ""), ("", "a"), ("stable", "a"), ("stablea", "")]
)
def test_nothing_is_shared_across_releases_and_salts(release: str, salt: str) -> None:
    cache = cache_of()
    for known in (row(*range(8), release="stable"), row(*range(8))):
        cache.free(computed(cache, known))
    other = row(*range(8), release=release, salt=salt)
    cache.allocate(other)
    assert other.num_computed == 0


def test_the_least_recently_used_block_is_forgotten_first_and_the_end_before_the_beginning() -> (
    None
):
    cache = cache_of(4)
    cache.free(computed(cache, row(*range(9))))
    cache.free(computed(cache, row(*range(50, 54))))
    assert (cache.num_cached, cache.num_free) == (3, 1)
    wide = row(*range(90, 97))  # takes the free one, and the end of the first
    cache.allocate(wide)
    cache.free(wide)
    assert known(cache, *range(9)) == 4
    assert known(cache, *range(50, 55)) == 4


def test_scrubbing_leaves_no_trace_and_touches_no_other_row() -> None:
    cache = cache_of()
    bad, good = computed(cache, row(*range(9))), computed(cache, row(*range(20, 26)))
    beside = row(*range(5))
    cache.allocate(beside)  # shares the first block of the bad one
    layer = cache.layer(0, SHAPE, SHAPE)
    layer.keys[bad.blocks] = layer.values[bad.blocks] = float("nan")
    layer.keys[good.blocks] = layer.values[good.blocks] = 5
    shared, own = bad.blocks[0], bad.blocks[1:]
    cache.free(bad, scrub=True)
    assert layer.keys[own].eq(0).all()
    assert layer.values[own].eq(0).all()
    cache.free(beside)
    assert known(cache, *range(9)) == 0
    assert layer.keys[shared].eq(0).all()
    assert layer.keys[good.blocks].eq(5).all()
    assert (cache.num_cached, cache.num_used) == (0, 2)


def test_memory_that_was_never_written_reads_as_zeros() -> None:
    layer = cache_of().layer(0, SHAPE, SHAPE)
    assert layer.keys.shape == (10, SIZE, 2, 8)  # nobody's and the spare slot's beside the eight
    assert layer.keys.eq(0).all()
    assert layer.values.eq(0).all()


def test_it_forgets_everything_but_never_under_a_row() -> None:
    cache = cache_of()
    one = computed(cache, row(*range(9)))
    with pytest.raises(RuntimeError, match="room"):
        cache.reset()
    cache.free(one)
    cache.reset()
    assert (cache.num_bytes, cache.num_free) == (0, 8)


class CacheMachine(RuleBasedStateMachine):
    """Rows that come, grow and go in any order, beside a plain record of what each block holds."""

    rows: Bundle[Row] = Bundle("rows")

    @initialize(num_blocks=st.integers(3, 12))
    def make(self, num_blocks: int) -> None:
        self.cache = cache_of(num_blocks)
        self.live: list[Row] = []
        self.holds: dict[int, tuple[str, str, tuple[int, ...]]] = {}

    def content(self, one: Row, number: int) -> tuple[str, str, tuple[int, ...]]:
        tokens = tuple(one.tokens(0, (number + 1) * SIZE))
        return one.request.release, one.request.cache_salt, tokens

    def compute(self, one: Row, upto: int) -> None:
        for number in range(one.num_computed // SIZE, -(-upto // SIZE)):
            shared = [r for r in self.live if r is not one and one.blocks[number] in r.blocks]
            assert not shared, "a block that another row reads is written"
            self.holds[one.blocks[number]] = self.content(one, number)
        one.num_computed = upto
        self.cache.publish(one)

    @rule(
        target=rows,
        tokens=st.lists(st.integers(0, 1), min_size=1, max_size=14),
        release=st.sampled_from(["", "a"]),
        salt=st.sampled_from(["", "a"]),
        spare=st.integers(0, 1),
    )
    def come(
        self, tokens: list[int], release: str, salt: str, spare: int
    ) -> Row | MultipleResults[Row]:
        one = row(*tokens, release=release, salt=salt)
        if not self.cache.can_allocate(one, spare=spare):
            return multiple()
        self.cache.allocate(one)
        assert one.num_computed < one.num_tokens
        for number in range(one.num_computed // SIZE):
            assert self.holds[one.blocks[number]] == self.content(one, number)
        self.live.append(one)
        return one

    @rule(one=rows, data=st.data())
    def advance(self, one: Row, data: st.DataObject) -> None:
        if one.num_computed < one.num_tokens:
            self.compute(one, data.draw(st.integers(one.num_computed + 1, one.num_tokens)))

    @rule(one=rows, token=st.integers(0, 1))
    def grow(self, one: Row, token: int) -> None:
        if one.num_computed < one.num_tokens or one.num_tokens == 32:
            return
        one.output.append(token)
        if self.cache.can_append(one):
            self.cache.append(one)
        else:
            one.output.pop()

    @rule(one=consumes(rows), scrub=st.booleans())
    def go(self, one: Row, scrub: bool) -> None:
        self.live.remove(one)
        self.cache.free(one, scrub=scrub)

    @precondition(lambda self: self.live)
    @invariant()
    def each_block_is_where_it_should_be(self) -> None:
        cache = self.cache
        held = {block for one in self.live for block in one.blocks}
        assert 0 not in held
        assert cache.num_used == len(held)
        assert cache.num_used + cache.num_cached + cache.num_free == cache.num_blocks
        for one in self.live:
            line = cache.tables[one.slot].tolist()
            assert line == one.blocks + [0] * (len(line) - len(one.blocks))
        assert len({one.slot for one in self.live}) == len(self.live)

    def teardown(self) -> None:
        for one in self.live:
            self.cache.free(one)
        assert self.cache.num_used == 0
        assert self.cache.num_cached + self.cache.num_free == self.cache.num_blocks


CacheMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestCache = CacheMachine.TestCase
