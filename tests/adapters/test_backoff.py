"""Pauses between tries."""

from adapters.backoff import Backoff


def backoff(chance: float = 1.0) -> Backoff:
    return Backoff(first_s=0.5, most_s=30.0, steady_s=10.0, chance=lambda: chance)


def test_the_first_pause_is_short_and_each_is_twice_the_last_up_to_the_longest() -> None:
    one = backoff()
    assert [one.failed() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_pauses_differ_by_chance_but_are_never_less_than_half() -> None:
    one = backoff(chance=0.0)
    assert [one.failed() for _ in range(3)] == [0.25, 0.5, 1.0]


def test_what_lived_for_a_while_was_no_failed_try() -> None:
    one = backoff()
    lives = (0.0, 0.0, 9.9, 10.0, 0.0)
    assert [one.failed(lived_s=lived) for lived in lives] == [0.5, 1, 2, 0.5, 1]


def test_a_success_begins_again() -> None:
    one = backoff()
    one.failed()
    one.succeeded()
    assert one.failed() == 0.5


def test_a_wait_that_is_asked_for_is_kept_to() -> None:
    assert backoff(chance=0.0).failed(at_least_s=300.0) == 300.0
    assert backoff(chance=1.0).failed(at_least_s=300.0) == 375.0
    assert backoff().failed(at_least_s=0.1) == 0.5


def test_an_outage_of_any_length_has_a_pause() -> None:
    one = backoff()
    assert {one.failed() for _ in range(5000)} <= {0.5, 1, 2, 4, 8, 16, 30}
