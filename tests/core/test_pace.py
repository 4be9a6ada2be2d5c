"""Ranges fit the machine: they grow step by step where it is fast, and shrink at once where it is slow."""

from hypothesis import given
from hypothesis import strategies as st

from mailer.core.pace import Pace

_SECONDS = st.floats(0, 100)


def test_a_range_that_took_as_long_as_it_should_is_followed_by_one_of_its_size() -> None:
    assert Pace(1000, 0.02).after(0.02) == Pace(1000, 0.02)


def test_a_range_that_took_four_times_as_long_is_followed_by_a_quarter() -> None:
    assert Pace(1000, 0.02).after(0.08) == Pace(250, 0.02)


def test_one_lucky_range_lets_the_next_grow_by_half_only() -> None:
    assert Pace(1000, 0.02).after(0) == Pace(1500, 0.02)


@given(st.lists(_SECONDS, max_size=30))
def test_a_range_is_never_empty_nor_without_end(measured: list[float]) -> None:
    pace = Pace(1000, 0.02)
    for seconds in measured:
        pace = pace.after(seconds)
        assert 100 <= pace.size <= 20_000
