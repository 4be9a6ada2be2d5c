"""Whether reports still come: letters that go out and bring nothing back, where they used to, are an alarm."""

from datetime import datetime

from mailer.core.silence import silence
from mailer.house import House
from mailer.models import tally

#: So many mailings are history enough.
_MOST = 30


def returns_are_silent(house: House, now: datetime) -> str | None:
    """Why the silence is strange, in words; None if it is not."""
    last = tally.last_report_at()
    return None if last is None else silence(tally.newest_sent(_MOST), last.astimezone(house.zone), now)
