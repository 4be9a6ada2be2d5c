"""When a mailing ends: letters, a rate, limits and quiet hours made into a time (docs/decisions/0006-plans.md).

Law of the file: the plan is made by doing what the sender will do, in steps: as many letters as there is room for, then
a wait until there is room again. Limits of an hour and a day are kept exactly; those of a second and a minute are a
greatest rate here, so a plan may be late by about a minute, and is never early. Each limited destination is followed
by itself beside the whole, as the sender goes on with the others: the last to be done ends the mailing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from mailer.core.limits import NO_LIMITS, Limits, Used
from mailer.core.quiet import NO_QUIET_HOURS, QuietHours

#: Letters a second of a relay about which nothing is known yet: one connection over the internet, an answer each 50 ms.
ASSUMED_RATE = 20.0
#: Without limits of an hour or a day, nothing but quiet hours is looked at between these steps.
_LONG_STEP = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Course:
    """Letters that share one limit: all of the relay's, or those of one destination. None start before `from_`."""

    letters: int
    limits: Limits = NO_LIMITS
    used: Used = field(default_factory=Used)
    from_: datetime | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for the whole: letters a second, quiet hours, and after when no letter leaves any more."""

    rate: float
    zone: ZoneInfo
    not_after: datetime
    quiet: QuietHours = NO_QUIET_HOURS


@dataclass(frozen=True, slots=True)
class End:
    """When the last letter goes; None: `left` of them do not go before the end of the mailing."""

    at: datetime | None
    left: int = 0


def end_time(whole: Course, destinations: Iterable[Course], terms: Terms, now: datetime) -> End:
    """When all is handed over that begins now or later."""
    ends = [_end(course, terms, now) for course in (whole, *destinations)]
    left = max(end.left for end in ends)
    return End(None, left) if left else End(max(end.at for end in ends if end.at))


def batches(course: Course, terms: Terms, now: datetime) -> Iterator[tuple[datetime, int]]:
    """What goes when, until all is gone or the mailing is over: moments, and how many letters begin there."""
    rate, limits = bearable(course.limits, terms.rate), _long(course.limits)
    used, left, at = course.used, course.letters, max(now, course.from_ or now)
    while left > 0:
        at = _awake(used.again_at(limits, at), terms)
        if at >= terms.not_after:
            return
        room = used.room(limits, at)
        # A letter that has begun is finished, so one always fits in.
        fitting = max(1, int(rate * (_pause_after(at, limits, terms) - at).total_seconds()))
        letters = min(left, fitting) if room is None else min(left, fitting, room)
        if letters:  # quiet hours may have ended just where the room did
            yield at, letters
            used, left = used.taken(limits, letters, at), left - letters
            at += timedelta(seconds=letters / rate)


def bearable(limits: Limits, rate: float) -> float:
    """Letters a second that the line and the short windows bear for long."""
    rates = [rate]
    for window, most in limits.letters():
        if not window.keeps:
            rates.append(most / (window.length.total_seconds() * (1 + 1 / window.slots)))
    return min(rates)


def _end(course: Course, terms: Terms, now: datetime) -> End:
    left, last = course.letters, now
    for at, letters in batches(course, terms, now):
        left -= letters
        last = at + timedelta(seconds=letters / bearable(course.limits, terms.rate))
    return End(None, left) if left else End(last)


def _long(limits: Limits) -> Limits:
    """The limits that are followed step by step."""
    return Limits(per_hour=limits.per_hour, per_day=limits.per_day)


def _awake(at: datetime, terms: Terms) -> datetime:
    """The moment itself, or the end of the quiet hours in which it lies."""
    while (over := terms.quiet.over_at(at, terms.zone)) is not None:
        at = over
    return at


def _pause_after(at: datetime, limits: Limits, terms: Terms) -> datetime:
    """Until when letters may be counted together: the end of their slot, quiet hours, or the end of the mailing."""
    shortest = next((window for window, _ in limits.letters()), None)
    ends = [at + _LONG_STEP if shortest is None else shortest.start(shortest.slot(at) + 1), terms.not_after]
    quiet = terms.quiet.begin_after(at, terms.zone)
    return min([*ends, quiet] if quiet else ends)
