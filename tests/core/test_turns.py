"""When a sender turns to its database: rarely, in small claims, and never in the way of others without need."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.turns import FIRST, MOST, PATIENCE, Turns

MANY = 500


def at_rate(rate: float) -> Turns:
    """One that has found out how fast it is."""
    turns = Turns()
    turns.begin(0.0)
    turns.heard(0.5, round(rate))
    turns.begin(1.0)
    turns.end(found=True)
    return turns


def test_the_first_claim_is_small() -> None:
    assert Turns().chunk(2) == FIRST


@given(st.floats(1, 1e6), st.floats(1, 1e6), st.integers(1, 500))
def test_a_claim_grows_with_the_rate_and_has_an_end(rate: float, more: float, width: int) -> None:
    small, large = (at_rate(each).chunk(width) for each in sorted((rate, more)))
    assert min(MOST, 2 * width) <= small <= large <= MOST


def test_a_claim_is_a_sixth_of_a_second_of_work() -> None:
    assert at_rate(2000).chunk(4) == 300


def test_the_rate_is_measured_from_turn_to_turn_and_smoothed() -> None:
    turns = at_rate(1000)
    turns.heard(1.2, 100)
    turns.heard(1.3, 50)
    assert turns.begin(1.5) == 150
    assert turns.rate == pytest.approx((1000 + 300) / 2)
    assert turns.begin(2.5) == 0
    assert turns.rate == pytest.approx(650), "a time without letters says nothing of the rate"


def test_more_is_claimed_while_there_is_enough_to_go_on_with() -> None:
    assert not Turns().runs_low(FIRST, 3)
    assert at_rate(2000).runs_low(75, 3), "a quarter of the next claim"
    assert not at_rate(2000).runs_low(76, 3)
    assert at_rate(10).runs_low(40, 20), "two for each connection"


def test_when_all_is_done_it_is_time() -> None:
    turns = at_rate(2000)
    turns.give_way(1.0)
    assert turns.is_due(1.0, 0, 4, all_is_done=True)


@pytest.mark.parametrize(
    ("waiting", "found", "after"),
    [(MANY, True, PATIENCE), (10, True, PATIENCE / 5), (10, False, PATIENCE), (0, True, PATIENCE / 5)],
    ids=["enough in hand", "little in hand", "an empty queue", "nothing in hand"],
)
def test_how_long_it_waits(waiting: int, found: bool, after: float) -> None:
    turns = at_rate(2000)
    turns.end(found)
    assert not turns.is_due(1.0 + after - 0.001, waiting, 4, all_is_done=False)
    assert turns.is_due(1.0 + after, waiting, 4, all_is_done=False)


def test_a_turn_that_asked_for_nothing_says_nothing_of_the_queue() -> None:
    turns = at_rate(2000)
    turns.end(found=False)
    turns.end(None)
    assert not turns.is_due(1.0 + PATIENCE / 5, 10, 4, all_is_done=False)


def test_whoever_writes_is_left_alone_for_a_millisecond_while_there_are_letters() -> None:
    turns = at_rate(2000)
    turns.give_way(2.0)
    assert not turns.is_due(2.0009, 10, 4, all_is_done=False)
    assert turns.is_due(2.0009, 0, 4, all_is_done=False)
    assert turns.is_due(2.0011, 10, 4, all_is_done=False)


def test_whoever_writes_is_waited_for_without_letters_or_with_an_old_answer() -> None:
    turns = Turns()
    assert turns.must_wait(0.0, 0)
    assert not turns.must_wait(9.0, 10), "no answer waits"
    turns.heard(9.0, 0)
    turns.heard(9.2, 1)
    assert not turns.must_wait(9.0 + PATIENCE - 0.001, 10)
    assert turns.must_wait(9.0 + PATIENCE, 10), "the oldest counts"
    turns.end(found=True)
    assert not turns.must_wait(20.0, 10)
