"""Is somebody at work, is the clock right, is there room: decided from times and numbers alone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.core.watch import (
    BELIEVED,
    FRESH,
    LEEWAY,
    Clocks,
    clock_fault,
    compared_with,
    disk_fault,
    is_fresh,
    jump,
    quiet_since,
)

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
_SPANS = st.timedeltas(timedelta(days=-9), timedelta(days=9))


def test_nobody_is_missed_while_nothing_waits() -> None:
    assert quiet_since(NOW, None, [], FRESH) is None
    assert quiet_since(NOW, None, [NOW - HOUR], FRESH) is None


def test_a_worker_seen_a_moment_ago_is_at_work() -> None:
    assert quiet_since(NOW, NOW - HOUR, [NOW - HOUR, NOW - FRESH], FRESH) is None


def test_no_worker_was_seen_since_the_last_sign() -> None:
    assert quiet_since(NOW, NOW - SECOND, [NOW - HOUR, NOW - 10 * MINUTE], FRESH) == NOW - 10 * MINUTE


def test_where_none_was_ever_seen_it_is_the_waiting_that_counts() -> None:
    assert quiet_since(NOW, NOW - FRESH, [], FRESH) is None
    assert quiet_since(NOW, NOW - FRESH - SECOND, [], FRESH) == NOW - FRESH - SECOND


@pytest.mark.parametrize(("ago", "fresh"), [(0, True), (60, True), (61, False), (-60, True), (-61, False)])
def test_a_sign_from_the_future_is_no_more_of_now_than_an_old_one(ago: int, fresh: bool) -> None:
    assert is_fresh(NOW - ago * SECOND, NOW) is fresh


def clocks(minutes: float, put_forward: timedelta = timedelta(0)) -> Clocks:
    """Both clocks after so many minutes of the machine's own count."""
    return Clocks(NOW + timedelta(minutes=minutes) + put_forward, 1000 + minutes * 60)


def fault(then: Clocks, now: Clocks, newest: datetime | None = None, server: datetime | None = None) -> str | None:
    return clock_fault(then, now, newest_row=newest, database=server)


def test_an_even_clock_has_no_fault_however_long_the_machine_slept() -> None:
    assert fault(clocks(0), clocks(600), newest=NOW, server=clocks(600).wall) is None


@pytest.mark.parametrize(("by", "words"), [(2 * HOUR, "forward by 2 hours"), (-6 * MINUTE, "back by 6 minutes")])
def test_a_clock_that_was_put_forward_or_back_is_noticed(by: timedelta, words: str) -> None:
    assert words in str(fault(clocks(0), clocks(1, by)))


def test_a_small_correction_is_none() -> None:
    assert fault(clocks(0), clocks(1, LEEWAY)) is None
    assert fault(clocks(0), clocks(1, -LEEWAY)) is None


def test_a_clock_that_jumped_is_believed_when_it_has_run_evenly_for_a_while() -> None:
    then, jumped = clocks(0), clocks(1, HOUR)
    assert compared_with(then, jumped) is then
    later = clocks(BELIEVED / MINUTE, HOUR)
    believed = compared_with(then, later)
    assert believed is later
    assert fault(believed, clocks(11, HOUR)) is None


@given(_SPANS, st.floats(0, 10_000))
def test_a_jump_is_what_the_wall_gained_over_the_machine(by: timedelta, minutes: float) -> None:
    assert abs(jump(clocks(0), clocks(minutes, by)) - by) < timedelta(milliseconds=1)


def test_the_clock_of_the_database_settles_who_is_wrong() -> None:
    now = clocks(0)
    assert "8 minutes behind" in str(fault(now, now, server=NOW + 8 * MINUTE))
    assert "3 hours ahead of" in str(fault(now, now, server=NOW - 3 * HOUR))
    assert fault(now, now, server=NOW + LEEWAY) is None


def test_a_clock_that_stands_before_what_was_written_by_it_went_back() -> None:
    now = clocks(0)
    assert "45 minutes earlier than when the newest line" in str(fault(now, now, newest=NOW + 45 * MINUTE))
    assert fault(now, now, newest=NOW + LEEWAY) is None


def test_a_disk_is_full_before_it_is() -> None:
    assert disk_fault(200_000_000, 200) is None
    said = str(disk_fault(199_999_999, 200))
    assert "About 190 MB" in said
    assert "200 MB" in said


def test_the_words_about_a_disk_do_not_change_with_every_letter() -> None:
    assert disk_fault(151_000_000, 200) == disk_fault(158_000_000, 200)
