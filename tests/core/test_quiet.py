"""Quiet hours by the clock on the wall, over midnight and over the days on which the clocks change."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.core.errors import MailerError
from mailer.core.quiet import NO_QUIET_HOURS, QuietHours, quiet_hours

LONDON = ZoneInfo("Europe/London")
NIGHT = quiet_hours("21:00-08:00")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["21:00-08:00", "00:00-06:30", "none"])
def test_quiet_hours_are_written_as_they_are_read(text: str) -> None:
    assert str(quiet_hours(text)) == text


@pytest.mark.parametrize(
    "text", ["", "21-8", "21:00", "24:00-08:00", "9:00-10:00", "08:00-08:00", "None", "21:00 - 08:00"]
)
def test_what_is_not_quiet_hours_is_refused(text: str) -> None:
    with pytest.raises(MailerError):
        quiet_hours(text)


@pytest.mark.parametrize(
    ("now", "over", "begin"),
    [
        ("2026-11-20 20:59", None, "2026-11-20 21:00"),
        ("2026-11-20 21:00", "2026-11-21 08:00", "2026-11-20 21:00"),
        ("2026-11-21 07:59", "2026-11-21 08:00", "2026-11-21 07:59"),
        ("2026-11-21 08:00", None, "2026-11-21 21:00"),
        # Summer: the wall is an hour ahead of UTC.
        ("2026-07-01 19:59", None, "2026-07-01 20:00"),
        ("2026-07-01 20:00", "2026-07-02 07:00", "2026-07-01 20:00"),
        # The clocks go forward in the night, then back: it is an hour shorter, then longer.
        ("2026-03-28 21:00", "2026-03-29 07:00", "2026-03-28 21:00"),
        ("2026-10-24 20:00", "2026-10-25 08:00", "2026-10-24 20:00"),
    ],
)
def test_the_night_is_quiet(now: str, over: str | None, begin: str) -> None:
    assert NIGHT.over_at(at(now), LONDON) == (at(over) if over else None)
    found = NIGHT.begin_after(at(now), LONDON)
    assert found == at(begin)


@pytest.mark.parametrize(
    ("hours", "begin", "over"),
    [
        # 01:00 to 02:00 does not happen on 29 March 2026, and happens twice on 25 October.
        ("01:30-03:00", "2026-03-29 00:30", "2026-03-29 02:00"),
        ("00:30-01:30", "2026-03-29 00:30", "2026-03-29 01:30"),
        ("01:30-03:00", "2026-10-25 00:30", "2026-10-25 03:00"),
        ("00:30-01:30", "2026-10-24 23:30", "2026-10-25 01:30"),
    ],
)
def test_a_time_that_is_skipped_or_comes_twice_errs_on_the_side_of_quiet(hours: str, begin: str, over: str) -> None:
    quiet = quiet_hours(hours)
    assert quiet.over_at(at(begin), LONDON) == at(over)
    assert quiet.over_at(at(begin) - timedelta(seconds=1), LONDON) is None
    assert quiet.over_at(at(over), LONDON) is None


def test_without_quiet_hours_it_is_never_quiet() -> None:
    assert NO_QUIET_HOURS.over_at(at("2026-11-20 03:00"), LONDON) is None
    assert NO_QUIET_HOURS.begin_after(at("2026-11-20 03:00"), LONDON) is None


@settings(max_examples=200, deadline=None)
@given(
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.times().map(lambda t: t.replace(second=0, microsecond=0)),
    st.integers(0, 730 * 24 * 60).map(lambda minutes: at("2026-01-01") + timedelta(minutes=minutes)),
    st.sampled_from(["Europe/London", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]),
)
def test_on_a_day_without_a_change_of_clocks_the_wall_says_whether_it_is_quiet(
    begin: time, end: time, now: datetime, name: str
) -> None:
    if begin == end:
        return
    quiet, zone = QuietHours(begin, end), ZoneInfo(name)
    there = now.astimezone(zone)
    offsets = {(now + timedelta(hours=h)).astimezone(zone).utcoffset() for h in range(-48, 49, 3)}
    if len(offsets) > 1:
        return
    wall = there.time()
    in_it = begin <= wall < end if begin < end else wall >= begin or wall < end
    over = quiet.over_at(now, zone)
    assert (over is not None) == in_it
    assert over is None or (over > now and over.astimezone(zone).time() == end)
    begins = quiet.begin_after(now, zone)
    assert begins is not None
    assert begins == now if in_it else begins.astimezone(zone).time() == begin
