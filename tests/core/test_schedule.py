"""Local times at the edges of the calendar, what is due, and when a deferred letter is tried again."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailer.core.errors import MailerError
from mailer.core.schedule import (
    GIVE_UP,
    LEAST_RETRY,
    RETRY_CALENDAR,
    AmbiguousLocalTime,
    Due,
    LocalTimeError,
    MissingLocalTime,
    RetryCalendar,
    ScheduleError,
    TwoReadingsError,
    Wait,
    brief,
    cool_off_end,
    describe,
    due,
    local_time,
    next_attempt,
    next_wake,
)

LONDON = "Europe/London"
ZONES = [
    LONDON,
    "Europe/Dublin",
    "America/New_York",
    "America/St_Johns",
    "America/Sao_Paulo",
    "Australia/Lord_Howe",
    "Pacific/Chatham",
    "Asia/Kolkata",
    "Africa/Casablanca",
    "UTC",
]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


NOW = at("2026-12-01 09:00")
YEAR = at("2026-01-01 00:00")


def minutes_to(text: str) -> int:
    return (at(text) - YEAR) // timedelta(minutes=1)


@pytest.mark.parametrize(
    ("text", "zone", "utc", "described"),
    [
        ("2026-12-01 09:00", LONDON, "2026-12-01 09:00", "Tuesday 1 December 2026, 09:00 GMT"),
        ("2026-07-01 09:00", LONDON, "2026-07-01 08:00", "Wednesday 1 July 2026, 09:00 BST"),
        ("2026-03-29 00:59", LONDON, "2026-03-29 00:59", "Sunday 29 March 2026, 00:59 GMT"),
        ("2026-03-29 02:00", LONDON, "2026-03-29 01:00", "Sunday 29 March 2026, 02:00 BST"),
        ("2026-10-25 00:59", LONDON, "2026-10-24 23:59", "Sunday 25 October 2026, 00:59 BST"),
        ("2026-10-25 02:00", LONDON, "2026-10-25 02:00", "Sunday 25 October 2026, 02:00 GMT"),
        ("2026-10-25 01:30 BST", LONDON, "2026-10-25 00:30", "Sunday 25 October 2026, 01:30 BST"),
        ("2026-10-25 01:30 gmt", LONDON, "2026-10-25 01:30", "Sunday 25 October 2026, 01:30 GMT"),
        ("2026-10-25 01:30 +01:00", LONDON, "2026-10-25 00:30", "Sunday 25 October 2026, 01:30 BST"),
        ("2026-12-01 09:00 GMT", LONDON, "2026-12-01 09:00", "Tuesday 1 December 2026, 09:00 GMT"),
        ("2028-02-29 23:59", LONDON, "2028-02-29 23:59", "Tuesday 29 February 2028, 23:59 GMT"),
        ("2026-12-31 23:59", "America/New_York", "2027-01-01 04:59", "Thursday 31 December 2026, 23:59 EST"),
        ("2027-01-01 00:00", "Pacific/Chatham", "2026-12-31 10:15", "Friday 1 January 2027, 00:00 +1345"),
        ("2026-12-01 09:00", "Asia/Kolkata", "2026-12-01 03:30", "Tuesday 1 December 2026, 09:00 IST"),
        ("2045-07-01 09:00", LONDON, "2045-07-01 08:00", "Saturday 1 July 2045, 09:00 BST"),
    ],
)
def test_a_local_time_is_one_moment_and_is_told_back(text: str, zone: str, utc: str, described: str) -> None:
    found = local_time(text, zone)
    assert found.utc == at(utc)
    assert found.utc.tzinfo is UTC
    assert found.wall == text[:16]
    assert found.zone == zone
    assert describe(found.utc, zone) == described


@pytest.mark.parametrize(
    ("text", "zone", "readings"),
    [
        ("2026-10-25 01:00", LONDON, ("2026-10-25 01:00 BST", "2026-10-25 01:00 GMT")),
        ("2026-10-25 01:59", LONDON, ("2026-10-25 01:59 BST", "2026-10-25 01:59 GMT")),
        ("2027-10-31 01:30", LONDON, ("2027-10-31 01:30 BST", "2027-10-31 01:30 GMT")),
        ("2026-10-25 01:30", "Europe/Dublin", ("2026-10-25 01:30 IST", "2026-10-25 01:30 GMT")),
        ("2026-11-01 01:30", "America/New_York", ("2026-11-01 01:30 EDT", "2026-11-01 01:30 EST")),
        ("2027-04-04 01:45", "Australia/Lord_Howe", ("2027-04-04 01:45 +11", "2027-04-04 01:45 +1030")),
        ("2014-10-26 01:30", "Europe/Moscow", ("2014-10-26 01:30 +04:00", "2014-10-26 01:30 +03:00")),
    ],
)
def test_a_time_that_exists_twice_is_refused_with_both_readings(
    text: str, zone: str, readings: tuple[str, str]
) -> None:
    with pytest.raises(AmbiguousLocalTime) as refusal:
        local_time(text, zone)
    assert refusal.value.readings == readings
    assert all(f'"{reading}"' in str(refusal.value) for reading in readings)
    earlier, later = (local_time(reading, zone) for reading in readings)
    assert earlier.utc < later.utc
    assert earlier.wall == later.wall == text


@pytest.mark.parametrize(
    ("text", "zone", "readings"),
    [
        ("2026-03-29 01:00", LONDON, ("2026-03-29 00:59", "2026-03-29 02:00")),
        ("2027-03-28 01:59", LONDON, ("2027-03-28 00:59", "2027-03-28 02:00")),
        ("2027-03-28 01:30 BST", LONDON, ("2027-03-28 00:59", "2027-03-28 02:00")),
        ("2027-03-14 02:30", "America/New_York", ("2027-03-14 01:59", "2027-03-14 03:00")),
        ("2026-10-04 02:15", "Australia/Lord_Howe", ("2026-10-04 01:59", "2026-10-04 02:30")),
        ("2011-12-30 12:00", "Pacific/Apia", ("2011-12-29 23:59", "2011-12-31 00:00")),
    ],
)
def test_a_time_that_does_not_exist_is_refused_with_the_times_around_it(
    text: str, zone: str, readings: tuple[str, str]
) -> None:
    with pytest.raises(MissingLocalTime) as refusal:
        local_time(text, zone)
    assert refusal.value.readings == readings
    assert all(f'"{reading}"' in str(refusal.value) for reading in readings)
    before, after = (local_time(reading, zone) for reading in readings)
    assert after.utc - before.utc == timedelta(minutes=1)


def test_the_wrong_name_for_a_time_is_refused_with_the_right_one() -> None:
    with pytest.raises(LocalTimeError, match='Say "2026-12-01 09:00 GMT"'):
        local_time("2026-12-01 09:00 BST", LONDON)
    with pytest.raises(LocalTimeError, match='"2026-10-25 01:30 BST" or "2026-10-25 01:30 GMT"'):
        local_time("2026-10-25 01:30 CET", LONDON)


@given(st.integers(0, 3 * 366 * 24 * 60), st.sampled_from(ZONES))
@example(minutes_to("2026-10-25 01:00"), LONDON)
@example(minutes_to("2027-03-28 01:00"), LONDON)
def test_every_time_is_one_moment_or_refused_with_readings_that_can_be_typed(minute: int, zone: str) -> None:
    wall = f"{YEAR + timedelta(minutes=minute):%Y-%m-%d %H:%M}"
    try:
        found = local_time(wall, zone)
    except TwoReadingsError as refusal:
        earlier, later = (local_time(reading, zone).utc for reading in refusal.readings)
        assert earlier < later
        return
    assert f"{found.utc.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}" == found.wall == wall


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2026-12-01",
        "2026-12-01T09:00",
        "2026-12-01 9:00",
        "2026-12-01 09:00:00",
        " 2026-12-01 09:00",
        "2026-12-01 09:00 ",
        "2026-12-01 09:00\n",
        "2027-02-29 09:00",
        "2026-13-01 09:00",
        "2026-12-01 24:00",
        "0000-01-01 00:00",
        "0001-01-01 00:00",
        "\u0662\u0660\u0662\u0666-12-01 09:00",
        "01/12/2026 09:00",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(LocalTimeError) as refusal:
        local_time(text, "Asia/Kolkata")
    assert isinstance(refusal.value, MailerError)
    assert isinstance(refusal.value, ValueError)
    assert "2026-12-01 09:00" in str(refusal.value) or "beyond" in str(refusal.value)


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}( [A-Z+:-]{1,9})?"))
def test_no_text_breaks_the_reading(text: str) -> None:
    try:
        local_time(text, LONDON)
    except LocalTimeError as refusal:
        assert len(str(refusal)) < 300  # noqa: PT017 - some of these texts are times


@pytest.mark.parametrize(
    "zone", ["", "London", "Europe", "../../etc/passwd", "/etc/localtime", "a\0b", "BST", "\ud800"]
)
def test_an_unknown_zone_is_refused(zone: str) -> None:
    for refused in (lambda: local_time("2026-12-01 09:00", zone), lambda: describe(NOW, zone)):
        with pytest.raises(LocalTimeError, match="Europe/London"):
            refused()


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-12-01 08:59:59", Due.EARLY),
        ("2026-12-01 09:00:00", Due.DUE),
        ("2026-12-01 11:00:00", Due.DUE),
        ("2026-12-01 11:00:01", Due.MISSED),
        ("2027-12-01 09:00:00", Due.MISSED),
    ],
)
def test_what_comes_up_later_than_its_grace_is_missed(now: str, expected: Due) -> None:
    assert due(at(now), NOW, None, timedelta(hours=2)) is expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [("2026-12-01 08:59", Due.EARLY), ("2026-12-01 09:30", Due.DUE), ("2026-12-01 09:31", Due.MISSED)],
)
def test_what_comes_up_after_its_not_after_is_missed_within_its_grace(now: str, expected: Due) -> None:
    assert due(at(now), NOW, at("2026-12-01 09:30")) is expected


def test_a_not_after_that_has_passed_counts_before_the_due_time_too() -> None:
    assert due(at("2026-12-01 08:00"), NOW, at("2026-12-01 07:00")) is Due.MISSED


def test_a_cool_off_ends_minutes_from_now() -> None:
    assert cool_off_end(NOW, 10) == at("2026-12-01 09:10")
    assert cool_off_end(NOW, 0) == NOW
    with pytest.raises(ScheduleError):
        cool_off_end(NOW, -1)


def test_the_bell_sleeps_until_the_next_row_or_a_second() -> None:
    assert next_wake(NOW, None) == 1.0
    assert next_wake(NOW, NOW + timedelta(milliseconds=250)) == 0.25
    assert next_wake(NOW, NOW + timedelta(days=1)) == 1.0
    assert next_wake(NOW, NOW - timedelta(days=1)) == 0.0
    assert next_wake(NOW, NOW + timedelta(days=1), most=5.0) == 5.0


def attempts_made(
    spread: int, not_after: datetime | None = None, calendar: RetryCalendar = RETRY_CALENDAR
) -> list[datetime]:
    made = [NOW]
    while following := next_attempt(len(made), NOW, made[-1], spread=spread, not_after=not_after, calendar=calendar):
        made.append(following)
    return made


@given(st.integers(0, 2**64 - 1))
def test_two_tries_in_the_first_hour_then_one_every_two_or_three(spread: int) -> None:
    made = attempts_made(spread)
    waits = [later - earlier for earlier, later in pairwise(made)]
    assert timedelta(minutes=30) <= waits[0] < timedelta(minutes=45)
    assert all(timedelta(hours=2) <= wait < timedelta(hours=3) for wait in waits[1:])
    assert GIVE_UP <= made[-1] - NOW < GIVE_UP + timedelta(hours=3)
    assert made == attempts_made(spread)


@given(st.integers(0, 2**64 - 1), st.timedeltas(timedelta(), timedelta(days=5)))
def test_nothing_is_tried_after_its_not_after(spread: int, useful: timedelta) -> None:
    assert max(attempts_made(spread, NOW + useful)) <= NOW + useful


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_neighbouring_copies_are_spread_over_the_whole_wait(attempt: int) -> None:
    times = sorted(filter(None, (next_attempt(attempt, NOW, NOW, spread=copy) for copy in range(1000))))
    wait = RETRY_CALENDAR.first[0] if attempt == 1 else RETRY_CALENDAR.later
    tenths = [int((time - NOW - wait.least) / (wait.most - wait.least) * 10) for time in times]
    assert {tenth: tenths.count(tenth) for tenth in range(10)}.items() <= {
        (tenth, number) for tenth in range(10) for number in range(80, 121)
    }


def test_one_copy_does_not_keep_its_place_in_the_crowd() -> None:
    made = attempts_made(7)
    assert len({later - earlier for earlier, later in pairwise(made[1:])}) > 5


def test_a_calendar_is_data_but_never_quicker_than_half_an_hour() -> None:
    hourly = RetryCalendar(first=(), later=Wait(timedelta(hours=1), timedelta(hours=1)))
    assert attempts_made(1, calendar=hourly)[:3] == [NOW, NOW + timedelta(hours=1), NOW + timedelta(hours=2)]
    with pytest.raises(ScheduleError):
        Wait(LEAST_RETRY - timedelta(seconds=1), timedelta(hours=1))
    with pytest.raises(ScheduleError):
        Wait(timedelta(hours=2), timedelta(hours=1))


def test_a_calendar_of_minutes_keeps_its_last_number_for_all_later_tries() -> None:
    calendar = RetryCalendar.of((30, 60, 240))
    waits = [later - earlier for earlier, later in pairwise(attempts_made(1, calendar=calendar))]
    least = [timedelta(minutes=30), timedelta(hours=1), *[timedelta(hours=4)] * (len(waits) - 2)]
    assert len(waits) > 5
    assert all(short <= wait < short * 3 / 2 for short, wait in zip(least, waits, strict=True))
    assert RetryCalendar.of((45,)) == RetryCalendar((), Wait(timedelta(minutes=45), timedelta(minutes=67.5)))


def test_a_longer_give_up_time_tries_for_longer() -> None:
    late = NOW + timedelta(days=4, hours=1)
    assert next_attempt(40, NOW, late, spread=1) is None
    assert next_attempt(40, NOW, late, timedelta(days=5), spread=1) is not None


def test_an_attempt_that_follows_none_is_refused() -> None:
    with pytest.raises(ScheduleError):
        next_attempt(0, NOW, NOW, spread=1)


@given(st.datetimes(timezones=st.none() | st.sampled_from([ZoneInfo(LONDON), timezone(timedelta(hours=1))])))
def test_a_moment_that_is_not_utc_is_refused_everywhere(moment: datetime) -> None:
    for refused in (
        lambda: describe(moment, LONDON),
        lambda: due(moment, NOW, None),
        lambda: due(NOW, moment, None),
        lambda: due(NOW, NOW, moment),
        lambda: cool_off_end(moment, 1),
        lambda: next_wake(moment, NOW),
        lambda: next_wake(NOW, moment),
        lambda: next_attempt(1, moment, NOW, spread=1),
        lambda: next_attempt(1, NOW, moment, spread=1),
        lambda: next_attempt(1, NOW, NOW, spread=1, not_after=moment),
    ):
        with pytest.raises(ScheduleError, match="aware datetime in UTC"):
            refused()


@pytest.mark.parametrize("utc", [UTC, ZoneInfo("UTC"), timezone(timedelta(0))])
def test_every_spelling_of_utc_is_taken(utc: timezone | ZoneInfo) -> None:
    assert due(NOW.replace(tzinfo=utc), NOW, None) is Due.DUE


@pytest.mark.parametrize(
    ("utc", "said"),
    [
        ("2026-12-01 14:10", "Tuesday 14:10"),
        ("2026-12-03 14:10", "Thursday 14:10"),
        ("2026-12-07 23:59", "Monday 23:59"),
        ("2026-12-08 00:00", "Tuesday 8 December 00:00"),
        ("2026-11-30 09:00", "Monday 30 November 09:00"),
        ("2027-07-01 08:00", "Thursday 1 July 2027 09:00"),
    ],
)
def test_a_time_that_is_near_is_said_briefly(utc: str, said: str) -> None:
    assert brief(at(utc), LONDON, NOW) == said


def test_beside_a_time_of_the_same_day_there_the_hour_is_enough() -> None:
    late = at("2026-12-01 23:30")
    assert brief(late, LONDON, NOW, beside=NOW) == "23:30"
    assert brief(late, "Asia/Kolkata", NOW, beside=NOW) == "Wednesday 05:00"
    with pytest.raises(ScheduleError):
        brief(late.replace(tzinfo=None), LONDON, NOW)
