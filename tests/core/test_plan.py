"""The plan ends when a sender that is played letter by letter ends, and keeps every limit on the way."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.limits import NO_LIMITS, Limits, Used, Window, kept
from mailer.core.plan import Course, End, Terms, batches, bearable, end_time
from mailer.core.quiet import NO_QUIET_HOURS, QuietHours, quiet_hours

LONDON = ZoneInfo("Europe/London")
NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


def terms(rate: float = 20.0, quiet: QuietHours = NO_QUIET_HOURS, days: float = 10) -> Terms:
    return Terms(rate, LONDON, NOW + days * DAY, quiet)


def ends(course: Course, on: Terms) -> datetime:
    end = end_time(course, (), on, NOW)
    assert end.at is not None
    return end.at


def test_without_limits_the_rate_says_it_all() -> None:
    assert ends(Course(1200), terms()) == NOW + 60 * SECOND
    assert end_time(Course(0), (), terms(), NOW) == End(NOW)


def test_it_begins_no_sooner_than_it_may() -> None:
    assert ends(Course(1200, from_=NOW + HOUR), terms()) == NOW + HOUR + 60 * SECOND
    assert ends(Course(1200, from_=NOW - HOUR), terms()) == NOW + 60 * SECOND


@pytest.mark.parametrize(
    ("limits", "letters", "took"),
    [
        (Limits(per_second=5), 3600, timedelta(seconds=792)),
        (Limits(per_minute=60), 3600, timedelta(seconds=3660)),
        (Limits(per_hour=1020), 3000, 2 * timedelta(minutes=61) + 50 * SECOND),
        (Limits(per_day=1020), 1000, 50 * SECOND),
        (Limits(per_day=1020), 1001, timedelta(hours=24, minutes=30) + 0.05 * SECOND),
    ],
)
def test_each_limit_takes_its_time(limits: Limits, letters: int, took: timedelta) -> None:
    assert abs(ends(Course(letters, limits), terms(days=20)) - (NOW + took)) < SECOND


def test_what_was_used_before_is_waited_for() -> None:
    limits = Limits(per_hour=100)
    used = Used().taken(limits, 80, NOW - timedelta(minutes=20))
    assert ends(Course(1, limits, used), terms()) - NOW == timedelta(minutes=41) + 0.05 * SECOND


def test_quiet_hours_are_waited_for() -> None:
    night = terms(rate=1.0, quiet=quiet_hours("11:30-08:00"))
    assert ends(Course(5400), night) == NOW + 1.5 * HOUR
    assert ends(Course(5401), night) == datetime(2026, 11, 21, 8, 0, 1, tzinfo=UTC)
    assert ends(Course(5400 + 12_600), night) == datetime(2026, 11, 21, 11, 30, tzinfo=UTC)


def test_a_destination_with_a_limit_of_its_own_may_be_the_last() -> None:
    slow = Course(90, Limits(per_hour=60))
    fast = Course(10, Limits(per_hour=60))
    end = end_time(Course(1000), (fast, slow), terms(), NOW)
    assert end.at is not None
    assert end.at > NOW + 2 * HOUR
    assert end_time(Course(1000), (fast,), terms(), NOW) == End(NOW + 50 * SECOND)


def test_what_does_not_end_before_the_mailing_does_is_counted() -> None:
    assert end_time(Course(100), (), terms(days=-1), NOW) == End(None, 100)
    assert end_time(Course(200_000), (), terms(days=1 / 16), NOW) == End(None, 200_000 - 20 * 5400)
    slow = Course(500, Limits(per_day=100))
    assert end_time(Course(1000), (slow,), terms(days=2), NOW) == End(None, 500 - 2 * 80)


def test_a_rate_of_next_to_nothing_still_ends() -> None:
    assert ends(Course(3), terms(rate=0.001)) == NOW + 3000 * SECOND


some_limits = st.builds(
    Limits,
    per_second=st.sampled_from([0, 1, 3, 50]),
    per_minute=st.sampled_from([0, 10, 100]),
    per_hour=st.sampled_from([0, 40, 300, 2000]),
    per_day=st.sampled_from([0, 200, 1000]),
)
nights = st.sampled_from([NO_QUIET_HOURS, quiet_hours("21:00-08:00"), quiet_hours("10:30-11:00")])
rates = st.sampled_from([0.5, 4.0, 20.0, 300.0])


@settings(max_examples=60, deadline=None)
@given(some_limits, st.integers(0, 1500), st.integers(0, 200), rates, nights)
def test_more_letters_never_end_sooner(limits: Limits, letters: int, more: int, rate: float, quiet: QuietHours) -> None:
    on = terms(rate, quiet, days=12)
    one, other = (end_time(Course(count, limits), (), on, NOW) for count in (letters, letters + more))
    assert one.left <= other.left
    if one.at and other.at:
        assert one.at <= other.at


@settings(max_examples=60, deadline=None)
@given(some_limits, st.integers(1, 1500), rates, nights)
def test_what_is_planned_keeps_the_limits_and_the_quiet(
    limits: Limits, letters: int, rate: float, quiet: QuietHours
) -> None:
    on = terms(rate, quiet, days=4)
    gone = list(batches(Course(letters, limits), on, NOW))
    assert sum(count for _, count in gone) <= letters
    pace = bearable(limits, rate)
    sent = [at + timedelta(seconds=number / pace) for at, count in gone for number in range(count)]
    assert sent == sorted(sent)
    for window, most in limits.letters():
        allowed = most - kept(window, most)
        if window.keeps:
            assert all(late - early >= window.length for early, late in zip(sent, sent[allowed:], strict=False))
        else:
            assert pace * window.length.total_seconds() <= most
    lasts = [at + timedelta(seconds=(count - 1) / pace) for at, count in gone]
    assert all(quiet.over_at(each, LONDON) is None for each in lasts)


def played(course: Course, on: Terms) -> datetime | None:
    """A sender that is played: a claim of at most a second of work, whenever all four windows have room."""
    used, left, at = course.used, course.letters, NOW
    chunk = max(1, int(on.rate))
    while left:
        at = max(at, used.again_at(course.limits, at))
        at = on.quiet.over_at(at, on.zone) or at
        if at >= on.not_after:
            return None
        room = used.room(course.limits, at)
        letters = min(chunk, left) if room is None else min(chunk, left, room)
        used, left = used.taken(course.limits, letters, at), left - letters
        at += timedelta(seconds=letters / on.rate)
    return at


@settings(max_examples=40, deadline=None)
@given(some_limits, st.integers(1, 700), rates, nights)
def test_a_sender_that_is_played_ends_when_the_plan_says(
    limits: Limits, letters: int, rate: float, quiet: QuietHours
) -> None:
    # One letter more may mean one hour, night or day more: so the plan lies between a few letters fewer and more.
    on, few = terms(rate, quiet, days=9), 3 + letters // 50
    planned = end_time(Course(letters, limits), (), on, NOW).at
    fewer, more = (played(Course(max(0, letters + each), limits), on) for each in (-few, few))
    slack = timedelta(minutes=2) + 0.1 * ((planned or NOW) - NOW)
    if planned is None:
        assert more is None
        return
    assert fewer is not None
    assert fewer - slack <= planned
    assert more is None or planned <= more + slack


@settings(max_examples=40, deadline=None)
@given(some_limits.filter(lambda limits: not limits.per_hour and not limits.per_day), st.integers(1, 700), rates)
def test_without_long_waits_the_two_agree_within_a_minute(limits: Limits, letters: int, rate: float) -> None:
    done = played(Course(letters, limits), terms(rate))
    planned = ends(Course(letters, limits), terms(rate))
    assert done is not None
    assert timedelta(seconds=-1) <= planned - done <= timedelta(seconds=63) + 0.1 * (done - NOW)


def test_a_window_that_is_followed_is_one_that_keeps_a_share() -> None:
    assert [window for window in Window if window.keeps] == [Window.HOUR, Window.DAY]
    assert bearable(NO_LIMITS, 7.0) == 7.0
