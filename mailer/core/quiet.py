"""Quiet hours: when mailings rest by the organisation's clock; the priority lane does not (decision 6).

Law of the file: quiet hours begin and end by the clock on the wall, and may cross midnight. On the days when the
clocks change they are one unbroken span all the same: they begin when the clock first shows the one time, and are over
when it last shows the other, or the first moment after it that there is.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from mailer.core.errors import MailerError

_CLOCK = "([01][0-9]|2[0-3]):([0-5][0-9])"
_WRITTEN = re.compile(f"{_CLOCK}-{_CLOCK}")
_NONE = "none"
_DAY = timedelta(days=1)


class QuietHoursError(MailerError, ValueError):
    """These are no quiet hours."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` to `end` on the wall; both None: there are none."""

    begin: time | None = None
    end: time | None = None

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}" if self.begin and self.end else _NONE

    def over_at(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the quiet hours that we are in end; None if we are in none."""
        span = self._span(now, zone)
        return span[1] if span and span[0] <= now else None

    def begin_after(self, now: datetime, zone: ZoneInfo) -> datetime | None:
        """When the next quiet hours begin, or `now` if we are in some; None if there are none."""
        span = self._span(now, zone)
        return max(now, span[0]) if span else None

    def _span(self, now: datetime, zone: ZoneInfo) -> tuple[datetime, datetime] | None:
        """The first quiet hours that are not over: their begin and end in UTC."""
        if self.begin is None or self.end is None:
            return None
        today = now.astimezone(zone).date()
        spans = (self._on(today + days * _DAY, self.begin, self.end, zone) for days in (-1, 0, 1, 2))
        return next(span for span in spans if span[1] > now)

    def _on(self, day: date, begin: time, end: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
        last = day if begin < end else day + _DAY
        return min(_readings(day, begin, zone)), max(_readings(last, end, zone))


NO_QUIET_HOURS = QuietHours()


def quiet_hours(text: str) -> QuietHours:
    """Read "21:00-08:00", or "none"."""
    if text == _NONE:
        return NO_QUIET_HOURS
    found = _WRITTEN.fullmatch(text)
    if found is None:
        raise QuietHoursError('quiet hours are written like "21:00-08:00"')
    begin, end = time(int(found[1]), int(found[2])), time(int(found[3]), int(found[4]))
    if begin == end:
        raise QuietHoursError("they would last the whole day, and nothing would ever be sent")
    return QuietHours(begin, end)


def _readings(day: date, wall: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The moments that a time on the wall may mean.

    They differ where the clock shows it twice, and where it is skipped: then one reading lies before the gap and one
    after it. The earlier for the begin and the later for the end err on the side of quiet.
    """
    there = datetime.combine(day, wall, tzinfo=zone)
    return there.astimezone(UTC), there.replace(fold=1).astimezone(UTC)
