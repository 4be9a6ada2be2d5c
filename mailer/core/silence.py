"""When letters go out and nothing comes back that should: our mailbox for reports is deaf, not the world kind.

Law of the file: the history of this site says how much comes back of a letter on average. If by that history silence
since the last report had a chance of less than one in a thousand, it is said. Without a history nothing is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: Reports come within hours, or not.
SETTLES = timedelta(hours=6)
#: Fewer reports than this are no history.
HISTORY = 5
#: exp(-7) is less than one in a thousand.
EXPECTED = 7.0


@dataclass(frozen=True, slots=True)
class Sent:
    """One mailing: when it started, the letters accepted, and the reports that came back about it."""

    started_at: datetime
    letters: int
    reports: int


def silence(mailings: Sequence[Sent], last_report_at: datetime | None, now: datetime) -> str | None:
    """Why the silence since the last report is strange, in words; None if it is not."""
    if last_report_at is None:
        return None
    before = [each for each in mailings if each.started_at <= last_report_at]
    after = [each for each in mailings if last_report_at < each.started_at <= now - SETTLES]
    reports, letters = sum(each.reports for each in before), sum(each.letters for each in before)
    unanswered = sum(each.letters for each in after)
    if reports < HISTORY or letters == 0:
        return None
    expected = unanswered * reports / letters
    if expected < EXPECTED:
        return None
    return (
        f"{unanswered} letters went out since the last report came back on {last_report_at:%-d %B %Y}, and"
        f" {math.floor(expected)} reports should have come: look whether their mailbox is still being read."
    )
